/** Faults: everything that can go wrong in a run, drawn from the seed. Rates say how often messages and calls go wrong; blows are what
 *  befalls a process or the broker, each at a moment of its own and with a seed of its own, so that one can be left out and the
 *  others stay as they are. Some lie in wait: for a process in a certain situation (`ambush.ts`). Each kind is there
 *  in about half of the runs, so that some runs know one fault alone, and every tenth run knows none. Shipped code has no switches for them: the wrappers around the memory twins, and `fate.ts`, read them here. */

import { between, type Random } from '../../src/base/random.ts'
import { drift as driftMax, type Timing } from '../../src/core/timing.ts'
import { type Situation, situations } from './ambush.ts'

/** Shares are of all messages or calls of a kind. */
export interface Faults {
  /** How far each clock may run apart from the world's, either way. */
  readonly drift: number
  /** Each runs as far apart as it may. */
  readonly driftIsWhole: boolean
  /** Of each leg of a message's way to the broker or from it. */
  readonly delayMsMax: number
  readonly lost: number
  readonly doubled: number
  /** Some are much slower, up to `lateMsMax`; where `reordered`, those behind them do not wait. */
  readonly late: number
  readonly lateMsMax: number
  /** The same for what clients are sent: nobody remembers anything for the sake of a late answer. */
  readonly lateAnswers: number
  readonly lateAnswersMsMax: number
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
    /** What a part of a checkpoint takes longer than a record. */
    readonly partMsMax: number
    readonly watchMsMax: number
  }
  /** Of all wishes of the clients. */
  readonly poison: number
  readonly cutMsMax: number
  /** The process hears of it in the same moment. */
  readonly cutIsNoticed: boolean
  /** Beats have a connection of their own, which can be cut alone. */
  readonly beatsApart: boolean
  readonly outageMsMax: number
  readonly electionMsMax: number
  readonly pauseMsMax: number
  readonly lostTailMsMax: number
  readonly stallMsMax: number
  /** What lives outside takes nearly all the time that it has to let go, and its next owner takes hold at once. */
  readonly letsGoLate: boolean
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
  /** A caller is. */
  'client cut',
  /** The broker is away, for everybody who is there or comes meanwhile. */
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
  /** Another process of the same id is started. */
  'twin',
  /** What one process appends does not arrive, comes late or is not answered; what it reads is. */
  'writes stall',
] as const

export type BlowKind = (typeof blowKinds)[number]

export interface Blow {
  readonly kind: BlowKind
  readonly atMs: number
  /** Of everything that it draws. */
  readonly seed: number
  /** From then on it waits, and strikes the first process that gets into this situation. */
  readonly when?: Situation
}

export const noFaults: Faults = {
  drift: 0,
  driftIsWhole: false,
  delayMsMax: 1,
  lost: 0,
  doubled: 0,
  late: 0,
  lateMsMax: 0,
  lateAnswers: 0,
  lateAnswersMsMax: 0,
  reordered: false,
  log: { lost: 0, unanswered: 0, full: 0, slow: 0, slowMsMax: 0, partMsMax: 0, watchMsMax: 1 },
  poison: 0,
  cutMsMax: 0,
  cutIsNoticed: false,
  beatsApart: false,
  outageMsMax: 0,
  electionMsMax: 0,
  pauseMsMax: 0,
  lostTailMsMax: 0,
  stallMsMax: 0,
  letsGoLate: false,
}

/** 'lawful': clocks drift within the protocol's bound and the broker forgets nothing. 'wild clocks': they drift beyond it, which may
 *  break what the protocol says, and nothing else. 'forgetful broker': it loses what it stored last, under nodes that live on.
 *  'quiet': nothing goes wrong, and nodes come and go. 'sharp': clocks drift as far as they may and letting go takes as long as it
 *  may, and nothing else takes any time: what overlaps at all overlaps here. */
export type World = 'lawful' | 'wild clocks' | 'forgetful broker' | 'quiet' | 'sharp'

/** `stepMs`: T, of the plan. */
export function drawFaults(random: Random, timing: Timing, stepMs: number, world: World): Faults {
  const calm = random.next() < 0.1
  const maybe = (value: () => number): number => (random.next() < 0.5 && !calm ? value() : 0)
  const share = (max: number): number => maybe(() => random.next() ** 2 * max)
  const { leaseMs } = timing
  const drawn: Faults = {
    drift: world === 'wild clocks' ? between(random, 0.1, 0.3) : maybe(() => driftMax),
    driftIsWhole: false,
    delayMsMax: between(random, 0.2, 5),
    lost: share(0.1),
    doubled: share(0.1),
    late: share(0.1),
    // With what a mark may be old (`freshness.ts`) below T: so long after its deadline a request without an id of its caller's is
    // remembered.
    lateMsMax: between(random, 10, random.next() < 0.3 ? 0.25 * stepMs : 0.1 * stepMs),
    lateAnswers: share(0.4),
    lateAnswersMsMax: between(random, 10, random.next() < 0.5 ? 3_000 : 300),
    reordered: random.next() < 0.5,
    log: {
      lost: share(0.1),
      unanswered: share(0.1),
      full: random.next() < 0.2 ? share(0.05) : 0,
      slow: share(0.3),
      slowMsMax: between(random, 10, random.next() < 0.3 ? 4_000 : leaseMs),
      partMsMax: maybe(() => between(random, 100, 1_000)),
      watchMsMax: between(random, 1, random.next() < 0.3 ? leaseMs * 2 : 20),
    },
    poison: share(0.1),
    cutMsMax: between(random, 0.5, 4) * leaseMs,
    cutIsNoticed: false,
    outageMsMax: between(random, 0.5, 10) * leaseMs,
    electionMsMax: between(random, 0.5, 4) * leaseMs,
    pauseMsMax: between(random, 0.5, 3) * leaseMs,
    lostTailMsMax: between(random, 20, 1_000),
    stallMsMax: between(random, 0.5, 4) * leaseMs,
    letsGoLate: false,
    beatsApart: random.next() < 0.8,
  }
  if (world === 'quiet')
    return { ...noFaults, drift: drawn.drift, delayMsMax: drawn.delayMsMax, letsGoLate: random.next() < 0.8 }
  if (world === 'sharp')
    return {
      ...noFaults,
      drift: driftMax,
      driftIsWhole: true,
      delayMsMax: 0.2,
      cutMsMax: 2.5 * leaseMs,
      cutIsNoticed: true,
      letsGoLate: true,
    }
  return drawn
}

export function drawBlows(random: Random, troubleMs: number, world: World): readonly Blow[] {
  const calm = random.next() < 0.1 && world !== 'quiet' && world !== 'sharp'
  const often = random.next() < 0.3 ? 3 : 1
  const blows: Blow[] = []
  const add = (kind: BlowKind, atMs: number): void => {
    const when = ambushers.has(kind) && random.next() < 1 / 3 ? pick(random, situationsOf(random, kind)) : undefined
    blows.push({ kind, atMs, seed: Math.floor(random.next() * 2 ** 31), ...(when !== undefined && { when }) })
  }
  const strike = (kind: BlowKind, max: number, fromMs = 0): boolean => {
    if (random.next() < 0.5 || calm) return false
    const times = Math.ceil(random.next() * max * often)
    for (let i = 0; i < times; i++) add(kind, between(random, fromMs, troubleMs))
    return true
  }
  const move = (): void => {
    strike('join', 2)
    strike('leave', 2)
    strike('drain', 1)
  }
  if (world === 'sharp') {
    const count = between(random, 2, 6)
    for (let i = 0; i < count; i++) blows.push({ kind: 'cut', atMs: between(random, 1_000, troubleMs), seed: i })
    return blows
  }
  strike('list', 3)
  if (world === 'quiet') {
    for (const kind of ['join', 'join', 'leave'] as const) add(kind, between(random, 1_000, troubleMs))
    move()
    return blows.map(({ kind, atMs, seed }) => ({ kind, atMs, seed }))
  }
  strike('cut', 3)
  strike('outage', 1)
  strike('election', 1)
  strike('writes stall', 2)
  // A clock set back while the machine sleeps would hide how long it slept: no program can tell.
  if (world === 'forgetful broker' || !strike('sleep', 2)) strike('wall jump', 2)
  if (world !== 'forgetful broker' || random.next() < 0.5) {
    strike('pause', 3)
    strike('crash', 3)
    move()
  }
  if (world === 'forgetful broker') {
    const lossMs = between(random, 2_500, troubleMs)
    add('lost tail', lossMs)
    strike('lost tail', 1, 2_500)
    // Who owned what is among the newest records where it has just changed.
    if (random.next() < 0.8) add(pick(random, ['join', 'join', 'leave', 'crash']), lossMs + between(random, -500, 500))
  } else {
    strike('deadly event', 1)
    strike('twin', 1)
    if (random.next() < 0.2 && !calm) {
      const atMs = between(random, 1_000, troubleMs)
      add('join', atMs)
      blows.push({ kind: 'leave', atMs, seed: Math.floor(random.next() * 2 ** 31), when: 'package there' })
    }
  }
  return blows
}

/** What may lie in wait. */
const ambushers: ReadonlySet<BlowKind> = new Set(['crash', 'pause', 'sleep', 'cut', 'leave', 'writes stall'])

/** Each may lie in wait anywhere, and every other time where it hurts most. */
const situationsOf = (random: Random, kind: BlowKind): readonly Situation[] => {
  const worst: Partial<Record<BlowKind, readonly Situation[]>> = {
    leave: ['package there'],
    pause: ['asking'],
    'writes stall': ['draining, committing'],
  }
  return (random.next() < 0.5 ? worst[kind] : undefined) ?? situations
}

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random.next() * from.length)]!
