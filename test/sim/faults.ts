/** Faults: everything that can go wrong in a run, as one struct of numbers drawn from the seed. Each kind is there in about half
 *  of the runs, so that some runs know one fault alone, and every tenth run knows none. Shipped code has no switches for
 *  them: the wrappers around the memory twins, and `fate.ts`, read them here. */

import { between, type Random } from '../../src/base/random.ts'
import type { Timing } from '../../src/core/timing.ts'

/** Shares are of all messages or calls of a kind; counts are of a whole run; each happens at a moment of its own. */
export interface Faults {
  /** How far each clock may run apart from the world's, either way. */
  readonly drift: number
  /** Of each leg of a message's way to the broker or from it. */
  readonly delayMsMax: number
  readonly lost: number
  readonly doubled: number
  /** Some are much slower, up to `lateMsMax`; where `reordered`, those behind them do not wait. */
  readonly late: number
  readonly lateMsMax: number
  readonly reordered: boolean
  readonly log: {
    /** The call does not reach the store, or its answer does not come back. */
    readonly lost: number
    readonly unanswered: number
    readonly slow: number
    /** May be longer than the caller waits: then the record is stored after 'unknown' was said. */
    readonly slowMsMax: number
    readonly watchMsMax: number
  }
  /** A process is cut from the broker, both ways. */
  readonly cuts: number
  readonly cutMsMax: number
  /** Everybody is. */
  readonly outages: number
  /** Messages pass, and the logs have no leader. */
  readonly elections: number
  readonly electionMsMax: number
  readonly pauses: number
  /** Pauses in which the monotonic clock stands still. */
  readonly sleeps: number
  readonly pauseMsMax: number
  readonly wallJumps: number
  readonly crashes: number
  readonly joins: number
  readonly leaves: number
}

export const noFaults: Faults = {
  drift: 0,
  delayMsMax: 1,
  lost: 0,
  doubled: 0,
  late: 0,
  lateMsMax: 0,
  reordered: false,
  log: { lost: 0, unanswered: 0, slow: 0, slowMsMax: 0, watchMsMax: 1 },
  cuts: 0,
  cutMsMax: 0,
  outages: 0,
  elections: 0,
  electionMsMax: 0,
  pauses: 0,
  sleeps: 0,
  pauseMsMax: 0,
  wallJumps: 0,
  crashes: 0,
  joins: 0,
  leaves: 0,
}

/** `stepMs`: T, of the plan. */
export function drawFaults(random: Random, timing: Timing, stepMs: number): Faults {
  const calm = random.next() < 0.1
  const often = random.next() < 0.3 ? 3 : 1
  const maybe = (value: () => number): number => (random.next() < 0.5 && !calm ? value() : 0)
  const share = (max: number): number => maybe(() => random.next() ** 2 * max)
  const times = (max: number): number => maybe(() => Math.ceil(random.next() * max * often))
  const { leaseMs } = timing
  const sleeps = times(2)
  return {
    drift: maybe(() => 0.01),
    delayMsMax: between(random, 0.2, 5),
    lost: share(0.1),
    doubled: share(0.1),
    late: share(0.1),
    // Below T: a request without an id of its caller's is remembered until T after its deadline, and a frame that comes later runs again.
    lateMsMax: between(random, 10, random.next() < 0.3 ? 0.75 * stepMs : 0.2 * stepMs),
    reordered: random.next() < 0.5,
    log: {
      lost: share(0.1),
      unanswered: share(0.1),
      slow: share(0.3),
      slowMsMax: between(random, 10, random.next() < 0.3 ? 4_000 : leaseMs),
      watchMsMax: between(random, 1, random.next() < 0.3 ? leaseMs * 2 : 20),
    },
    cuts: times(3),
    cutMsMax: between(random, 0.5, 4) * leaseMs,
    outages: times(1),
    elections: times(1),
    electionMsMax: between(random, 0.5, 4) * leaseMs,
    pauses: times(3),
    sleeps,
    pauseMsMax: between(random, 0.5, 3) * leaseMs,
    // A clock set back while the machine sleeps would hide how long it slept: no program can tell.
    wallJumps: sleeps === 0 ? times(2) : 0,
    crashes: times(3),
    joins: times(2),
    leaves: times(2),
  }
}
