/** Rehearsal: a host without a core. Commits at once unless told not to, runs what children send, keeps everything it hears, and
 *  can put an actor to sleep and wake it between any two events. */

import type { Clock, Now } from '../../src/base/clock.ts'
import type { Refusal } from '../../src/base/errors.ts'
import { decode, encode } from '../../src/protocol/codec.ts'
import type { ActorView, Asked } from '../../src/protocol/results.ts'
import type { Cause, Host, StoredActor, TurnResult } from '../../src/protocol/turn.ts'
import type { ActorDefinition } from '../../src/runtime/definition.ts'
import { createHost } from '../../src/runtime/host.ts'

export interface ManualClock extends Clock {
  advance(ms: number): void
}

export function manualClock(): ManualClock {
  let nowMs = 1_000
  let timers: { readonly atMs: number; readonly run: () => void }[] = []
  return {
    now: (): Now => ({ monoMs: nowMs, wallMs: nowMs }),
    after(delayMs, run) {
      const timer = { atMs: nowMs + delayMs, run }
      timers.push(timer)
      return () => void (timers = timers.filter((other) => other !== timer))
    },
    soon: (run) => void setImmediate(run),
    advance(ms) {
      nowMs += ms
      const due = timers.filter((timer) => timer.atMs <= nowMs)
      timers = timers.filter((timer) => timer.atMs > nowMs)
      for (const { run } of due) run()
    },
  }
}

export interface Played extends TurnResult {
  /** Until the next delayed transition. */
  readonly dueInMs: number | undefined
  readonly turn: number
  /** The decoded answer: of an event its reply, of a read the view. */
  readonly said: any
  readonly why: Refusal | undefined
}

export interface Rehearsal {
  readonly clock: ManualClock
  readonly host: Host
  readonly failures: string[]
  readonly logs: (readonly unknown[])[]
  readonly emitted: unknown[]
  /** Events that children sent and that have had no turn. */
  waiting(): number
  start(input?: unknown): Played
  ask(event: unknown, options?: { readonly request?: string; readonly commit?: boolean }): Played
  tell(event: unknown): Played
  view(): ActorView
  turn(cause: Cause, options?: { readonly wantsView?: boolean; readonly commit?: boolean }): Played
  /** Lets time pass, then fires what is due. */
  advance(ms: number): void
  /** Gives promises their turn, then the machine what came of them, until nothing comes. */
  settle(): Promise<void>
  stored(): StoredActor
  /** Stores the actor, forgets it and wakes it as another node would, `elapsedMs` later. */
  move(elapsedMs?: number): void
  /** From now on the next turn wakes the actor from this. */
  sleep(stored: StoredActor): void
}

export function rehearse(definition: ActorDefinition<any, any>, id = 'a1', clock = manualClock()): Rehearsal {
  const actor = `${definition.type}/${id}`
  const failures: string[] = []
  const logs: (readonly unknown[])[] = []
  const emitted: unknown[] = []
  let waiting = 0
  let turns = 0
  let asleep: { readonly stored: StoredActor; readonly sinceMs: number } | undefined
  let dueAtMs = Infinity
  const host = createHost({
    definitions: [definition],
    clock,
    listener: {
      internal: () => void waiting++,
      effectFailed: (_actor, thrown) => void failures.push(thrown instanceof Error ? thrown.message : String(thrown)),
      logged: (_actor, values) => void logs.push(values),
      emitted: (_actor, event) => void emitted.push(event),
    },
  })

  function turn(cause: Cause, { wantsView = true, commit = true } = {}): Played {
    const number = ++turns
    const from = asleep && { stored: asleep.stored, storedAtMs: asleep.sinceMs }
    const result = host.take({ actor, number, epoch: 7, cause, wantsView, ...(from && { from }) })
    if (result.outcome.kind === 'ran') {
      asleep = undefined
      dueAtMs = result.dueAtMs
    }
    if (commit && result.effects) host.perform(actor, number, 7)
    const decoded = result.answer && decode(result.answer)
    const said = result.answer && cause.kind === 'event' ? (decoded as Asked).reply : decoded
    const dueInMs = result.dueAtMs === Infinity ? undefined : Math.max(0, result.dueAtMs - clock.now().monoMs)
    return {
      ...result,
      dueInMs,
      turn: number,
      said,
      why: result.outcome.kind === 'failed' ? result.outcome.why : undefined,
    }
  }

  const self: Rehearsal = {
    clock,
    host,
    failures,
    logs,
    emitted,
    waiting: () => waiting,
    start: (input) => turn({ kind: 'start', input: encode(input) }, { wantsView: false }),
    ask: (event, { request = `r${turns + 1}`, commit = true } = {}) =>
      turn({ kind: 'event', event: encode(event), request }, { commit }),
    tell: (event) => turn({ kind: 'event', event: encode(event), request: `r${turns + 1}` }, { wantsView: false }),
    view: () => turn({ kind: 'read' }).said as ActorView,
    turn,
    advance(ms) {
      const endMs = clock.now().monoMs + ms
      while (dueAtMs <= endMs) {
        clock.advance(Math.max(0, dueAtMs - clock.now().monoMs))
        turn({ kind: 'timers' })
      }
      clock.advance(endMs - clock.now().monoMs)
    },
    async settle() {
      for (let quiet = 0; quiet < 3; quiet++) {
        await new Promise((resolve) => setImmediate(resolve))
        for (; waiting > 0; quiet = 0) {
          waiting--
          turn({ kind: 'internal' })
        }
      }
    },
    stored() {
      if (asleep) return asleep.stored
      const stored = host.store(actor, clock.now().monoMs)
      if ('code' in stored) throw new Error(stored.message)
      return stored
    },
    move(elapsedMs = 0) {
      const stored = self.stored()
      const storedAtMs = clock.now().monoMs
      host.forget(actor)
      waiting = 0
      clock.advance(elapsedMs)
      host.wake(actor, stored, storedAtMs, 8)
      dueAtMs = storedAtMs + (stored.dueInMs ?? Infinity)
    },
    sleep(stored) {
      host.forget(actor)
      waiting = 0
      asleep = { stored, sinceMs: clock.now().monoMs }
    },
  }
  return self
}

/** A promise and the means to end it. */
export function deferred<T>(): { readonly promise: Promise<T>; resolve(value: T): void; reject(error: unknown): void } {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((...ends) => void ([resolve, reject] = ends))
  return { promise, resolve, reject }
}
