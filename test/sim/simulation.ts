/** Simulation: one run of a whole cluster from one seed: trouble for a while, then calm, in which everything must become whole again,
 *  be answered and add up. */

import { limits } from '../../src/base/limits.ts'
import { addressOf, shardOf } from '../../src/protocol/address.ts'
import { judgeCalls } from './checkers/calls.ts'
import { Delays } from './checkers/delays.ts'
import { Effects } from './checkers/effects.ts'
import { Holds } from './checkers/holds.ts'
import { judgeJournals } from './checkers/journals.ts'
import { Leases } from './checkers/leases.ts'
import { Losses } from './checkers/losses.ts'
import { judgeMessages } from './checkers/messages.ts'
import { Memory } from './checkers/memory.ts'
import { Owners } from './checkers/owners.ts'
import { Pace } from './checkers/pace.ts'
import { Promptness } from './checkers/promptness.ts'
import { Records } from './checkers/records.ts'
import { Refusals } from './checkers/refusals.ts'
import { Wholeness } from './checkers/wholeness.ts'
import { Client } from './client.ts'
import { Fate } from './fate.ts'
import { doneOf, keyOf, Ledger, type Wish } from './ledger.ts'
import { applyLimits, drawPlan, type Plan, randomFor } from './plan.ts'
import { Transcript } from './transcript.ts'
import type { Counts } from './coverage.ts'
import { type Checker, type Observation } from './witness.ts'
import { createWorld, type World } from './world.ts'

export interface Outcome {
  readonly plan: Plan
  readonly violations: readonly string[]
  /** What happened, line by line, and a hash of it; both are made when they are asked for. And one of all bytes that were stored. */
  readonly transcript: () => readonly string[]
  readonly hash: () => string
  readonly storedHash: () => string
  readonly coverage: Counts
  readonly events: number
  readonly calls: number
  readonly answered: number
  /** How long after the end of the faults everything was whole. */
  readonly wholeAfterMs: number
  /** And how long that took beyond 2W + T. */
  readonly wholeExcessMs: number
  readonly simulatedMs: number
}

export interface SimulationOptions {
  /** Hears each line of the transcript as it is written. */
  readonly echo?: (line: string) => void
  /** Takes the place of the drawn plan. */
  readonly plan?: Plan
  /** Nobody asks for its transcript or its hashes. */
  readonly isUnread?: boolean
}

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<Outcome> {
  const plan = options.plan ?? drawPlan(seed)
  const restore = applyLimits(plan.limits)
  try {
    return await runWorld(createWorld(plan), options)
  } finally {
    restore()
  }
}

async function runWorld(world: World, options: SimulationOptions): Promise<Outcome> {
  const { plan, timeline, network, witness, coverage } = world
  const { faults, timing } = plan
  const transcript = new Transcript(world, options.echo, options.isUnread)
  const ledger = new Ledger()
  const isWild = plan.world === 'wild clocks'
  const owners = new Owners(witness, plan.shards, isWild)
  const wholeness = new Wholeness(owners, plan.shards)
  const promptness = new Promptness(witness, plan)
  witness.add(promptness)
  const holds = new Holds(witness, timing.stopMs + 10)
  const delays = new Delays(witness, plan)
  world.listeners.push((process, input) => delays.look(process, input, timeline.nowMs))
  const losses = new Losses(witness, timing, faults.drift)
  world.listeners.push((process, input) => losses.look(process, input, timeline.nowMs))
  const memory = new Memory(witness)
  witness.add(memory)
  const mayLose = (key: string): boolean => memory.lost.has(shardOf(addressOf(key), 'main', plan.shards))
  const effects = new Effects(witness, mayLose)
  const refusals = new Refusals(witness)
  world.listeners.push((process, input) => refusals.look(process, input, timeline.nowMs))
  witness.add(refusals)
  const unheard: Checker = {
    saw: (seen: Observation) => seen.kind === 'broken' && witness.violation(`nobody hears: ${seen.text}`),
  }
  for (const checker of [
    transcript,
    owners,
    new Records(witness),
    new Pace(witness),
    wholeness,
    delays,
    effects,
    losses,
    unheard,
    ...(isWild ? [] : [holds, new Leases(witness, timing, faults.drift)]),
  ])
    witness.add(checker)

  const clients: Client[] = []
  const fate = new Fate(world, (random) => clients[0]!.sendDeadly(random))
  for (let i = 1; i <= plan.clients; i++) clients.push(new Client(world, ledger, `c${i}`))
  clients[0]!.spawnAll()
  for (const client of clients) client.work()
  const isOnMessages = plan.focus.includes('messages')
  if (isOnMessages) {
    clients[0]!.spawnMessengers()
    for (const client of clients) client.workRelays()
  }

  const hasFailed = (): boolean => witness.violations.length > 0 || timeline.events > eventsMax
  let nextLookMs = 0
  /** Looking costs time: true once in a while. */
  const every = (ms: number): boolean => {
    if (timeline.nowMs < nextLookMs) return false
    nextLookMs = timeline.nowMs + ms
    return true
  }
  const runUntil = (atMs: number, isOver = (): boolean => false): Promise<void> => {
    timeline.at(atMs, () => {})
    return timeline.run(() => timeline.nowMs >= atMs || hasFailed() || isOver())
  }

  if (plan.world === 'quiet') {
    await runUntil(plan.troubleMs, () => every(lookMs) && wholeness.lack(fate.living) === undefined)
    promptness.sinceMs = timeline.nowMs
  }
  await runUntil(plan.troubleMs)
  while (timeline.nowMs < fate.frozenUntilMs && !hasFailed()) await runUntil(fate.frozenUntilMs)
  witness.saw({ kind: 'world', text: 'faults are over' })
  // First of all: a connection that comes back must not strike anybody who goes on at this very moment, in the middle of a turn.
  fate.relent()
  network.becomeCalm()
  fate.becomeCalm()
  const calmMs = timeline.nowMs
  const wholeBoundMs = boundMs(plan)
  let lack: string | undefined
  const isWhole = (): boolean => {
    if (!every(lookMs)) return false
    lack = wholeness.lack(fate.living)
    return lack === undefined
  }
  await runUntil(calmMs + wholeBoundMs, isWhole)
  const wholeAfterMs = timeline.nowMs - calmMs
  if (!hasFailed() && lack !== undefined)
    witness.violation(`I6: not whole ${wholeBoundMs.toFixed(0)} ms after the end of the faults: ${lack}`)
  witness.saw({ kind: 'world', text: 'the cluster is whole' })
  for (const client of clients) client.rest()
  const restedMs = timeline.nowMs
  await runUntil(timeline.nowMs + Math.max(restMsMin, faults.lateMsMax))
  await runUntil(timeline.nowMs + restMsMax, () => every(lookMs) && !ledger.isOpen())

  if (plan.endsCold && !hasFailed()) {
    fate.beginAnew(randomFor(plan.seed, 'cold end'))
    witness.saw({ kind: 'world', text: 'everybody begins anew' })
    const anewMs = timeline.nowMs
    // Nobody is whole before the first of them has joined.
    lack = 'nobody is there yet'
    await runUntil(anewMs + wholeBoundMs, isWhole)
    if (!hasFailed() && lack !== undefined)
      witness.violation(`I6: not whole ${wholeBoundMs.toFixed(0)} ms after everybody began anew: ${lack}`)
  }
  // Whoever was killed by a call that came late is back.
  else await runUntil(timeline.nowMs + wholeBoundMs, isWhole)
  const finalMs = timeline.nowMs
  if (isOnMessages) {
    const isOnItsWay = (): boolean =>
      fate.living.some(({ node }) =>
        [...node.shards.values()].some(
          ({ outbox, failures, hearing }) => outbox.busy.size + failures.length > 0 || hearing,
        ),
      )
    const sinceMs = timeline.nowMs
    await runUntil(sinceMs + deliveryMsMax, () => every(lookMs) && !isOnItsWay())
    if (!hasFailed() && isOnItsWay()) witness.violation(`M3: messages are on their way for ${deliveryMsMax} ms`)
  }
  // Time enough to send it again.
  const lastLookMs = 2_000 + 1.5 * limits.resendMs
  const finals: readonly Wish[] = hasFailed() ? [] : clients[0]!.getAll(lastLookMs)
  if (!hasFailed()) clients[0]!.getMortals(lastLookMs)
  const messengers = hasFailed() || !isOnMessages ? [] : clients[0]!.getMessengers(lastLookMs)
  await runUntil(timeline.nowMs + lastLookMs + 100, () => every(lookMs) && !ledger.isOpen())
  // Somebody may have come back meanwhile.
  await runUntil(timeline.nowMs + wholeBoundMs, isWhole)
  if (!hasFailed()) {
    if (lack !== undefined) witness.violation(`I6: not whole any more: ${lack}`)
    const certain = finals.filter((final) => !mayLose(keyOf(final)))
    for (const final of certain)
      if (doneOf(final) === undefined)
        witness.violation(
          `I6: ${final.mark} has no answer from ${final.type}/${final.actor}: ${JSON.stringify(final.attempts[0]?.outcome)}`,
        )
    judgeCalls(witness, ledger.wishes, faults.drift, timeline.nowMs)
    if (plan.world === 'quiet') promptness.judge(ledger.wishes, restedMs)
    judgeJournals(witness, ledger.wishes, finals, {
      mayRunLate: faults.late > 0 || faults.reordered,
      mayReadOld: isWild,
      mayLose,
      mayForget: (key) => memory.forgetful.has(shardOf(addressOf(key), 'main', plan.shards)),
      refusals,
    })
    judgeMessages(witness, messengers, mayLose)
    delays.judge(certain, finalMs)
    effects.judge(ledger.wishes, certain, refusals, finalMs)
    holds.judge(timeline.nowMs)
  }
  if (timeline.events > eventsMax) witness.violation(`more than ${eventsMax} events: something goes in circles`)
  if (witness.violations.length > 0)
    for (const process of fate.living) witness.saw({ kind: 'world', text: process.describe() })
  for (const process of fate.living) process.kill()

  return {
    plan,
    violations: witness.violations,
    transcript: () => transcript.lines(),
    hash: () => transcript.hash(),
    storedHash: () => transcript.storedHash(),
    coverage: coverage.counts(),
    events: timeline.events,
    calls: ledger.wishes.length,
    answered: ledger.wishes.filter((wish) => doneOf(wish) !== undefined).length,
    wholeAfterMs,
    wholeExcessMs: wholeAfterMs - 2 * timing.waitMs - limits.handoffStepMs,
    simulatedMs: timeline.nowMs,
  }
}

const eventsMax = 2_000_000
const lookMs = 20
/** An attempt whose answer is lost, and the longest rest. */
const deliveryMsMax = 2 * limits.messageTimeoutMs + limits.messageRestMsMax
/** Most delayed transitions are over by then, and then all calls. */
const restMsMin = 2_500
const restMsMax = 30_000

/** I6: 2W + T, and the handoffs of what must move then. */
const boundMs = ({ timing, shards }: Plan): number => 2 * timing.waitMs + limits.handoffStepMs + 300 * shards + 4_000
