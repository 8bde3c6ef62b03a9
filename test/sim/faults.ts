/** Faults: everything that can go wrong in a run, drawn from the seed. Rates say how often messages and calls go wrong; blows are what
 *  befalls a process or the broker, each at a moment of its own and with a seed of its own, so that one can be left out and the
 *  others stay as they are. Each kind is there in about half of the runs, so that some runs know one fault alone, and every
 *  tenth run knows none. Shipped code has no switches for them: the wrappers around the memory twins, and `fate.ts`, read them here. */

import { between, type Random } from '../../src/base/random.ts'
import type { Timing } from '../../src/core/timing.ts'

/** Shares are of all messages or calls of a kind. */
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
    /** Of the appends: the store has no room. */
    readonly full: number
    readonly slow: number
    /** May be longer than the caller waits: then the record is stored after 'unknown' was said. */
    readonly slowMsMax: number
    readonly watchMsMax: number
  }
  /** Of all wishes of the clients. */
  readonly poison: number
  readonly cutMsMax: number
  readonly outageMsMax: number
  readonly electionMsMax: number
  readonly pauseMsMax: number
  readonly lostTailMsMax: number
}

export const blowKinds = [
  'crash',
  /** Everything that runs in the process stands still; 'sleep': its monotonic clock as well. */
  'pause',
  'sleep',
  'join',
  'leave',
  /** An operator's message asks it to leave. */
  'drain',
  /** A process is cut from the broker, one way or both. */
  'cut',
  /** Everybody is. */
  'outage',
  /** Messages pass, and the logs have no leader. */
  'election',
  'wall jump',
  /** An operator asks for a page of actors. */
  'list',
  /** A message that kills its owner while it is processed. */
  'deadly event',
  /** The broker starts again and has forgotten what it stored last. */
  'lost tail',
] as const

export type BlowKind = (typeof blowKinds)[number]

export interface Blow {
  readonly kind: BlowKind
  readonly atMs: number
  /** Of everything that it draws. */
  readonly seed: number
}

export const noFaults: Faults = {
  drift: 0,
  delayMsMax: 1,
  lost: 0,
  doubled: 0,
  late: 0,
  lateMsMax: 0,
  reordered: false,
  log: { lost: 0, unanswered: 0, full: 0, slow: 0, slowMsMax: 0, watchMsMax: 1 },
  poison: 0,
  cutMsMax: 0,
  outageMsMax: 0,
  electionMsMax: 0,
  pauseMsMax: 0,
  lostTailMsMax: 0,
}

/** 'lawful': clocks drift within the protocol's bound and the broker forgets nothing. 'wild clocks': they drift beyond it, which may
 *  break what the protocol says, and nothing else. 'forgetful broker': it loses what it stored last, under nodes that live on. */
export type World = 'lawful' | 'wild clocks' | 'forgetful broker'

/** `stepMs`: T, of the plan. */
export function drawFaults(random: Random, timing: Timing, stepMs: number, world: World): Faults {
  const calm = random.next() < 0.1
  const maybe = (value: () => number): number => (random.next() < 0.5 && !calm ? value() : 0)
  const share = (max: number): number => maybe(() => random.next() ** 2 * max)
  const { leaseMs } = timing
  return {
    drift: world === 'wild clocks' ? between(random, 0.1, 0.3) : maybe(() => 0.01),
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
      full: random.next() < 0.2 ? share(0.05) : 0,
      slow: share(0.3),
      slowMsMax: between(random, 10, random.next() < 0.3 ? 4_000 : leaseMs),
      watchMsMax: between(random, 1, random.next() < 0.3 ? leaseMs * 2 : 20),
    },
    poison: share(0.1),
    cutMsMax: between(random, 0.5, 4) * leaseMs,
    outageMsMax: Math.min(between(random, 0.5, 10) * leaseMs, outageMsMax),
    electionMsMax: between(random, 0.5, 4) * leaseMs,
    pauseMsMax: between(random, 0.5, 3) * leaseMs,
    lostTailMsMax: between(random, 20, 1_000),
  }
}

/** So that a run of long leases does not last for a minute. */
const outageMsMax = 8_000

export function drawBlows(random: Random, troubleMs: number, world: World): readonly Blow[] {
  const calm = random.next() < 0.1
  const often = random.next() < 0.3 ? 3 : 1
  const blows: Blow[] = []
  const strike = (kind: BlowKind, max: number, fromMs = 0): boolean => {
    if (random.next() < 0.5 || calm) return false
    const times = Math.ceil(random.next() * max * often)
    for (let i = 0; i < times; i++)
      blows.push({ kind, atMs: between(random, fromMs, troubleMs), seed: Math.floor(random.next() * 2 ** 31) })
    return true
  }
  strike('cut', 3)
  strike('outage', 1)
  strike('election', 1)
  strike('list', 3)
  // A clock set back while the machine sleeps would hide how long it slept: no program can tell.
  if (world === 'forgetful broker' || !strike('sleep', 2)) strike('wall jump', 2)
  if (world === 'forgetful broker') {
    // What only a dead node knew is gone with a lost tail: here everybody lives.
    blows.push({
      kind: 'lost tail',
      atMs: between(random, 2_500, troubleMs),
      seed: Math.floor(random.next() * 2 ** 31),
    })
    strike('lost tail', 1, 2_500)
  } else {
    strike('pause', 3)
    strike('crash', 3)
    strike('join', 2)
    strike('leave', 2)
    strike('drain', 1)
    strike('deadly event', 1)
  }
  return blows.toSorted((a, b) => a.atMs - b.atMs)
}
