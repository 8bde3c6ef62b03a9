/** Vocabulary: the events that a machine knows, in any of its states. Everything else is refused before it reaches the
 *  machine: XState takes events from outside at their word, and `xstate.error.*`, an event without a type or one of its
 *  own timer events would kill the actor or move it (tried), and each unknown type would be remembered for ever. */

import type { AnyStateMachine } from 'xstate'
import { type Refusal, refuse } from '../base/errors.ts'
import { limits } from '../base/limits.ts'

export interface Vocabulary {
  /** '*' is among the machine's events. */
  readonly any: boolean
  readonly types: ReadonlySet<string>
  /** Of `foo.*`, which XState takes to mean `foo` and everything below it. */
  readonly prefixes: readonly string[]
}

export function vocabularyOf(machine: AnyStateMachine): Vocabulary {
  const descriptors = (machine.events as readonly string[]).filter((type) => !type.startsWith('xstate.'))
  return {
    any: descriptors.includes('*'),
    types: new Set(descriptors.filter((type) => !type.endsWith('*'))),
    prefixes: descriptors.filter((type) => type.endsWith('.*')).map((type) => type.slice(0, -2)),
  }
}

/** Why the event must not reach the machine, or nothing. */
export function refusalOf(vocabulary: Vocabulary, event: unknown): Refusal | undefined {
  if (!isPlainObject(event)) return refuse('BAD_REQUEST', 'an event must be an object with a `type`')
  const { type } = event
  if (typeof type !== 'string' || type === '')
    return refuse('BAD_REQUEST', 'the `type` of an event must be a text that is not empty')
  if (vocabulary.types.has(type)) return undefined
  if (type === '*' || type.startsWith('xstate.'))
    return refuse('BAD_REQUEST', `an event from outside cannot have a type of XState's own: ${type.slice(0, 80)}`)
  if (type.length > limits.eventTypeLengthMax)
    return refuse(
      'EVENT_REJECTED',
      `the type of an event may have ${limits.eventTypeLengthMax} characters and has ${type.length}`,
    )
  if (vocabulary.any || vocabulary.prefixes.some((prefix) => type === prefix || type.startsWith(`${prefix}.`)))
    return undefined
  return refuse(
    'EVENT_REJECTED',
    `the machine knows no event ${JSON.stringify(type.slice(0, 80))} in any of its states`,
  )
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
