/** Timing: the lengths of time on which "one owner" rests (rules C2, C3), in presets whose relations are asserted.
 *
 *      lease L        how long an acknowledged beat lets a node act, counted from its sending
 *      beat b         how often a node beats
 *      stop G         how long children may take to let go once the lease is over
 *      drift rho      how far two clocks may run apart
 *      wait W         how long a row must stand still before its node is declared dead
 *
 *  W is the one that others rely on: when it is over on an observer's clock, L and G are over on the victim's. */

import { assert } from '../base/assert.ts'

export interface Timing {
  readonly leaseMs: number
  readonly beatMs: number
  readonly beatTimeoutMs: number
  readonly stopMs: number
  readonly waitMs: number
  /** An idle node enters its core at least this often (rule C4). */
  readonly tickMs: number
  /** A longer gap between two entries voids the lease (rule C4). */
  readonly gapMs: number
}

export const drift = 0.01

const timing = (leaseMs: number, stopMs: number, waitMs: number): Timing => ({
  leaseMs,
  beatMs: leaseMs / 4,
  beatTimeoutMs: leaseMs / 4,
  stopMs,
  waitMs,
  tickMs: leaseMs / 12,
  gapMs: leaseMs / 3,
})

export const timings = {
  /** Every actor of a crashed node answers within 4 s. */
  default: timing(2_000, 500, 2_750),
  /** 1.5 s, for quiet machines. */
  fast: timing(800, 200, 1_100),
  /** Rides out the election of a stream leader (6 to 8 s) without letting go of anything. */
  calm: timing(10_000, 2_000, 13_250),
} as const satisfies Record<string, Timing>

export type TimingName = keyof typeof timings

/** Throws where a set of lengths breaks rule C3. */
export function checkTiming(t: Timing): void {
  assert(t.beatMs <= t.leaseMs / 4, 'C3: b <= L/4')
  assert(t.beatTimeoutMs <= t.leaseMs / 4, 'C3: the timeout of a beat <= L/4')
  const least = ((t.leaseMs + t.stopMs) * (1 + drift)) / (1 - drift) + t.tickMs
  assert(t.waitMs >= least, `C3: W >= (L + G)(1 + rho)/(1 - rho) + one tick = ${least.toFixed(0)} ms`)
}

for (const preset of Object.values(timings)) checkTiming(preset)
