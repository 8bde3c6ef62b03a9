/** Ref: an actor as its callers hold it: an address with typed methods. It is a name and nothing else: making one costs nothing, and
 *  the actor it names may be cold, elsewhere, or not exist.
 *
 *  Every method settles by its deadline: it resolves with what the owner committed, or rejects with a `GodwitError`. What
 *  cannot be a request is refused before anything is sent. Requests that one client makes to one actor run in the order
 *  of the calls; there is no need to await one before the next. */

import { errorOf } from '../base/errors.ts'
import type { Address } from '../protocol/address.ts'
import { type Call, eventCall, plainCall, spawnCall } from '../protocol/call.ts'
import { decode } from '../protocol/codec.ts'
import type { ActorView, Asked, Located, Spawned, Stopped } from '../protocol/results.ts'
import type { ActorDefinition, EventOf, InputOf, ReplyOf, ViewOf } from '../runtime/definition.ts'
import type { Sender } from '../runtime/sender.ts'

export type AnyDefinition = ActorDefinition<any, any>

export interface CallOptions {
  /** Default 5 s, at most 60 s. */
  readonly timeoutMs?: number
  /** Gives up waiting. The request may run all the same. */
  readonly signal?: AbortSignal
}

export interface RequestOptions extends CallOptions {
  /** Names the request: sent again under the same name, within two minutes, it is not processed again but answered as before. */
  readonly requestId?: string
}

/** What stands for events, replies and views of a reference whose definition is not known: `client.actor('counter', id)`. */
interface AnyEvent {
  readonly type: string
  readonly [key: string]: unknown
}
type IsUntyped<TDefinition extends AnyDefinition> = 0 extends 1 & TDefinition['machine'] ? true : false
type EventFor<TDefinition extends AnyDefinition> = IsUntyped<TDefinition> extends true ? AnyEvent : EventOf<TDefinition>
type ReplyFor<TDefinition extends AnyDefinition, TEventType extends string> =
  IsUntyped<TDefinition> extends true ? unknown : ReplyOf<TDefinition, TEventType>
type ViewFor<TDefinition extends AnyDefinition> = IsUntyped<TDefinition> extends true ? ActorView : ViewOf<TDefinition>

/** The input may be left out where the machine needs none. */
type SpawnArguments<TInput> = undefined extends TInput
  ? [input?: TInput, options?: RequestOptions]
  : [input: TInput, options?: RequestOptions]

export interface ActorRef<TDefinition extends AnyDefinition = AnyDefinition> extends Address {
  /** Begins the actor's life. Where it lives already, nothing changes and `created` is false; where it is done, it begins anew. */
  spawn(...args: SpawnArguments<InputOf<TDefinition>>): Promise<Spawned>
  /** Resolves, once the event is committed, with what the machine replies; without a reply of its own, and where the machine
   *  has no transition for the event in its present state, with the view. */
  ask<const TEvent extends EventFor<TDefinition>>(
    event: TEvent,
    options?: RequestOptions,
  ): Promise<ReplyFor<TDefinition, TEvent['type']>>
  /** Like `ask`, and says whether the machine had a transition for the event. */
  request<const TEvent extends EventFor<TDefinition>>(
    event: TEvent,
    options?: RequestOptions,
  ): Promise<Requested<ReplyFor<TDefinition, TEvent['type']>, ViewFor<TDefinition>>>
  /** Resolves once the event is committed. */
  tell(event: EventFor<TDefinition>, options?: RequestOptions): Promise<void>
  /** What anybody may see of the actor: a committed state. */
  get(options?: CallOptions): Promise<ViewFor<TDefinition>>
  /** Ends the actor's life and forgets its state. */
  stop(options?: RequestOptions): Promise<Stopped>
  locate(options?: CallOptions): Promise<Located>
}

export type Requested<TReply, TView> =
  | { readonly handled: true; readonly reply: TReply }
  | { readonly handled: false; readonly reply: TView }

/** Throws `BAD_REQUEST` for an address that cannot be. */
export function createRef<TDefinition extends AnyDefinition>(
  sender: Pick<Sender, 'call'>,
  { type, id }: Address,
): ActorRef<TDefinition> {
  // Also what refuses a wrong name here, and not at the first request.
  plainCall('get', type, id)

  async function settled<T>(call: Call, signal: AbortSignal | undefined): Promise<T> {
    const outcome = await sender.call(call, signal)
    if (outcome.kind === 'refused') throw errorOf(outcome.why)
    return decode(outcome.body) as T
  }

  const ref: ActorRef = {
    type,
    id,
    spawn: async (input?: unknown, options?: RequestOptions) =>
      settled(spawnCall(type, id, input, options), options?.signal),
    ask: async (event, options) => {
      const { reply } = await settled<Asked>(eventCall('ask', type, id, event, options), options?.signal)
      return reply
    },
    request: async (event, options) => settled(eventCall('ask', type, id, event, options), options?.signal),
    tell: async (event, options) => void (await settled(eventCall('tell', type, id, event, options), options?.signal)),
    get: async (options) => settled(plainCall('get', type, id, options), options?.signal),
    stop: async (options) => settled(plainCall('stop', type, id, options), options?.signal),
    locate: async (options) => settled(plainCall('locate', type, id, options), options?.signal),
  }
  return ref as ActorRef<TDefinition>
}
