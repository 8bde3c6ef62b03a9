/** Definition: what `defineActor` returns: a type's name, its machine, and how it is to be kept. All a node needs to know of a
 *  type, and all a client needs to know of its types: a client may import it as a type alone. */

import type {
  AnyStateMachine,
  ContextFrom,
  EventFromLogic,
  InputFrom,
  OutputFrom,
  StateValueFrom,
  TagsFrom,
} from 'xstate'
import { GodwitError } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import { checkName } from '../protocol/address.ts'
import type { ActorView } from '../protocol/results.ts'
import { type Vocabulary, vocabularyOf } from './vocabulary.ts'

/** States the type of a reply, which XState cannot infer; holds nothing. */
export interface ReplyType<T> {
  readonly '~reply'?: T
}

/** As much of the Standard Schema (standardschema.dev) as names a type. */
export interface SchemaType<T> {
  readonly '~standard': { readonly types?: { readonly output: T } | undefined }
}

/** For `replies`: `{ INC: type<number>() }`. */
export const type = <T>(): ReplyType<T> => ({})

export type Replies<TMachine extends AnyStateMachine> = {
  readonly [K in OutsideEvent<TMachine>['type']]?: ReplyType<unknown> | SchemaType<unknown>
}

export interface ActorOptions<TMachine extends AnyStateMachine, TReplies> {
  /** Letters, digits, `_` and `-`, at most 64. Part of every actor's address. */
  readonly type: string
  /** Children by name (`setup({ actors })`) or in `invoke`: what is spawned inline cannot be stored. */
  readonly machine: TMachine
  /** 'volatile' answers at once and loses its state, not its existence, in a crash. Default 'durable'. */
  readonly durability?: 'durable' | 'volatile'
  readonly replies?: TReplies
  /** Types of one group share shards. Default `main`. */
  readonly group?: string
  /** A node never opens a state that a higher version wrote. Default 1. */
  readonly version?: number
  /** 'hold' keeps what is held outside while the node's lease is in doubt, and gives up exclusivity for that time. */
  readonly onLeaseLost?: 'release' | 'hold'
  /** How long a planned move waits for `held` children to let go. */
  readonly releaseTimeoutMs?: number
}

export interface ActorDefinition<TMachine extends AnyStateMachine = AnyStateMachine, TReplies = unknown> {
  readonly type: string
  readonly machine: TMachine
  readonly durability: 'durable' | 'volatile'
  readonly replies: TReplies
  readonly group: string
  readonly version: number
  readonly onLeaseLost: 'release' | 'hold'
  readonly releaseTimeoutMs: number
  /** The events that may reach the machine from outside. */
  readonly vocabulary: Vocabulary
}

/** Throws `BAD_REQUEST` for what cannot be a definition. */
export function defineActor<
  TMachine extends AnyStateMachine,
  const TReplies extends Replies<TMachine> = Record<never, never>,
>(options: ActorOptions<TMachine, TReplies>): ActorDefinition<TMachine, TReplies> {
  const {
    type: name,
    machine,
    group = 'main',
    version = 1,
    releaseTimeoutMs = limits.releaseTimeoutMsDefault,
  } = options
  checkName('the type of an actor', name)
  checkName('the group of a type', group)
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw new GodwitError('BAD_REQUEST', `actor type ${name}: ${what}`)
  }
  check(isMachine(machine), '`machine` must be an XState machine (createMachine or setup().createMachine)')
  check(Number.isSafeInteger(version) && version >= 0, '`version` must be a whole number from 0')
  check(releaseTimeoutMs >= 0 && Number.isFinite(releaseTimeoutMs), '`releaseTimeoutMs` must be a number from 0')
  const { durability = 'durable', onLeaseLost = 'release', replies = {} as TReplies } = options
  check(durability === 'durable' || durability === 'volatile', "`durability` must be 'durable' or 'volatile'")
  check(onLeaseLost === 'release' || onLeaseLost === 'hold', "`onLeaseLost` must be 'release' or 'hold'")
  const vocabulary = vocabularyOf(machine)
  return { type: name, machine, durability, replies, group, version, onLeaseLost, releaseTimeoutMs, vocabulary }
}

/** By its shape: the caller's XState may be another copy than ours. */
export const isMachine = (logic: unknown): logic is AnyStateMachine =>
  typeof logic === 'object' && logic !== null && '__xstatenode' in logic && 'root' in logic && 'transition' in logic

type AnyDefinition = ActorDefinition<any, any>
type MachineOf<TDefinition extends AnyDefinition> = TDefinition['machine']
type OutsideEvent<TMachine extends AnyStateMachine> = Exclude<EventFromLogic<TMachine>, { type: `xstate.${string}` }>

/** The events that may be sent to actors of the type. */
export type EventOf<TDefinition extends AnyDefinition> = OutsideEvent<MachineOf<TDefinition>>
export type InputOf<TDefinition extends AnyDefinition> = InputFrom<MachineOf<TDefinition>>
export type ContextOf<TDefinition extends AnyDefinition> = ContextFrom<MachineOf<TDefinition>>

/** What anybody may see of an actor of the type. */
export interface ViewOf<TDefinition extends AnyDefinition> extends Pick<ActorView, 'status' | 'error'> {
  readonly value: StateValueFrom<MachineOf<TDefinition>>
  readonly context: ContextOf<TDefinition>
  readonly tags: readonly TagsFrom<MachineOf<TDefinition>>[]
  readonly output?: OutputFrom<MachineOf<TDefinition>>
}

/** What an ask with an event of this type resolves to: what `replies` states, else the view. */
export type ReplyOf<
  TDefinition extends AnyDefinition,
  TEventType extends EventOf<TDefinition>['type'],
> = TDefinition['replies'] extends { readonly [K in TEventType]: infer TStated } ? Stated<TStated> : ViewOf<TDefinition>

type Stated<T> = T extends SchemaType<infer TReply> ? TReply : T extends ReplyType<infer TReply> ? TReply : never
