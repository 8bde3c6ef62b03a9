/** Delays: the delayed transitions and sends of one actor and its child machines, in place of XState's scheduler, whose timers
 *  are lost with the process (statelyai/xstate#5331). It only keeps the table: the core asks for a turn when the earliest is
 *  due, and what fires is what is still armed then (rule T1). */

import type { AnyActorRef, AnyEventObject } from 'xstate'
import type { Clock } from '../base/clock.ts'
import type { Stage, System } from './host-stage.ts'

type Scheduler = System['scheduler']

export interface Delay {
  /** Numbers the delays in the order of their arming: two of one id are not the same. */
  readonly arming: number
  readonly source: AnyActorRef
  readonly target: AnyActorRef
  readonly event: AnyEventObject
  readonly id: string
  /** On the monotonic clock of this process. */
  readonly dueAtMs: number
}

export class Delays implements Scheduler {
  readonly #clock: Clock
  readonly #stage: Pick<Stage, 'touch'>
  readonly #armed = new Map<number, Delay>()
  #armings = 0

  constructor(clock: Clock, stage: Pick<Stage, 'touch'>) {
    this.#clock = clock
    this.#stage = stage
  }

  /** Called by XState; `id` is left out by sends that nobody means to cancel. */
  schedule(source: AnyActorRef, target: AnyActorRef, event: AnyEventObject, delayMs: number, id?: string): void {
    const arming = this.#armings + 1
    const dueAtMs = this.#clock.now().monoMs + (delayMs > 0 ? delayMs : 0)
    this.arm({ arming, source, target, event, id: id ?? `${arming}`, dueAtMs })
    this.#stage.touch()
  }

  /** Called by XState. */
  cancel(source: AnyActorRef, id: string): void {
    this.#disarm((delay) => delay.source === source && delay.id === id)
  }

  /** Called by XState, for an actor that is over. */
  cancelAll(source: AnyActorRef): void {
    this.#disarm((delay) => delay.source === source)
  }

  get armed(): Iterable<Delay> {
    return this.#armed.values()
  }

  arm(delay: Delay): void {
    this.#armed.set(delay.arming, delay)
    this.#armings = Math.max(this.#armings, delay.arming)
  }

  /** Oldest first. */
  due(): readonly Delay[] {
    const { monoMs } = this.#clock.now()
    const due = [...this.#armed.values()].filter((delay) => delay.dueAtMs <= monoMs)
    return due.toSorted((a, b) => a.dueAtMs - b.dueAtMs || a.arming - b.arming)
  }

  /** Takes it off the table; false if it is not there any more. */
  fire(delay: Delay): boolean {
    const armed = this.#armed.delete(delay.arming)
    if (armed) this.#stage.touch()
    return armed
  }

  /** When the earliest is due; infinite when there is none. */
  dueAtMs(): number {
    let earliest = Infinity
    for (const { dueAtMs } of this.#armed.values()) if (dueAtMs < earliest) earliest = dueAtMs
    return earliest
  }

  #disarm(chosen: (delay: Delay) => boolean): void {
    for (const delay of this.#armed.values()) if (chosen(delay) && this.#armed.delete(delay.arming)) this.#stage.touch()
  }
}
