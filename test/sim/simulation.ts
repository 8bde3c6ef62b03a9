/** Simulation: one run of a whole cluster from one seed: trouble for a while, then calm, in which everything must become whole again,
 *  be answered and add up. */

import { limits } from '../../src/base/limits.ts'
import { Client } from './client.ts'
import { Fate } from './fate.ts'
import { Jury } from './jury.ts'
import { doneOf, Ledger } from './ledger.ts'
import { applyLimits, drawPlan, type Plan, randomFor } from './plan.ts'
import { Transcript } from './transcript.ts'
import type { Counts } from './coverage.ts'
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
    return await new Simulation(createWorld(plan), options).run()
  } finally {
    restore()
  }
}

class Simulation {
  private readonly world: World
  private readonly ledger = new Ledger()
  private readonly transcript: Transcript
  private readonly jury: Jury
  private readonly fate: Fate
  private readonly clients: readonly Client[]
  private readonly wholeBoundMs: number
  private nextLookMs = 0
  /** What was missing when that was looked at last. */
  private lack: string | undefined = 'nobody has looked'

  constructor(world: World, { echo, isUnread }: SimulationOptions) {
    const { plan, witness } = world
    this.world = world
    this.wholeBoundMs = boundMs(plan)
    this.transcript = new Transcript(world, echo, isUnread)
    witness.add(this.transcript)
    this.jury = new Jury(world, this.ledger)
    const clients: Client[] = []
    this.fate = new Fate(
      world,
      (random) => clients[0]!.sendDeadly(random),
      () => clients.map(({ wire }) => wire),
    )
    for (let i = 1; i <= plan.clients; i++) clients.push(new Client(world, this.ledger, `c${i}`))
    this.clients = clients
  }

  async run(): Promise<Outcome> {
    const { plan, timeline, witness } = this.world
    this.beginWork()
    await this.sufferTrouble()
    const calmMs = timeline.nowMs
    this.endTrouble()
    if (!plan.endsCold) this.jury.becomeCalm(calmMs + this.wholeBoundMs)
    await this.awaitWhole('the end of the faults')
    const wholeAfterMs = timeline.nowMs - calmMs
    witness.saw({ kind: 'world', text: 'the cluster is whole' })
    const restedMs = timeline.nowMs
    await this.rest()
    if (plan.endsCold && !this.hasFailed) await this.beginAnew()
    // Whoever was killed by a call that came late is back.
    else await this.awaitWhole('the last call')
    if (isOnMessages(plan)) await this.awaitDelivery()
    await this.lookLast(restedMs)
    return this.close(wholeAfterMs)
  }

  private beginWork(): void {
    const { clients } = this
    clients[0]!.spawnAll()
    for (const client of clients) client.work()
    if (!isOnMessages(this.world.plan)) return
    clients[0]!.spawnMessengers()
    for (const client of clients) client.workRelays()
  }

  private async sufferTrouble(): Promise<void> {
    const { fate } = this
    const { plan, timeline } = this.world
    if (plan.world === 'quiet') {
      await this.runUntil(plan.troubleMs, this.isWhole)
      this.jury.becomeWhole()
    }
    await this.runUntil(plan.troubleMs)
    while (timeline.nowMs < fate.frozenUntilMs && !this.hasFailed) await this.runUntil(fate.frozenUntilMs)
  }

  private endTrouble(): void {
    const { network, witness } = this.world
    witness.saw({ kind: 'world', text: 'faults are over' })
    // First of all: a connection that comes back must not strike anybody who goes on at this very moment, in the middle of a turn.
    this.fate.relent()
    network.becomeCalm()
    this.fate.becomeCalm()
  }

  private async rest(): Promise<void> {
    const { plan, timeline } = this.world
    for (const client of this.clients) client.rest()
    await this.runUntil(timeline.nowMs + Math.max(restMsMin, plan.faults.lateMsMax))
    await this.awaitAnswers(restMsMax)
  }

  private async beginAnew(): Promise<void> {
    const { plan, timeline, witness } = this.world
    this.fate.beginAnew(randomFor(plan.seed, 'cold end'))
    witness.saw({ kind: 'world', text: 'everybody begins anew' })
    this.jury.becomeCalm(timeline.nowMs + this.wholeBoundMs)
    await this.awaitWhole('everybody began anew')
  }

  /** M3: everything that actors sent arrives, or is refused. */
  private async awaitDelivery(): Promise<void> {
    const { timeline, witness } = this.world
    const isOnItsWay = (): boolean =>
      this.fate.living.some(({ node }) =>
        [...node.shards.values()].some(
          ({ outbox, failures, hearing }) => outbox.busy.size + failures.length > 0 || hearing,
        ),
      )
    await this.runUntil(timeline.nowMs + deliveryMsMax, () => this.isTimeToLook() && !isOnItsWay())
    if (!this.hasFailed && isOnItsWay()) witness.violation(`M3: messages are on their way for ${deliveryMsMax} ms`)
  }

  /** Everybody must commit something and be seen; then all is counted. */
  private async lookLast(restedMs: number): Promise<void> {
    if (this.hasFailed) return
    const { plan, timeline } = this.world
    const [client] = this.clients as [Client]
    const atMs = timeline.nowMs
    // Time enough to send it again.
    const timeoutMs = 2_000 + 1.5 * limits.resendMs
    const words = client.askAll(timeoutMs)
    await this.awaitAnswers(timeoutMs + 100)
    if (this.hasFailed) return
    const views = client.getAll(timeoutMs)
    client.getMortals(timeoutMs)
    const messengers = isOnMessages(plan) ? client.getMessengers(timeoutMs) : []
    await this.awaitAnswers(timeoutMs + 100)
    // Somebody may have come back meanwhile.
    await this.awaitWhole('the last look')
    if (!this.hasFailed) this.jury.judge({ atMs, words, views, messengers }, restedMs)
  }

  private close(wholeAfterMs: number): Outcome {
    const { fate, transcript, ledger } = this
    const { plan, timeline, witness, coverage } = this.world
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
      wholeExcessMs: wholeAfterMs - 2 * plan.timing.waitMs - limits.handoffStepMs,
      simulatedMs: timeline.nowMs,
    }
  }

  private get hasFailed(): boolean {
    const { witness, timeline } = this.world
    return witness.violations.length > 0 || timeline.events > eventsMax
  }

  private runUntil(atMs: number, isOver = (): boolean => false): Promise<void> {
    const { timeline } = this.world
    timeline.at(atMs, () => {})
    return timeline.run(() => timeline.nowMs >= atMs || this.hasFailed || isOver())
  }

  /** I6 */
  private async awaitWhole(what: string): Promise<void> {
    const { timeline, witness } = this.world
    this.lack = 'nobody has looked'
    await this.runUntil(timeline.nowMs + this.wholeBoundMs, this.isWhole)
    if (!this.hasFailed && this.lack !== undefined)
      witness.violation(`I6: not whole ${this.wholeBoundMs.toFixed(0)} ms after ${what}: ${this.lack}`)
  }

  private awaitAnswers(timeoutMs: number): Promise<void> {
    const { timeline } = this.world
    return this.runUntil(timeline.nowMs + timeoutMs, () => this.isTimeToLook() && !this.ledger.isOpen())
  }

  private readonly isWhole = (): boolean => {
    if (!this.isTimeToLook()) return false
    this.lack = this.jury.lack(this.fate.living)
    return this.lack === undefined
  }

  /** Looking costs time: true once in a while. */
  private isTimeToLook(): boolean {
    const { nowMs } = this.world.timeline
    if (nowMs < this.nextLookMs) return false
    this.nextLookMs = nowMs + lookMs
    return true
  }
}

const isOnMessages = ({ focus }: Plan): boolean => focus.includes('messages')

const eventsMax = 2_000_000
const lookMs = 20
/** An attempt whose answer is lost, and the longest rest. */
const deliveryMsMax = 2 * limits.messageTimeoutMs + limits.messageRestMsMax
/** Most delayed transitions are over by then, and then all calls. */
const restMsMin = 2_500
const restMsMax = 30_000

/** I6: 2W + T, and the handoffs of what must move then; the longest that these took in some 50,000 runs was 1.5 s. */
const boundMs = ({ timing }: Plan): number => 2 * timing.waitMs + limits.handoffStepMs + 2_000
