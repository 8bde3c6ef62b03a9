/** Client: a caller in a simulated world: the shipped sender on a clock and a wire of its own, and work for it to do. */

import { between, drawToken, type Random } from '../../src/base/random.ts'
import { type Call, eventCall, plainCall, spawnCall } from '../../src/protocol/call.ts'
import { decodeViewReply } from '../../src/protocol/cluster.ts'
import { decode } from '../../src/protocol/codec.ts'
import { subjects as subjectsOf } from '../../src/protocol/subjects.ts'
import { createSender, type Sender } from '../../src/runtime/sender.ts'
import { LocalClock } from './clock.ts'
import type { BlowKind } from './faults.ts'
import { faultyTransport } from './faulty-transport.ts'
import { type Attempt, isMortal, type Ledger, type Wish } from './ledger.ts'
import { type ActorType, actorTypes, type JournalEvent, sinkCount } from './machines.ts'
import type { Wire } from './network.ts'
import { randomFor } from './plan.ts'
import { clusterName, type World } from './world.ts'

export class Client {
  readonly name: string
  readonly clock: LocalClock
  readonly wire: Wire
  private readonly world: World
  private readonly ledger: Ledger
  private readonly random: Random
  private readonly relayRandom: Random
  private readonly conflictRandom: Random
  private readonly sender: Sender
  private readonly senderName: string
  private calls = 0
  private wishes = 0
  private working = true

  constructor(world: World, ledger: Ledger, name: string) {
    const { plan, timeline, network, broker } = world
    this.world = world
    this.ledger = ledger
    this.name = name
    this.random = randomFor(plan.seed, `client ${name}`)
    this.relayRandom = randomFor(plan.seed, `relays of ${name}`)
    this.conflictRandom = randomFor(plan.seed, `conflicts of ${name}`)
    const { drift } = plan.faults
    this.clock = new LocalClock(timeline, this.random, 1 + between(this.random, -drift, drift))
    this.wire = network.connect(this.clock)
    const { lateAnswers, lateAnswersMsMax } = plan.faults
    this.wire.slowIn = { late: lateAnswers, lateMsMax: lateAnswersMsMax }
    this.senderName = drawToken(randomFor(plan.seed, `sender ${name}`))
    const transport = faultyTransport(broker, this.wire, world.report)
    this.sender = createSender({
      cluster: clusterName,
      transport,
      clock: this.clock,
      // Its first draw is its name, which begins the ids of its frames.
      random: randomFor(plan.seed, `sender ${name}`),
      fetchView: async () => {
        const result = await transport.request(subjectsOf(clusterName).view, new Uint8Array(0), 1_000)
        return result.kind === 'reply' ? decodeViewReply(result.bytes) : undefined
      },
    })
  }

  /** Makes calls at random moments until it is told to rest. */
  work(): void {
    const pauseMs = (-Math.log(1 - this.random.next()) * 1_000) / this.world.plan.callsPerSecond
    this.world.timeline.in(pauseMs, () => {
      if (!this.working) return
      this.doSomething()
      this.work()
    })
  }

  /** Relays are told things, beside all other work. */
  workRelays(): void {
    const random = this.relayRandom
    this.world.timeline.in((-Math.log(1 - random.next()) * 1_000) / 4, () => {
      if (!this.working) return
      const actor = `a${Math.floor(random.next() * relayCount)}`
      // Several at once lie in one commit, and their messages are on their way together.
      const count = random.next() < 0.3 ? Math.floor(between(random, 2, 8)) : 1
      for (let i = 0; i < count; i++)
        this.wish(random.next() < 0.6 ? 'ask' : 'tell', 'relay', actor, between(random, 500, 6_000))
      this.workRelays()
    })
  }

  /** Some sinks are born when messages to them have been refused, and others are on their way. */
  spawnMessengers(): void {
    const random = this.relayRandom
    const { plan, timeline } = this.world
    for (let i = 0; i < relayCount; i++) this.wish('spawn', 'relay', `a${i}`, 3_000, { patient: true })
    for (let i = 0; i < sinkCount; i++) {
      const birthMs = random.next() < 0.5 ? 0 : between(random, 0, plan.troubleMs)
      timeline.in(birthMs, () => void this.wish('spawn', 'sink', `s${i}`, 3_000, { patient: true }))
    }
  }

  getMessengers(timeoutMs: number): readonly Wish[] {
    return [
      ...Array.from({ length: relayCount }, (_, i) => this.wish('get', 'relay', `a${i}`, timeoutMs)),
      ...Array.from({ length: sinkCount }, (_, i) => this.wish('get', 'sink', `s${i}`, timeoutMs)),
    ]
  }

  rest(): void {
    this.working = false
  }

  /** So that there is somebody to call. */
  spawnAll(): void {
    const { actors, focus, troubleMs, blows } = this.world.plan
    const moves = blows.filter(({ kind, when }) => movers.has(kind) && when === undefined)
    const drawBirthMs = (): number => {
      if (!focus.includes('late births') || this.random.next() >= 0.7) return 0
      const move = focus.includes('late refusals') ? moves[Math.floor(this.random.next() * moves.length)] : undefined
      return move === undefined ? between(this.random, 0, troubleMs) : move.atMs + between(this.random, 0, 500)
    }
    for (const type of actorTypes)
      for (let i = 0; i < actors; i++) {
        const spawn = (): void => void this.wish('spawn', type, `a${i}`, 3_000, { patient: true })
        const birthMs = drawBirthMs()
        if (birthMs === 0) spawn()
        else this.world.timeline.in(birthMs, spawn)
      }
  }

  /** Everybody must answer. */
  getAll(timeoutMs: number): readonly Wish[] {
    const { plan } = this.world
    return actorTypes.flatMap((type) =>
      Array.from({ length: plan.actors }, (_, i) => this.wish('get', type, `a${i}`, timeoutMs)),
    )
  }

  /** Everybody must still be able to commit something. */
  askAll(timeoutMs: number): readonly Wish[] {
    const { plan } = this.world
    const types = ['journal', 'cache', 'holder'] as const
    return types.flatMap((type) =>
      Array.from({ length: plan.actors }, (_, i) => this.wish('ask', type, `a${i}`, timeoutMs)),
    )
  }

  /** Those who were stopped stay away. */
  getMortals(timeoutMs: number): void {
    for (const actor of mortals) {
      this.wish('get', 'journal', actor, timeoutMs)
      this.wish('get', 'holder', actor, timeoutMs)
    }
  }

  /** Whoever processes it dies, and again whoever is sent it next, until its deadline. */
  sendDeadly(random: Random): void {
    const actor = `a${Math.floor(random.next() * this.world.plan.actors)}`
    const timeoutMs = between(random, 50, 2 * this.world.plan.timing.waitMs)
    this.wish('ask', 'journal', actor, timeoutMs, { event: { type: 'DIE' } })
  }

  private doSomething(): void {
    const { random } = this
    const isOnDelays = this.world.plan.focus.includes('long delays')
    const next = random.next()
    const actor = `a${Math.floor(random.next() * this.world.plan.actors)}`
    const timeoutMs = random.next() < 0.3 ? between(random, 50, 800) : between(random, 800, 6_000)
    if (this.random.next() < this.world.plan.faults.poison) {
      const type = this.random.next() < 0.7 ? 'FAIL' : 'SWELL'
      return void this.wish('ask', 'journal', actor, timeoutMs, { event: { type } })
    }
    if (next < 0.1) return void this.wish('get', this.pickType(), actor, timeoutMs)
    if (next < 0.14) return void this.wish('locate', this.pickType(), actor, timeoutMs)
    if (next < 0.24) {
      // One is armed seldom and for long, so that crashes and moves fall between its arming and its firing.
      if (actor === slowTimer && !isOnDelays && random.next() < 0.7) return
      const cancels = random.next() < 0.25
      return void this.wish('ask', 'timer', actor, timeoutMs, { event: cancels ? { type: 'CANCEL' } : undefined })
    }
    if (next < 0.34) return void this.wish(random.next() < 0.5 ? 'ask' : 'tell', 'holder', actor, timeoutMs)
    if (next < 0.44) return void this.wish(random.next() < 0.5 ? 'ask' : 'tell', 'cache', actor, timeoutMs)
    if (next < 0.56) {
      const mortal = mortals[Math.floor(random.next() * mortals.length)]!
      const type = random.next() < 0.7 ? 'journal' : 'holder'
      return void this.wish(
        (['spawn', 'stop', 'ask', 'ask', 'get'] as const)[Math.floor(random.next() * 5)]!,
        type,
        mortal,
        timeoutMs,
      )
    }
    // Several at once are on their way together; they must keep their order.
    const count = random.next() < 0.2 ? Math.floor(between(random, 2, 8)) : 1
    for (let i = 0; i < count; i++) this.wish(random.next() < 0.6 ? 'ask' : 'tell', 'journal', actor, timeoutMs)
  }

  private pickType(): ActorType {
    return actorTypes[Math.floor(this.random.next() * actorTypes.length)]!
  }

  private wish(op: Wish['op'], type: ActorType, actor: string, timeoutMs: number, given: Given = {}): Wish {
    const { random } = this
    const { patient = false, conflictsWith } = given
    const number = ++this.wishes
    const mark = `${this.name}.${number}`
    const named = conflictsWith === undefined && (patient || random.next() < 0.5) && op !== 'get' && op !== 'locate'
    const event = given.event ?? eventOf(op, type, actor, mark, random, this.world.plan.focus.includes('long delays'))
    const wish: Wish = {
      client: this.name,
      number,
      op,
      type,
      actor,
      mark,
      event,
      request: conflictsWith ?? (named && event?.type !== 'DIE' ? `r.${mark}` : undefined),
      patient,
      conflicts: conflictsWith !== undefined,
      attempts: [],
    }
    this.ledger.add(wish)
    void this.attempt(wish, timeoutMs)
    return wish
  }

  /** Somebody uses the id of a request that was answered for something else. */
  private conflict({ type, actor, request }: Wish): void {
    const { conflictRandom: random } = this
    if (type !== 'journal' || isMortal(actor) || random.next() >= conflictsShare) return
    this.world.timeline.in(between(random, 0, 4_000), () => {
      if (this.working) this.wish('ask', type, actor, between(random, 800, 6_000), { conflictsWith: request! })
    })
  }

  private async attempt(wish: Wish, timeoutMs: number): Promise<void> {
    const { witness, timeline } = this.world
    const frame = `${this.senderName}.${++this.calls}`
    const attempt: Attempt = { frame, calledMs: timeline.nowMs, timeoutMs, settledMs: Infinity, outcome: undefined }
    const count = wish.attempts.push(attempt)
    const what = wish.event === undefined || 'mark' in wish.event ? wish.op : `${wish.op} ${wish.event.type} of`
    const text = `${wish.mark}${count > 1 ? `#${count}` : ''} ${what} ${wish.type}/${wish.actor}`
    witness.saw({ kind: 'called', text: `${text} within ${timeoutMs.toFixed(0)} ms` })
    const outcome = await this.sender.call(callOf(wish, timeoutMs))
    attempt.settledMs = timeline.nowMs
    attempt.outcome = outcome.kind === 'done' ? { kind: 'done', value: decode(outcome.body) } : outcome
    witness.saw({
      kind: 'settled',
      text: `${text}: ${outcome.kind === 'done' ? shortOf(attempt.outcome) : `${outcome.why.code} ${outcome.why.message}`}`,
    })
    if (wish.request === undefined || wish.conflicts) return
    if (outcome.kind === 'done') this.conflict(wish)
    // Who asks for what was done is told what was done, however long ago that was.
    const again = outcome.kind === 'done' ? count < attemptsMax && this.random.next() < 0.1 : outcome.why.retryable
    if (outcome.kind === 'done' && again)
      timeline.in(between(this.random, 0, 4_000), () => {
        if (this.working) void this.attempt(wish, timeoutMs)
      })
    if (outcome.kind === 'done' || !again) return
    if (wish.patient || (this.working && count < attemptsMax && this.random.next() < 0.7))
      timeline.in(between(this.random, 0, 300), () => void this.attempt(wish, timeoutMs))
  }
}

const attemptsMax = 4
const conflictsShare = 0.05
const relayCount = 3
const mortals = ['mortal0', 'mortal1'] as const

const slowTimer = 'a0'

/** Upon which others own. */
const movers: ReadonlySet<BlowKind> = new Set(['join', 'leave', 'drain', 'crash'])

const drawDelay = (random: Random, isLong: boolean): number =>
  isLong ? between(random, 2_000, 9_000) : between(random, 20, random.next() < 0.2 ? 9_000 : 2_000)

interface Given {
  /** The id of a request that was answered. */
  readonly conflictsWith?: string
  readonly event?: JournalEvent | undefined
  readonly patient?: boolean
}

function eventOf(
  op: Wish['op'],
  type: ActorType,
  actor: string,
  mark: string,
  random: Random,
  isOnDelays: boolean,
): JournalEvent | undefined {
  if (op !== 'ask' && op !== 'tell') return undefined
  return type === 'timer'
    ? { type: 'ARM', mark, delayMs: drawDelay(random, isOnDelays || actor === slowTimer) }
    : { type: 'ADD', mark }
}

function callOf({ op, type, actor, mark, event, request }: Wish, timeoutMs: number): Call {
  const options = { timeoutMs, ...(request !== undefined && { requestId: request }) }
  switch (op) {
    case 'ask':
    case 'tell':
      return eventCall(op, type, actor, event!, options)
    case 'spawn':
      return spawnCall(type, actor, { life: mark }, options)
    default:
      return plainCall(op, type, actor, options)
  }
}

function shortOf(outcome: Attempt['outcome']): string {
  const text = JSON.stringify(outcome?.kind === 'done' ? outcome.value : outcome)
  return text.length > 200 ? `${text.slice(0, 150)}…${text.slice(-50)}` : text
}
