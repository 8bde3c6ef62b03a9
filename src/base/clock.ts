/** Clock: the only way in which Godwit learns the time or waits. The real one stands on Node's timers, the simulator's
 *  and the tests' one is moved by hand. The core never holds a clock: it is told `Now` at every entry (rule C1). */

/** One reading of both clocks. */
export interface Now {
  /** Monotonic milliseconds; the origin is arbitrary. Stands still while a machine sleeps (Linux). */
  readonly monoMs: number
  /** Wall-clock milliseconds since 1970. May jump in either direction. */
  readonly wallMs: number
}

/** Takes a timer back; a second call does nothing. */
export type Cancel = () => void

export interface Clock {
  now(): Now
  /** Calls `run` once after `delayMs`, unless it is cancelled first. */
  after(delayMs: number, run: () => void): Cancel
  /** Calls `run` once the present turn of the event loop is over. */
  soon(run: () => void): void
}

const delayMsMax = 2 ** 31 - 1

/** The process's own clocks and timers. Waits longer than Node's timers can count are cut into several. */
export const systemClock: Clock = {
  now: () => ({ monoMs: performance.now(), wallMs: Date.now() }),
  after(delayMs, run) {
    let timer: NodeJS.Timeout
    const arm = (leftMs: number): void => {
      timer = setTimeout(() => (leftMs > delayMsMax ? arm(leftMs - delayMsMax) : run()), Math.min(leftMs, delayMsMax))
    }
    arm(delayMs)
    return () => clearTimeout(timer)
  },
  soon: (run) => void setImmediate(run),
}

/** A promise of `delayMs` on the given clock. */
export const sleep = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => void clock.after(delayMs, resolve))
