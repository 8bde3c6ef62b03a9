/** Held: something outside that takes time to let go of: a websocket, a subscription, a lock. A machine invokes it like any
 *  child; a planned move waits until `stop` is done, so that the next owner does not meet its predecessor.
 *
 *      start(input) -> handle ... stop(handle)
 *
 *  It runs again from its input wherever the actor wakes. If `start` fails the machine hears it as the child's error; what the
 *  machine sends to the child meanwhile waits until `start` listens. `stop` runs once for each start that succeeded, also for
 *  one that was still under way when the child was stopped. On one node the next start of the same child waits for the stop
 *  before it: exclusive, even at the price of waiting for one that hangs. */

import type { ActorLogic, AnyActorRef, AnyEventObject, NonReducibleUnknown, Snapshot } from 'xstate'
import { GodwitError } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import { settles } from './host-child.ts'
import { epochOf, type FencingToken, stageOf } from './host-stage.ts'

export interface HeldArgs<TInput> {
  readonly input: TInput
  /** Show it to the outside, so that it can refuse an owner of the past. */
  readonly epoch: FencingToken['epoch']
  /** Aborted as soon as the child is stopped. */
  readonly signal: AbortSignal
  /** Sends an event to the machine. */
  readonly sendBack: (event: AnyEventObject) => void
  /** Hears what the machine sends to the child. */
  readonly receive: (listener: (event: AnyEventObject) => void) => void
  readonly self: AnyActorRef
}

export interface HeldOptions<THandle, TInput> {
  readonly start: (args: HeldArgs<TInput>) => THandle | PromiseLike<THandle>
  readonly stop: (handle: THandle) => unknown
}

export type HeldSnapshot<TInput> = Snapshot<undefined> & { readonly input: TInput | undefined }

export type HeldLogic<TInput> = ActorLogic<HeldSnapshot<TInput>, AnyEventObject, TInput>

/** What a started child has outside of its snapshot. */
interface Grip {
  readonly abort: AbortController
  readonly listeners: Set<(event: AnyEventObject) => void>
  /** What the machine sent while `start` was under way and nobody listened yet. */
  readonly early: AnyEventObject[]
  starting: boolean
  /** Fulfilled with what lets go, when `start` is done; rejected when it fails. */
  readonly started: Promise<() => Promise<void>>
  rest?: Promise<void>
}

const failed = 'godwit.held.failed'

export function held<THandle, TInput = NonReducibleUnknown>({
  start,
  stop,
}: HeldOptions<THandle, TInput>): HeldLogic<TInput> {
  const grips = new WeakMap<AnyActorRef, Grip>()

  function takeHold(input: TInput, self: AnyActorRef): Grip {
    const abort = new AbortController()
    const { signal } = abort
    const listeners: Grip['listeners'] = new Set()
    const early: AnyEventObject[] = []
    const receive: HeldArgs<TInput>['receive'] = (listener) => {
      listeners.add(listener)
      for (const event of early.splice(0)) listener(event)
    }
    const sendBack = (event: AnyEventObject): void => {
      if (!signal.aborted) self._parent?.send(event)
    }
    const started = predecessorOf(self).then(async () => {
      signal.throwIfAborted()
      const { epoch } = epochOf(self.system)
      const handle = await start({
        input,
        epoch,
        signal,
        sendBack,
        receive,
        self,
      })
      return async () => void (await stop(handle))
    })
    const grip: Grip = { abort, listeners, early, starting: true, started }
    started
      .catch((error: unknown) => {
        if (!signal.aborted) self.send({ type: failed, error })
      })
      .finally(() => {
        grip.starting = false
        early.length = 0
      })
    return grip
  }

  /** Nothing is lost while `start` is under way: it may have to wait for its predecessor before it can listen. False: too much. */
  function hear(grip: Grip, event: AnyEventObject): boolean {
    for (const listener of grip.listeners) listener(event)
    if (grip.listeners.size > 0 || !grip.starting) return true
    return grip.early.push(event) <= limits.heldEventsMax
  }

  function letGo(grip: Grip, self: AnyActorRef): void {
    if (grip.rest !== undefined) return
    grip.abort.abort()
    grip.listeners.clear()
    // A start that failed, or gave up when it was aborted, holds nothing.
    grip.rest = grip.started.then(
      (stopIt) => stopIt(),
      () => {},
    )
    becomePredecessor(self, grip.rest)
  }

  const logic: HeldLogic<TInput> & { [settles]: (ref: AnyActorRef) => Promise<void> | undefined } = {
    getInitialSnapshot: (_scope, input) => ({ status: 'active', output: undefined, error: undefined, input }),
    getPersistedSnapshot: (snapshot) => snapshot,
    restoreSnapshot: (snapshot) => snapshot as HeldSnapshot<TInput>,
    start: ({ input }, { self }) => void grips.set(self, takeHold(input as TInput, self)),
    transition(snapshot, event, { self }) {
      const grip = grips.get(self)
      if (event.type === 'xstate.stop') {
        if (grip !== undefined) letGo(grip, self)
        return { ...snapshot, status: 'stopped', error: undefined }
      }
      if (event.type === failed) return { ...snapshot, status: 'error', error: event['error'] }
      if (grip === undefined || hear(grip, event)) return snapshot
      letGo(grip, self)
      const error = new GodwitError(
        'OVERLOADED',
        `${limits.heldEventsMax} events wait for a held child that has not started`,
      )
      return { ...snapshot, status: 'error', error }
    },
    [settles]: (ref) => grips.get(ref)?.rest,
  }
  return logic
}

function placeOf(self: AnyActorRef): string {
  const path: string[] = []
  for (let ref: AnyActorRef | undefined = self; ref?._parent !== undefined; ref = ref._parent) path.unshift(ref.id)
  return JSON.stringify([stageOf(self.system)?.actor, ...path])
}

const predecessorOf = (self: AnyActorRef): Promise<void> =>
  stageOf(self.system)?.stopping.get(placeOf(self)) ?? Promise.resolve()

function becomePredecessor(self: AnyActorRef, rest: Promise<void>): void {
  const stopping = stageOf(self.system)?.stopping
  const place = placeOf(self)
  // A stop that failed is reported elsewhere; the next start need not know.
  const over = rest.then(
    () => {},
    () => {},
  )
  stopping?.set(place, over)
  void over.then(() => {
    if (stopping?.get(place) === over) stopping.delete(place)
  })
}
