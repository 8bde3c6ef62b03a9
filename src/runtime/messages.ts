/** Messages: how a machine sends to other actors. What it sends lies in the commit of its transition, and is processed once, in the order in
 *  which it was sent to the same actor, whatever becomes of the nodes (rule M3). Under plain XState, where nobody could deliver it,
 *  all of this does nothing. */

import type { ActionArgs, AnyActorScope, EventObject, MachineContext } from 'xstate'
import { GodwitError } from '../base/errors.ts'
import { keyOf } from '../protocol/address.ts'
import { eventCall, plainCall, spawnCall } from '../protocol/call.ts'
import type { Posted } from './host-draft.ts'
import { stageOf } from './host-stage.ts'
import { evaluate, type Expression, type ReplyAction } from './reply.ts'

/** Names an actor of the cluster. */
export interface ActorAddress {
  readonly type: string
  readonly id: string
}

export interface SendOptions {
  /** Type of the event that this actor gets if the message is refused for good: `{ type, error: { code, message }, to }`. Left out, the
   *  node alone is told (`undeliverable`). */
  readonly onError?: string
}

export interface AskOptions extends SendOptions {
  /** Type of the event that brings the reply: `{ type, output, from }`. It comes as a message of the other actor's: once, and after what
   *  that sent before. */
  readonly onReply: string
}

/** An action that sends an event to another actor, or to this one. A durable receiver processes it once. */
export const sendToActor = <
  TContext extends MachineContext,
  TExpressionEvent extends EventObject,
  TEvent extends EventObject,
>(
  address: Expression<TContext, TExpressionEvent, ActorAddress>,
  event: Expression<TContext, TExpressionEvent, EventObject>,
  options: SendOptions = {},
): ReplyAction<TContext, TExpressionEvent, TEvent> =>
  postAction('sendToActor', (args) => {
    const { type, id } = evaluate(address, args)
    return posted(eventCall('tell', type, id, evaluate(event, args)), options)
  })

/** The same, and the reply comes as an event: what the receiver's `reply` says, in that transition or in a later one, or its view. */
export const askActor = <
  TContext extends MachineContext,
  TExpressionEvent extends EventObject,
  TEvent extends EventObject,
>(
  address: Expression<TContext, TExpressionEvent, ActorAddress>,
  event: Expression<TContext, TExpressionEvent, EventObject>,
  options: AskOptions,
): ReplyAction<TContext, TExpressionEvent, TEvent> =>
  postAction('askActor', (args) => {
    const { type, id } = evaluate(address, args)
    return posted(eventCall('ask', type, id, evaluate(event, args)), options)
  })

/** An action that spawns an actor of the cluster; one that is there already stays as it is. */
export const spawnActor = <
  TContext extends MachineContext,
  TExpressionEvent extends EventObject,
  TEvent extends EventObject,
>(
  address: Expression<TContext, TExpressionEvent, ActorAddress>,
  input?: Expression<TContext, TExpressionEvent, unknown>,
  options: SendOptions = {},
): ReplyAction<TContext, TExpressionEvent, TEvent> =>
  postAction('spawnActor', (args) => {
    const { type, id } = evaluate(address, args)
    return posted(spawnCall(type, id, evaluate(input, args)), options)
  })

/** An action that stops an actor of the cluster, if it is there. */
export const stopActor = <
  TContext extends MachineContext,
  TExpressionEvent extends EventObject,
  TEvent extends EventObject,
>(
  address: Expression<TContext, TExpressionEvent, ActorAddress>,
  options: SendOptions = {},
): ReplyAction<TContext, TExpressionEvent, TEvent> =>
  postAction('stopActor', (args) => {
    const { type, id } = evaluate(address, args)
    return posted(plainCall('stop', type, id), options)
  })

/** What cannot be a message fails the turn, as what cannot be stored does. */
function postAction<TContext extends MachineContext, TExpressionEvent extends EventObject, TEvent extends EventObject>(
  name: string,
  postOf: (args: ActionArgs<TContext, TExpressionEvent, TEvent>) => Posted,
): ReplyAction<TContext, TExpressionEvent, TEvent> {
  // XState takes an action with `resolve` for one of its own: it is called as part of the transition, and has no effect.
  const action = (): never => {
    throw new GodwitError(
      'BAD_REQUEST',
      `\`${name}\` is an action: put it among the actions of a transition instead of calling it`,
    )
  }
  const resolve = (
    scope: AnyActorScope,
    snapshot: unknown,
    args: ActionArgs<TContext, TExpressionEvent, TEvent>,
  ): unknown => {
    stageOf(scope.system)?.draft?.posts.push(postOf(args))
    return [snapshot, undefined, undefined]
  }
  return Object.assign(action, { type: `godwit.${name}`, resolve })
}

const posted = (
  { op, address, body }: ReturnType<typeof eventCall>,
  { onReply, onError }: Partial<AskOptions>,
): Posted => ({
  target: keyOf(address),
  op: op as Posted['op'],
  body,
  ...(onReply !== undefined && { onReply }),
  ...(onError !== undefined && { onError }),
})
