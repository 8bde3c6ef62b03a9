/** Child: a callback, promise, observable or held resource that a machine invoked or spawned: the part of an actor that touches
 *  the outside on its own. Its machine has it from the turn that starts it to the turn that stops it; it begins and ends when those
 *  turns are committed.
 *
 *      waiting -> beginning -> running -> over
 *
 *  Child machines are none of these: they are pure, and move inside turns (`host-staging.ts`). */

import {
  type AnyActorLogic,
  type AnyActorRef,
  type AnyActorScope,
  type AnyEventObject,
  fromPromise,
  type Snapshot,
} from 'xstate'
import type { Part, Stage } from './host-stage.ts'

/** Logic whose letting go takes time says here when it is done: a promise for the given actor, once it was stopped. */
export const settles = Symbol.for('godwit.settles')

export type SettlingLogic = AnyActorLogic & { readonly [settles]?: (ref: AnyActorRef) => Promise<unknown> | undefined }

const stop = { type: 'xstate.stop' }
const failed = 'godwit.child.failed'

export class Child implements Part {
  leaving = false
  readonly #ref: AnyActorRef
  readonly #logic: SettlingLogic
  readonly #scope: AnyActorScope
  readonly #stage: Stage
  #state: 'waiting' | 'beginning' | 'running' | 'over' = 'waiting'
  /** The last one in which it was active: there an observable keeps its subscription. */
  #snapshot: Snapshot<unknown>
  /** What it was sent before it ran. */
  readonly #early: AnyEventObject[] = []

  constructor(stage: Stage, scope: AnyActorScope, logic: SettlingLogic, snapshot: Snapshot<unknown>) {
    this.#stage = stage
    this.#scope = scope
    this.#logic = logic
    this.#snapshot = snapshot
    this.#ref = scope.self
    stage.parts.add(this)
  }

  /** Throws what the logic's own start throws. */
  begin(): void {
    this.#state = 'beginning'
    try {
      this.#logic.start!(this.#snapshot, this.#scope)
    } catch (thrown) {
      this.#becomeOver()
      throw thrown
    }
    this.#state = 'running'
    // An observable that emits while it is being subscribed to must not lose its subscription to the next snapshot.
    for (const event of this.#early.splice(0)) this.feed(event)
  }

  /** As an effect: a child that cannot begin has failed, and its machine hears so as under XState alone. */
  readonly beginLater = (): void => {
    try {
      this.begin()
    } catch (thrown) {
      if (this.leaving) this.#stage.report(thrown)
      else this.#ref.send({ type: failed, error: thrown })
    }
  }

  /** As an effect: an event that a turn sent to it. XState has no ear for a child that a later turn stopped; but what is committed
   *  before its stop is performed before its stop. */
  feed(event: AnyEventObject): void {
    if (!this.leaving) this.#ref.send(event)
    else if (this.#state === 'running') this.#logic.transition(this.#snapshot, event, this.#scope)
  }

  /** An event of its own (a promise's end, the next value), or one that it was fed. */
  hear(snapshot: Snapshot<unknown>, event: AnyEventObject): Snapshot<unknown> {
    if (event.type === failed) return { ...snapshot, status: 'error', error: event['error'] } as Snapshot<unknown>
    if (this.#state !== 'running') {
      this.#early.push(event)
      return snapshot
    }
    try {
      this.#snapshot = this.#logic.transition(snapshot, event, this.#scope)
    } catch (thrown) {
      // XState marks it as failed and would leave what it holds to nobody.
      this.end()
      throw thrown
    }
    if (this.#snapshot.status !== 'active') this.#becomeOver()
    return this.#snapshot
  }

  /** Lets go of the outside. */
  readonly end = (): void => {
    const ran = this.#state === 'running' || this.#state === 'beginning'
    this.#becomeOver()
    if (!ran) return
    try {
      this.#logic.transition(this.#snapshot, stop, this.#scope)
    } catch (thrown) {
      this.#stage.report(thrown)
    }
    const rest = this.#logic[settles]?.(this.#ref)
    if (rest !== undefined) this.#stage.linger(rest)
  }

  #becomeOver(): void {
    this.#state = 'over'
    this.#stage.parts.delete(this)
  }
}

/** XState's promise logic forgets a promise that was aborted, but a handoff must wait until it has ended: so it is run here, by
 *  the same rules. Other logic is given back as it is. */
export function awaited(logic: AnyActorLogic): SettlingLogic {
  if (String(logic.transition) !== promiseTransition) return logic
  const running = new WeakMap<AnyActorRef, { readonly abort: AbortController; readonly ended: Promise<unknown> }>()
  const creator = logic.config as (options: object) => unknown
  return {
    ...logic,
    start(snapshot, { self, system, emit }) {
      const abort = new AbortController()
      const input = snapshot.input as unknown
      const promise = Promise.resolve(creator({ input, system, self, signal: abort.signal, emit }))
      const tell = (event: AnyEventObject): void => {
        if (self.getSnapshot().status === 'active') self.send(event)
      }
      const ended = promise.then(
        (data) => tell({ type: 'xstate.promise.resolve', data }),
        (data: unknown) => tell({ type: 'xstate.promise.reject', data }),
      )
      running.set(self, { abort, ended })
    },
    transition(snapshot, event, scope) {
      if (event.type === stop.type) running.get(scope.self)?.abort.abort()
      return logic.transition(snapshot, event, scope)
    },
    [settles]: (ref) => running.get(ref)?.ended,
  }
}

/** Told by its source: a transition must not be called to find out whose it is. */
const promiseTransition = String(fromPromise(async () => {}).transition)
