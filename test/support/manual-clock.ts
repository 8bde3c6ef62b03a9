/** ManualClock: time that stands still until the test moves it. `pass` runs everything that becomes due on the way, in order,
 *  and lets promises settle in between, so that a whole exchange of messages happens in no time at all. */

import type { Cancel, Clock } from '../../src/base/clock.ts'

interface Timer {
  readonly atMs: number
  readonly run: () => void
}

export class ManualClock implements Clock {
  private nowMs = 1_000_000
  private readonly timers = new Set<Timer>()
  private turns: (() => void)[] = []

  now() {
    return { monoMs: this.nowMs, wallMs: this.nowMs }
  }

  after(delayMs: number, run: () => void): Cancel {
    const timer = { atMs: this.nowMs + delayMs, run }
    this.timers.add(timer)
    return () => void this.timers.delete(timer)
  }

  soon(run: () => void): void {
    this.turns.push(run)
  }

  /** Whether anything waits for time to pass. */
  get isIdle(): boolean {
    return this.timers.size === 0
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms
    for (;;) {
      await this.settle()
      const next = [...this.timers].toSorted((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined || next.atMs > endMs) break
      this.nowMs = Math.max(this.nowMs, next.atMs)
      this.timers.delete(next)
      next.run()
    }
    this.nowMs = endMs
  }

  /** Runs what is due in this very moment, and what that leads to. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 2; quiet++) {
      await new Promise(setImmediate)
      for (let turns = this.turns; turns.length > 0; turns = this.turns) {
        quiet = 0
        this.turns = []
        for (const turn of turns) turn()
        await new Promise(setImmediate)
      }
    }
  }
}
