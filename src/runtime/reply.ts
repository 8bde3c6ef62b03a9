/** Reply: how a machine answers an ask, in the transition that the ask causes or in a later one. Under plain XState, where
 *  nobody asks, all of this does nothing. */

import type { ActionArgs, AnyActorScope, EventObject, MachineContext, NonReducibleUnknown } from 'xstate'
import { stageOf, type System } from './host-stage.ts'

/** Names a request that is still open. Plain data: keep it in the context, it stays good through moves and crashes. */
export type ReplyToken = string & { readonly '~request': true }

/** Evaluated in the order of the actions, with the context as it is then. */
export type Expression<TContext extends MachineContext, TEvent extends EventObject, TValue> =
  | TValue
  | ((args: { readonly context: TContext; readonly event: TEvent; readonly self: { readonly id: string } }) => TValue)

export interface ReplyAction<
  TContext extends MachineContext,
  TExpressionEvent extends EventObject,
  TEvent extends EventObject,
> {
  (args: ActionArgs<TContext, TExpressionEvent, TEvent>, params: any): void
}

export interface ReplyOptions<TContext extends MachineContext, TEvent extends EventObject> {
  /** Answers the request that `keepReply` kept, instead of the present one. */
  readonly to: Expression<TContext, TEvent, ReplyToken | null | undefined>
}

/** An action that answers the present ask, or one that was kept. The caller gets it after the commit. If several answer, the last
 *  one counts; a value that cannot be encoded fails the turn. */
export function reply<
  TContext extends MachineContext,
  TExpressionEvent extends EventObject,
  TEvent extends EventObject,
  TValue extends NonReducibleUnknown,
>(
  value: Expression<TContext, TExpressionEvent, TValue>,
  options?: ReplyOptions<TContext, TExpressionEvent>,
): ReplyAction<TContext, TExpressionEvent, TEvent> {
  // XState takes an action with `resolve` for one of its own: it is called as part of the transition, and has no effect.
  const action = (): never => {
    throw new Error('`reply` is an action: put it among the actions of a transition instead of calling it')
  }
  const resolve = (
    scope: AnyActorScope,
    snapshot: unknown,
    args: ActionArgs<TContext, TExpressionEvent, TEvent>,
  ): unknown => {
    const draft = stageOf(scope.system)?.draft
    if (draft !== undefined) {
      const said = evaluate(value, args)
      if (options === undefined) draft.say(said, undefined)
      else draft.say(said, evaluate(options.to, args) ?? '')
    }
    return [snapshot, undefined, undefined]
  }
  return Object.assign(action, { type: 'godwit.reply', resolve })
}

/** For `assign`: keeps the present ask open and gives its token, to be answered by `reply(…, { to })` in a later transition. If
 *  nobody asks it gives an empty token, which nothing answers. */
export function keepReply(): (args: { readonly self: { readonly system: System } }) => ReplyToken {
  return ({ self }) => (stageOf(self.system)?.draft?.keep() ?? '') as ReplyToken
}

export const evaluate = <TContext extends MachineContext, TEvent extends EventObject, TValue>(
  expression: Expression<TContext, TEvent, TValue>,
  args: { readonly context: TContext; readonly event: TEvent; readonly self: { readonly id: string } },
): TValue => (typeof expression === 'function' ? (expression as (args: object) => TValue)(args) : expression)
