/** Fate: starts the first nodes of a run, lets the blows of its plan fall on whoever is there, and at the end sets everything upright
 *  again. A blow draws what it needs from a seed of its own. */

import type { Cancel } from '../../src/base/clock.ts'
import { limits } from '../../src/base/limits.ts'
import { between, type Random, seededRandom } from '../../src/base/random.ts'
import type { Situation } from './ambush.ts'
import { upon } from './coverage.ts'
import type { Blow, BlowKind } from './faults.ts'
import type { Way, Wire } from './network.ts'
import { randomFor } from './plan.ts'
import { Process } from './process.ts'
import { streams, type World } from './world.ts'

export class Fate {
  readonly processes: Process[] = []
  private readonly world: World
  /** Sends the event that kills who processes it. */
  private readonly sendDeadly: (random: Random) => void
  /** Of the callers. */
  private readonly clients: () => readonly Wire[]
  private born = 0
  private over = false
  /** What the disk does not have is about to be lost. */
  private unsynced = false
  /** Processes that are to start again, by node. */
  private readonly absent = new Map<string, Cancel>()
  /** What ends the pauses that are under way. */
  private readonly pauses = new Map<Process, Cancel>()

  constructor(world: World, sendDeadly: (random: Random) => void, clients: () => readonly Wire[]) {
    this.world = world
    this.sendDeadly = sendDeadly
    this.clients = clients
    const { plan, timeline } = world
    for (let i = 0; i < plan.nodes; i++) this.start(`n${++this.born}`)
    if (plan.focus.includes('refused holds')) this.layRefusal(randomFor(plan.seed, 'refusal'))
    for (const blow of plan.blows)
      timeline.at(blow.atMs, () => {
        if (this.over) return
        const random = seededRandom(blow.seed)
        if (blow.when === undefined) return this.strike(blow.kind, random)
        world.ambushes.lay(blow.when, (victim) => this.ambush(blow, victim, random))
      })
  }

  get living(): readonly Process[] {
    return this.processes.filter(({ state }) => state !== 'ended')
  }

  /** Until then somebody stands still in the middle of something. */
  get frozenUntilMs(): number {
    return Math.max(0, ...this.living.map(({ clock }) => clock.frozenUntilMs))
  }

  /** No blow falls any more, neither one of the plan nor one that lies in wait. */
  relent(): void {
    this.over = true
    this.world.ambushes.clear()
    for (const process of this.living) process.defuse()
  }

  /** Whoever is paused goes on, whoever is to come back comes, and somebody is there. */
  becomeCalm(): void {
    for (const process of this.living) if (process.clock.state === 'paused') this.resume(process)
    for (const id of [...this.absent.keys()]) this.startAgain(id)
    if (this.living.every(({ state }) => state === 'leaves')) this.start(`n${++this.born}`)
  }

  /** Everybody crashes at once, and as many come anew, some of them under their old names. */
  beginAnew(random: Random): void {
    const { living } = this
    if (living.length > 0) this.world.coverage.fault('cold end')
    for (const process of living) process.kill()
    for (const { life } of living) this.start(random.next() < 0.5 ? life.node : `n${++this.born}`)
  }

  /** It strikes at once, or so many effects later; where a shard is on its way to somebody, that one at times. */
  private ambush(blow: Blow, found: Process, random: Random): void {
    const { kind, when } = blow
    if (kind === 'lost tail') return this.loseParts(random)
    if (when === 'package there' && kind === 'leave') return this.leaveBetweenMoves(blow, found, random)
    const heir = when === 'releasing' ? this.heirOf(found) : undefined
    const next = random.next()
    if (heir !== undefined && kind === 'crash' && next < 0.5) return this.strike(kind, random, heir, 'sometime', when)
    // The move is in doubt, and nobody is there to whom it leads.
    if (heir !== undefined && kind === 'writes stall') this.crash(heir, random)
    const effects = Math.floor(between(random, 0, 6))
    // What it may not commit it refuses, and the next owner may take.
    if (when === 'draining, committing' && kind === 'writes stall' && next < 0.5)
      found.main.stalled = {
        stream: streams.shards,
        how: 'full',
        untilMs: this.world.timeline.nowMs + 100,
        met: this.once(kind, when),
      }
    else if (next < 0.5) this.strike(kind, random, found, 'at once', when)
    else found.arm(effects, () => this.strike(kind, random, found, 'at once', when))
  }

  /** That the package has come is not heard any more. So its owner gives the move up, goes on, and leaves before the next one begins:
   *  then a package is there that is older than the release. */
  private leaveBetweenMoves(blow: Blow, heir: Process, random: Random): void {
    const { timeline, ambushes } = this.world
    const owner = this.living.find(({ node, state }) => {
      const phases = [...node.shards.values()].map(({ phase }) => phase)
      return state === 'runs' && phases.some((phase) => phase.kind === 'draining' && phase.to === heir.life.node)
    })
    if (owner === undefined) return ambushes.lay('package there', (next) => this.ambush(blow, next, random))
    const { handoffStepMs } = limits
    const [inMs, timeoutMs] = [between(random, 0.1, 0.8) * handoffStepMs, between(random, 0, 0.2) * handoffStepMs]
    this.cut(owner, between(random, 5, 50), 'both', random)
    timeline.in(inMs, () => owner.leave(timeoutMs, this.once('leave', blow.when)))
  }

  private heirOf({ node }: Process): Process | undefined {
    for (const { phase } of node.shards.values())
      if (phase.kind === 'releasing') return this.living.find(({ life }) => life.node === phase.to)
    return undefined
  }

  private strike(
    kind: BlowKind,
    random: Random,
    victim = this.living[Math.floor(random.next() * this.living.length)],
    how: 'at once' | 'sometime' = 'sometime',
    when?: Situation,
  ): void {
    const strikes = this.once(kind, when)
    switch (kind) {
      case 'crash':
        return victim && this.crash(victim, random, how, strikes)
      case 'pause':
        return victim && this.pause(victim, 'stands', random, how, strikes)
      case 'sleep':
        return victim && this.pause(victim, 'sleeps', random, how, strikes)
      case 'join':
        if (this.living.length >= membersMax) return
        strikes()
        return this.start(`n${++this.born}`)
      case 'leave':
        return victim && this.leave(victim, 'asked by its process', random, strikes)
      case 'drain':
        return victim && this.leave(victim, 'asked by an operator', random, strikes)
      case 'cut':
        return victim && this.cutOff(victim, random, strikes)
      case 'client cut':
        return this.cutClient(
          pick(random, this.clients()),
          between(random, 5, this.world.plan.faults.cutMsMax),
          drawWay(random),
          random,
          strikes,
        )
      case 'outage':
        return this.outage(random, strikes)
      case 'election':
        return this.elect(random, strikes)
      case 'wall jump':
        if (victim === undefined) return
        strikes()
        return victim.clock.jump(between(random, -500, 2_000))
      case 'list':
        return victim?.ask({ kind: 'list', count: 1 + Math.floor(random.next() * 5) }, strikes)
      case 'deadly event':
        return this.sendDeadly(random)
      case 'lost tail':
        return this.loseTail(random)
      case 'twin':
        if (victim === undefined || this.living.length >= membersMax) return
        strikes()
        return this.start(victim.life.node)
      case 'writes stall':
        return victim && this.stall(victim, random, strikes)
    }
  }

  /** To be called where the blow takes effect: on nobody, or on whoever lies there already, it is none. */
  private once(kind: BlowKind, when?: Situation): () => void {
    const { coverage } = this.world
    let isCounted = false
    return () => {
      if (isCounted) return
      isCounted = true
      coverage.fault(kind)
      if (when !== undefined) coverage.fault(`${when}${upon}${kind}`)
    }
  }

  private start(id: string): void {
    const { faults, seed } = this.world.plan
    const namesakes = this.processes.filter(({ life }) => life.node === id)
    if (namesakes.length > 0 && namesakes.every(({ state }) => state === 'ended'))
      this.world.coverage.fault('restart under the same id')
    if (faults.drift > 0) this.world.coverage.fault('clock drift')
    const random = randomFor(seed, `process ${this.processes.length} ${id}`)
    const apart = between(random, -faults.drift, faults.drift)
    const rate = 1 + (faults.driftIsWhole ? Math.sign(apart) * faults.drift : apart)
    const process = new Process(this.world, id, random, rate)
    this.processes.push(process)
    // Its supervisor tries again, or the operator gives it another id.
    void process.ended.then((how) => {
      if (this.over && this.living.length === 0) this.start(`n${++this.born}`)
      else if (how === 'refused' || how === 'poisoned')
        this.restart(id, between(random, 0, this.world.plan.timing.waitMs))
    })
  }

  private restart(id: string, inMs: number): void {
    this.absent.get(id)?.()
    this.absent.set(
      id,
      this.world.timeline.in(this.over ? 0 : inMs, () => this.startAgain(id)),
    )
  }

  private startAgain(id: string): void {
    this.absent.get(id)?.()
    this.absent.delete(id)
    if (this.living.every(({ life }) => life.node !== id)) this.start(id)
  }

  private crash(
    victim: Process,
    random: Random,
    how: 'at once' | 'sometime' = 'at once',
    strikes = this.once('crash'),
  ): void {
    const { node } = victim.life
    const waitMs = this.world.plan.timing.waitMs
    const inMs = random.next() < 0.5 ? between(random, 0, 50) : between(random, 0, 2 * waitMs)
    const next = random.next()
    this.inTheMiddle(victim, random, how, (middle) => {
      if (victim.state !== 'ended') {
        strikes()
        if (middle) this.world.coverage.fault('crash between two effects')
      }
      victim.kill()
      if (next < 0.6) this.restart(node, inMs)
      else if (next < 0.8 || this.living.length === 0) this.restart(`n${++this.born}`, inMs)
    })
  }

  private leave(leaver: Process, why: string, random: Random, strikes: () => void): void {
    const { plan } = this.world
    const members = this.living.filter(({ state, node }) => state === 'runs' && node.self.life.kind === 'member')
    if (plan.world === 'quiet' && members.length < 3) return
    const timeoutMs = between(random, 0, 4_000)
    if (why === 'asked by an operator') leaver.ask({ kind: 'drain', timeoutMs }, strikes)
    else leaver.leave(timeoutMs, strikes)
    if (random.next() < 0.5) this.restart(leaver.life.node, timeoutMs + between(random, 0, 3 * plan.timing.waitMs))
  }

  /** The store has no room for what somebody asked of a holder; and in the very step in which that is undone its node finds its lease
   *  over. */
  private layRefusal(random: Random): void {
    const { timeline, ambushes, plan } = this.world
    const { leaseMs, waitMs } = plan.timing
    timeline.at(between(random, 500, plan.troubleMs), () =>
      ambushes.lay('hold committing', (victim) => {
        victim.main.stalled = { stream: streams.shards, how: 'full', untilMs: timeline.nowMs + 1 }
        ambushes.lay('hold refused', () =>
          this.pause(victim, 'stands', random, 'at once', this.once('pause'), between(random, leaseMs, waitMs)),
        )
      }),
    )
  }

  private pause(
    victim: Process,
    kind: 'stands' | 'sleeps',
    random: Random,
    how: 'at once' | 'sometime',
    strikes: () => void,
    // A sleep that is shorter than what tells it from a slewing wall clock goes unnoticed, and the shortest lease is to bear it.
    pauseMs = between(random, sleepMsMin, Math.max(2 * sleepMsMin, this.world.plan.faults.pauseMsMax)),
  ): void {
    const { timeline, witness, coverage } = this.world
    this.inTheMiddle(victim, random, how, (middle) => {
      if (victim.clock.state !== 'runs') return
      witness.saw({ kind: 'process', life: victim.life, what: kind })
      strikes()
      if (middle) coverage.fault('pause between two effects')
      victim.clock.pause(kind, middle ? pauseMs : undefined)
      // An earlier pause may have been ended before its time; what would have ended it must not end this one.
      this.pauses.get(victim)?.()
      this.pauses.set(
        victim,
        timeline.in(pauseMs, () => this.resume(victim)),
      )
    })
  }

  /** As a rule between two turns of the event loop, or else between two effects of one. */
  private inTheMiddle(
    victim: Process,
    random: Random,
    how: 'at once' | 'sometime',
    blow: (middle: boolean) => void,
  ): void {
    const effects = Math.floor(between(random, 1, 40))
    // What lay in wait strikes in the middle of a turn already.
    if (how === 'at once') blow(true)
    else if (random.next() < 0.5) blow(false)
    else victim.arm(effects, () => blow(true))
  }

  private resume(process: Process): void {
    this.pauses.get(process)?.()
    if (process.clock.state !== 'paused') return
    this.world.witness.saw({ kind: 'process', life: process.life, what: 'resumes' })
    process.clock.resume()
  }

  /** From the broker, or one of its connections alone, which may come and go several times. */
  private cutOff(victim: Process, random: Random, strikes: () => void): void {
    const { timeline, plan, coverage } = this.world
    const { cutMsMax, beatsApart } = plan.faults
    const cutMs = between(random, 5, cutMsMax)
    const way = drawWay(random)
    if (!beatsApart || random.next() < 0.5) return void (this.cut(victim, cutMs, way, random) && strikes())
    const strikesOne = (): void => {
      strikes()
      coverage.fault('cut of one connection')
    }
    const wires = [pick(random, [victim.main, victim.beats])]
    const times = Math.ceil(between(random, 0, 5))
    if (times === 1) return void (this.cut(victim, cutMs, way, random, wires) && strikesOne())
    let cuts = 0
    const flap = (left: number): void => {
      if (left === 0 || this.over || victim.state === 'ended') return
      const shortMs = between(random, 1, 20)
      if (this.cut(victim, shortMs, 'both', random, wires)) cuts++
      if (cuts === 1) strikesOne()
      if (cuts === 2) coverage.fault('connection flaps')
      timeline.in(shortMs + between(random, 5, 60), () => flap(left - 1))
    }
    flap(times)
  }

  /** False: it was cut already. */
  private cut(victim: Process, cutMs: number, way: Way, random: Random, wires = victim.wires): boolean {
    const noticedMs = this.drawNoticing(cutMs, random)
    const { timeline, witness, coverage } = this.world
    witness.saw({ kind: 'process', life: victim.life, what: 'is cut' })
    const isCut = wires.map((wire) => wire.cut(noticedMs, way)).includes(true)
    if (isCut) coverage.fault(`cut ${way}`)
    timeline.in(cutMs, () => {
      if (victim.state === 'ended') return
      witness.saw({ kind: 'process', life: victim.life, what: 'is back' })
      for (const wire of wires) wire.restore()
    })
    return isCut
  }

  /** After what time a connection is known to be gone: perhaps not before it is back. */
  private drawNoticing(cutMs: number, random: Random): number {
    const soon = random.next() < 0.5
    return this.world.plan.faults.cutIsNoticed ? 0 : between(random, 0, soon ? 20 : 2 * cutMs)
  }

  /** Of one stream or of both: beats and records have ways of their own. */
  private stall(victim: Process, random: Random, met: () => void): void {
    const { timeline, plan } = this.world
    const stream = pick(random, [streams.control, streams.shards, streams.shards, undefined])
    // Who is alone is to refuse much.
    const isFull = plan.nodes === 1 || (plan.faults.lateAnswers > 0 && random.next() < 0.5)
    const how = isFull ? 'full' : pick(random, ['lost', 'held', 'unanswered', 'full'] as const)
    const untilMs = timeline.nowMs + between(random, 0.1, 1) * plan.faults.stallMsMax
    const next = random.next()
    // Where the disk is full the node itself goes on; as a rule not for long.
    for (const wire of victim.wires)
      wire.stalled = { stream: how === 'full' ? streams.shards : stream, how, untilMs, met }
    if (how !== 'full' || plan.nodes === 1) return
    if (next < 0.3) this.leave(victim, 'asked by an operator', random, this.once('drain'))
    else if (next < 0.8) timeline.at(untilMs, () => !this.over && this.crash(victim, random))
  }

  private cutClient(wire: Wire, cutMs: number, way: Way, random: Random, strikes = (): void => {}): void {
    if (wire.cut(this.drawNoticing(cutMs, random), way)) strikes()
    this.world.timeline.in(cutMs, () => wire.restore())
  }

  private outage(random: Random, strikes: () => void): void {
    const { witness, plan, network, timeline } = this.world
    if (network.away) return
    const lastsMs = between(random, 5, plan.faults.outageMsMax)
    witness.saw({ kind: 'world', text: 'the broker is away' })
    strikes()
    network.leave(() => this.drawNoticing(lastsMs, random))
    timeline.in(lastsMs, () => {
      if (!network.away) return
      witness.saw({ kind: 'world', text: 'the broker is back' })
      network.comeBack(() => between(random, 0, 20))
    })
  }

  private elect(random: Random, strikes: () => void): void {
    const { network, timeline, witness, plan } = this.world
    const lastsMs = between(random, 10, plan.faults.electionMsMax)
    witness.saw({ kind: 'world', text: 'the logs have no leader' })
    if (!network.logsDown) strikes()
    network.logsDown = true
    timeline.in(lastsMs, () => {
      network.logsDown = false
      witness.saw({ kind: 'world', text: 'the logs have a leader' })
    })
  }

  private loseTail(random: Random): void {
    const { timeline, plan, disk, ambushes } = this.world
    const lostMs = between(random, 0, plan.faults.lostTailMsMax)
    const lose = this.loss(random)
    if (lose === undefined) return
    let synced = disk.copy()
    const next = random.next()
    const sinceMs = between(random, 1, 100)
    // The view alone: the row that asks for it is still there.
    const isOfView = next >= 0.7 && next < 0.9
    if (isOfView)
      ambushes.lay('row new', () => {
        synced = disk.copy()
        ambushes.lay('view new', () => timeline.in(sinceMs, () => lose(synced)))
      })
    timeline.in(lostMs, () => {
      if (next < 0.2) ambushes.lay('commit in flight', () => lose(synced))
      else if (next < 0.7) ambushes.lay('package claimed', () => timeline.in(sinceMs, () => lose(synced)))
      else if (!isOfView) lose(synced)
      timeline.in(1_000, () => lose(synced))
    })
  }

  /** Parts of a checkpoint, of which their owner knows that they are stored. What it makes of that shows when it is gone. */
  private loseParts(random: Random): void {
    const { timeline, disk, ambushes } = this.world
    const goneMs = between(random, 500, 4_000)
    const lose = this.loss(random)
    if (lose === undefined) return
    const synced = disk.copy()
    ambushes.lay('checkpoint ready', (owner) => {
      lose(synced)
      timeline.in(goneMs, () => this.over || this.crash(owner, random))
    })
    timeline.in(2_000, () => lose(synced))
  }

  /** The disk falls behind; what is returned makes the broker start again with what that had. Only one at a time. */
  private loss(random: Random): ((synced: ReturnType<World['disk']['copy']>) => void) | undefined {
    const { plan, disk, ambushes, network } = this.world
    const { leaseMs } = plan.timing
    const awayMs = between(random, 5, leaseMs)
    if (this.unsynced) return undefined
    this.unsynced = true
    let isLost = false
    return (synced) => {
      if (this.over || isLost) return
      isLost = true
      this.unsynced = false
      this.countLost(synced)
      disk.restore(synced)
      network.lives++
      // Some are back later than others: until then they know nothing of it.
      for (const process of this.living) {
        const laterMs = random.next() < 0.3 ? between(random, 0, 2 * leaseMs) : between(random, 0, 20)
        this.cut(process, awayMs + laterMs, 'both', random)
      }
      for (const wire of this.clients()) this.cutClient(wire, awayMs, 'both', random)
      if (random.next() < 0.5)
        ambushes.lay('waiting to resume', (victim) => void this.cut(victim, between(random, 1, 20), 'both', random))
    }
  }

  private countLost(synced: ReturnType<World['disk']['copy']>): void {
    const { disk, coverage } = this.world
    const present = disk.copy()
    if (present.some(({ lastSeq }, i) => lastSeq > synced[i]!.lastSeq)) coverage.fault('lost tail')
    const isLost = (name: string, i: number): boolean => name.startsWith('part.') && !synced[i]!.names.has(name)
    if (present.some(({ names }, i) => [...names.keys()].some((name) => isLost(name, i)))) coverage.fault('lost parts')
  }
}

const membersMax = 6
const sleepMsMin = 60

const drawWay = (random: Random): Way => pick(random, ['both', 'both', 'out', 'in'])

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random.next() * from.length)]!
