/** Plan: what a run is: the size of the cluster, its lengths of time, its limits, its work and its faults, all drawn from the seed.
 *  The same seed is the same plan, and the same run. */

import { limits } from '../../src/base/limits.ts'
import { between, type Random, seededRandom } from '../../src/base/random.ts'
import { checkTiming, type Timing } from '../../src/core/timing.ts'
import { type Blow, drawBlows, drawFaults, type Faults, type World } from './faults.ts'

export interface Plan {
  readonly seed: number
  readonly world: World
  readonly timing: Timing
  readonly nodes: number
  readonly shards: number
  readonly recordBytesMax: number
  readonly limits: Limits
  readonly clients: number
  /** Actors of each type. */
  readonly actors: number
  /** What each actor carries besides its journal. */
  readonly paddingBytes: number
  /** Of one client, on average. */
  readonly callsPerSecond: number
  readonly focus: readonly Focus[]
  /** How long the faults last. */
  readonly troubleMs: number
  readonly faults: Faults
  readonly blows: readonly Blow[]
  /** Once all is well again everybody crashes at once, and what is looked at last is what the logs hold. */
  readonly endsCold: boolean
}

/** Those that are not as shipped. */
export type Limits = { -readonly [K in keyof typeof limits]?: number }

/** What chance alone would seldom bring about. */
export type Focus =
  /** Delays are long, and checkpoints many and slow: so that some come to the next owner in one of them. */
  | 'long delays'
  /** Actors are called before they are there, and are born in the midst of the trouble. */
  | 'late births'
  /** They are born at the next owner, and what the one before refused is answered late. */
  | 'late refusals'
  /** Actors send to each other. */
  | 'messages'
  /** A broker forgets the parts of a checkpoint before the record that names them is stored, and checkpoints are many. */
  | 'lost parts'
  /** What is asked of a holder meets a full store once, and its node stands still for longer than its lease. */
  | 'refused holds'

export function drawPlan(seed: number): Plan {
  const plan = draw(seed)
  return { ...plan, blows: plan.blows.toSorted((a, b) => a.atMs - b.atMs) }
}

function draw(seed: number): Plan {
  const random = seededRandom(seed)
  const world = drawWorld(random)
  const timing = drawTiming(random, world)
  const isOnDelays = random.next() < 0.3
  const drawnLimits = drawLimits(random, timing)
  if (isOnDelays || (world === 'forgetful broker' && random.next() < 0.4))
    Object.assign(drawnLimits, drawCheckpoints(random, 1_000))
  const faults = drawFaults(random, timing, drawnLimits.handoffStepMs ?? limits.handoffStepMs, world)
  // The memory of refusals is as small as the mailbox: a frame that comes late, refused once, might run once that is forgotten.
  if (faults.late > 0) delete drawnLimits.parkedFramesMax
  const troubleMs = world === 'sharp' ? 10_000 : between(random, 2_500, 7_000)
  const isLone = world === 'lawful' && random.next() < 0.04
  const isHeavy = random.next() < 0.15
  const blows = [...drawBlows(random, troubleMs, world), ...drawClientCuts(seed, troubleMs, world)]
  const plan: Plan = {
    seed,
    world,
    timing,
    nodes: 1 + Math.floor(between(random, 0, 5)),
    shards: [3, 4, 8, 16][Math.floor(between(random, 0, 4))]!,
    recordBytesMax: isHeavy || random.next() < 0.05 ? 20_000 : 900_000,
    limits: drawnLimits,
    clients: 1 + Math.floor(between(random, 0, 3)),
    actors: 1 + Math.floor(between(random, 0, 6)),
    paddingBytes: isHeavy ? Math.floor(between(random, 500, 6_000)) : 0,
    callsPerSecond: between(random, 1, 9),
    focus: [...(isOnDelays ? (['long delays'] as const) : []), ...drawFocus(random, seed, world, isLone)],
    troubleMs,
    faults: isOnDelays ? { ...faults, log: { ...faults.log, partMsMax: between(random, 300, 1_000) } } : faults,
    blows: isOnDelays ? [...blows, crashAfterCheckpoint(random, troubleMs)] : blows,
    endsCold: random.next() < 1 / 3,
  }
  if (isLone) return alone(plan)
  // So many senders and shards that few frames of a sender meet a move, and what becomes of one of them shows.
  if (world === 'quiet')
    return { ...plan, limits: {}, nodes: Math.max(3, plan.nodes), clients: 4, shards: 16, actors: 6, callsPerSecond: 3 }
  // Holders are what matters there.
  if (world === 'sharp') return { ...plan, limits: {}, nodes: 2 + (plan.nodes % 3), clients: 1, callsPerSecond: 4 }
  if (plan.focus.includes('lost parts')) return withLostParts(plan)
  if (plan.focus.includes('late refusals')) return withLateRefusals(plan)
  return plan.focus.includes('messages') ? withShortStreams(plan) : plan
}

function drawFocus(random: Random, seed: number, world: World, isLone: boolean): readonly Focus[] {
  const focus: Focus[] = []
  if (random.next() < 0.3) focus.push('late births')
  if ((world === 'lawful' || world === 'forgetful broker') && random.next() < 0.1) focus.push('refused holds')
  const isOnRefusals = world === 'lawful' && !isLone && randomFor(seed, 'late refusals').next() < 0.5
  if (focus.includes('late births') && isOnRefusals) focus.push('late refusals')
  if (world === 'forgetful broker' && randomFor(seed, 'lost parts').next() < 0.5) focus.push('lost parts')
  if (world !== 'quiet' && world !== 'sharp' && randomFor(seed, 'messages').next() < 0.2) focus.push('messages')
  return focus
}

/** Many ask for what is not there, and ask again elsewhere before they hear of it. */
function withLateRefusals(plan: Plan): Plan {
  const random = randomFor(plan.seed, 'moves')
  const moves = (['join', 'drain', 'join', 'drain'] as const).map(
    (kind): Blow => ({
      kind,
      atMs: between(random, 500, plan.troubleMs),
      seed: Math.floor(random.next() * 2 ** 31),
    }),
  )
  return {
    ...plan,
    actors: 6,
    limits: { ...plan.limits, resendMs: 250 },
    faults: { ...plan.faults, lateAnswers: 0.4, lateAnswersMsMax: 2_000, reordered: true },
    blows: [...plan.blows, ...moves],
  }
}

/** Streams end soon, and begin anew; and few messages are under way at once. */
function withShortStreams(plan: Plan): Plan {
  const random = randomFor(plan.seed, 'streams')
  if (random.next() < 0.3) return plan
  const drawn: Limits = {
    streamLingerMs: between(random, 50, 1_000),
    messageTimeoutMs: between(random, 300, 5_000),
    ...(random.next() < 0.3 && { messagesInFlightMax: 2 }),
  }
  return { ...plan, limits: { ...plan.limits, ...drawn } }
}

function withLostParts(plan: Plan): Plan {
  const random = randomFor(plan.seed, 'losses')
  const loss: Blow = {
    kind: 'lost tail',
    atMs: between(random, 1_000, plan.troubleMs - 1_000),
    seed: Math.floor(random.next() * 2 ** 31),
    when: 'checkpoint uploading',
  }
  return {
    ...plan,
    limits: { ...plan.limits, ...drawCheckpoints(random, 200) },
    blows: [...plan.blows, loss],
  }
}

/** Who keeps a shard for ever knows by its lanes what was processed, however late a message comes. */
function alone(plan: Plan): Plan {
  const { leaseMs } = plan.timing
  return {
    ...plan,
    endsCold: false,
    nodes: 1,
    actors: 6,
    callsPerSecond: plan.callsPerSecond + 6,
    limits: { ...plan.limits, handoffStepMs: Math.max(250, leaseMs / 2) },
    faults: {
      ...plan.faults,
      // Without room for its beats it would end.
      log: { ...plan.faults.log, full: 0 },
      doubled: 0.5,
      late: 0.3,
      lateMsMax: 4_000,
      reordered: true,
    },
    blows: [
      ...plan.blows.filter(({ kind }) => ['cut', 'client cut', 'outage', 'election', 'list'].includes(kind)),
      ...[0.2, 0.4, 0.6, 0.8].map(
        (share, seed): Blow => ({ kind: 'writes stall', atMs: share * plan.troubleMs, seed }),
      ),
    ],
  }
}

function drawWorld(random: Random): World {
  const next = random.next()
  if (next < 0.05) return 'wild clocks'
  if (next < 0.13) return 'forgetful broker'
  if (next < 0.17) return 'quiet'
  return next < 0.2 ? 'sharp' : 'lawful'
}

function drawClientCuts(seed: number, troubleMs: number, world: World): readonly Blow[] {
  const random = randomFor(seed, 'client cuts')
  if (world === 'quiet' || world === 'sharp' || random.next() < 0.7) return []
  return Array.from({ length: Math.ceil(random.next() * 3) }, () => ({
    kind: 'client cut',
    atMs: between(random, 0, troubleMs),
    seed: Math.floor(random.next() * 2 ** 31),
  }))
}

/** Whoever comes next has nothing but the checkpoint. */
const crashAfterCheckpoint = (random: Random, troubleMs: number): Blow => ({
  kind: 'crash',
  atMs: between(random, 0.2, 0.8) * troubleMs,
  seed: Math.floor(random.next() * 2 ** 31),
  when: 'checkpoint done',
})

/** Short leases, so that much happens in little time. */
function drawTiming(random: Random, world: World): Timing {
  const drawnMs = [240, 400, 800, 2_000][Math.floor(between(random, 0, 4))]!
  const leaseMs = world === 'sharp' ? 2_000 : world === 'quiet' ? Math.min(drawnMs, 800) : drawnMs
  const stopMs = leaseMs / 4
  const timing: Timing = {
    leaseMs,
    stopMs,
    beatMs: leaseMs / 4,
    beatTimeoutMs: leaseMs / 4,
    waitMs: leaseMs * 1.375,
    tickMs: leaseMs / 12,
    gapMs: leaseMs / 3,
  }
  checkTiming(timing)
  return timing
}

/** Some runs meet limits that others never reach. */
function drawLimits(random: Random, { leaseMs }: Timing): Limits {
  const drawn: Limits = {}
  const maybe = (name: keyof typeof limits, ...values: readonly number[]): void => {
    if (random.next() < 0.3) drawn[name] = values[Math.floor(between(random, 0, values.length))]!
  }
  // Checkpoints of small logs, and in parts.
  if (random.next() < 0.4) Object.assign(drawn, drawCheckpoints(random, 10_000))
  if (random.next() < 0.5) drawn.handoffStepMs = Math.max(between(random, 250, 1_000), leaseMs / 2)
  maybe('resendMs', 250, 4_000)
  maybe('turnsPerCommitMax', 1, 3)
  maybe('appendsInFlightMax', 1, 2)
  maybe('claimsAtOnceMax', 1, 2)
  maybe('handoffsAtOnceMax', 1, 2)
  maybe('replyKeptBytesMax', 10)
  if (random.next() < 0.1) maybe('parkedFramesMax', 30, 60)
  return drawn
}

const drawCheckpoints = (random: Random, bytesMax: number): Limits => ({
  checkpointLogBytesMin: between(random, 0.1, 1) * bytesMax,
  checkpointInlineBytesMax: between(random, 0.05, 1) * bytesMax,
  chunkBytes: between(random, 500, 3_000),
})

/** Puts the limits of a plan in force. Returns what takes them back. */
export function applyLimits(drawn: Limits): () => void {
  const before = { ...limits }
  Object.assign(limits, drawn)
  return () => void Object.assign(limits, before)
}

/** Chance for one purpose: what one part of a run draws does not move what another draws. */
export function randomFor(seed: number, purpose: string): Random {
  let mixed = seed | 0
  for (let i = 0; i < purpose.length; i++) mixed = Math.imul(mixed ^ purpose.charCodeAt(i), 0x01000193) + 0x9e37
  return seededRandom(mixed)
}
