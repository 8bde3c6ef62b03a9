/** Turn: one turn of a live actor, and its result. An event from outside that is refused, or over which the machine throws, fails
 *  its turn. Delayed and internal events have nobody to be told: the throw is reported, the event is used up, and the turn ran. */

import { unreachable } from '../base/assert.ts'
import { messageOf, type Refusal, refuse } from '../base/errors.ts'
import { decode, encode } from '../protocol/codec.ts'
import type { ActorView, Asked } from '../protocol/results.ts'
import type { Cause, StoredActor, Turn, TurnResult } from '../protocol/turn.ts'
import type { Activation } from './host-activation.ts'
import { Draft } from './host-draft.ts'
import { refusalOf } from './vocabulary.ts'

/** A turn that ran has a draft, whose effects are to be kept. */
export interface Played {
  readonly draft?: Draft
  readonly result: TurnResult
}

/** Begins the actor's life. */
export function playStart(activation: Activation, turn: Turn, input: Uint8Array): Played {
  const draft = new Draft()
  try {
    activation.play(draft, () => activation.begin(input))
  } catch (thrown) {
    const why = `the machine threw over its input or in its first state: ${messageOf(thrown)}`
    return { result: failed(refuse('ACTOR_FAILED', why)) }
  }
  reportFailure(activation, draft)
  activation.touch()
  return ran(activation, draft, turn, true)
}

export function playTurn(activation: Activation, turn: Turn, cause: Exclude<Cause, { kind: 'start' }>): Played {
  switch (cause.kind) {
    case 'event':
      return playEvent(activation, turn, cause)
    case 'internal':
      return playInternal(activation, turn)
    case 'timers':
      return playTimers(activation, turn)
    case 'read': {
      const draft = new Draft()
      activation.play(draft, () => {})
      return ran(activation, draft, turn, true)
    }
    default:
      return unreachable(cause)
  }
}

function playEvent(activation: Activation, turn: Turn, cause: Cause & { kind: 'event' }): Played {
  const before = activation.snapshot
  const event = parseEvent(cause.event)
  const refused =
    before.status === 'active' ? refusalOf(activation.definition.vocabulary, event) : refusalOfEnded(activation)
  if (refused !== undefined) return { result: failed(refused, standingOf(activation)) }
  const draft = new Draft(cause.request)
  activation.play(draft, () => activation.root.send(event))
  if (draft.failure !== undefined) {
    const why = `the machine threw, and is as it was before: ${messageOf(draft.failure.thrown)}`
    return { result: failed(refuse('ACTOR_FAILED', why), standingOf(activation)) }
  }
  // Asked only when the event left no trace: `can` evaluates guards once more.
  return ran(activation, draft, turn, activation.changed || draft.spoke || before.can(event))
}

function playInternal(activation: Activation, turn: Turn): Played {
  const draft = new Draft()
  activation.play(draft, () => {
    const next = activation.takePostponed()
    if (next !== undefined) next.target.send(next.event)
  })
  reportFailure(activation, draft)
  return ran(activation, draft, turn, true)
}

/** Each delayed event is a transition of its own, oldest first; one may disarm the next. */
function playTimers(activation: Activation, turn: Turn): Played {
  const draft = new Draft()
  activation.play(draft, () => {
    for (const delay of activation.delays.due()) {
      if (!activation.delays.fire(delay)) continue
      delay.target.send(delay.event)
      reportFailure(activation, draft)
    }
  })
  return ran(activation, draft, turn, true)
}

function reportFailure(activation: Activation, draft: Draft): void {
  if (draft.failure !== undefined) activation.report(draft.failure.thrown)
  draft.failure = undefined
}

/** Bytes that are no value are refused as what is no event. */
function parseEvent(bytes: Uint8Array): { readonly type: string } {
  try {
    return decode(bytes) as { type: string }
  } catch {
    return undefined as never
  }
}

const refusalOfEnded = ({ actor, snapshot }: Activation): Refusal =>
  snapshot.status === 'done'
    ? refuse('ACTOR_DONE', `${actor} has reached its final state`)
    : refuse('ACTOR_FAILED', `${actor} has failed: ${messageOf(snapshot.error)}`)

// ---- results

function ran(activation: Activation, draft: Draft, turn: Turn, handled: boolean): Played {
  const isView = draft.reply === undefined && !draft.kept && turn.wantsView
  const answer = isView ? viewAnswer(activation, turn, handled) : draft.reply
  const result: TurnResult = {
    outcome: handled ? ranHandled : ranUnhandled,
    changed: activation.changed,
    ...standingOf(activation),
    kept: draft.kept,
    ...(answer !== undefined && { answer }),
    answerIsView: isView,
    answers: draft.answers,
    effects: draft.effects.length > 0,
    ...(draft.posts.length > 0 && { posts: draft.posts }),
  }
  return { draft, result }
}

const ranHandled = { kind: 'ran', handled: true } as const
const ranUnhandled = { kind: 'ran', handled: false } as const

/** The actor is as it was, or is not at all. */
export function failed(why: Refusal, standing: Standing = absent): TurnResult {
  return {
    outcome: { kind: 'failed', why },
    changed: false,
    ...standing,
    kept: false,
    answerIsView: false,
    answers: [],
    effects: false,
  }
}

type Standing = Pick<TurnResult, 'status' | 'live' | 'dueAtMs'>

const absent: Standing = { status: 'active', live: false, dueAtMs: Infinity }

export const standingOf = (activation: Activation): Standing => ({
  status: activation.snapshot.status as StoredActor['status'],
  live: activation.live,
  dueAtMs: activation.delays.dueAtMs(),
})

/** A context that cannot be encoded is not shown; storing it fails on its own. */
function viewAnswer(activation: Activation, { cause }: Turn, handled: boolean): Uint8Array {
  const view = activation.view()
  const asked = cause.kind === 'read' ? cause.again : { handled }
  const answerWith = (shown: ActorView): Uint8Array =>
    encode(asked === undefined ? shown : ({ ...asked, reply: shown } satisfies Asked))
  try {
    return answerWith(view)
  } catch (thrown) {
    activation.report(thrown)
    return answerWith({ status: view.status, value: view.value, context: null, tags: view.tags })
  }
}
