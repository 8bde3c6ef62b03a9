/** Network: the ways between the processes and the broker, with their faults. A wire is one process's connection: what it sends
 *  and what it is sent is delayed, lost, doubled or overtaken here, and nowhere else. */

import type { Cancel } from '../../src/base/clock.ts'
import { between, type Random } from '../../src/base/random.ts'
import type { MemoryBroker } from '../../src/transport/memory-broker.ts'
import type { LocalClock, Timeline } from './clock.ts'
import type { Coverage } from './coverage.ts'
import { type Faults, noFaults } from './faults.ts'

/** Which way of a wire: to the broker, from it. */
export type Way = 'both' | 'out' | 'in'

/** What becomes of the appends to one stream, or to all. */
export interface Stall {
  readonly stream: string | undefined
  /** They do not arrive, or not before it is over; or their answers do not come back; or there is no room for them. */
  readonly how: 'lost' | 'held' | 'unanswered' | 'full'
  readonly untilMs: number
  /** An append meets it. */
  readonly met?: () => void
}

export class Network {
  readonly timeline: Timeline
  readonly broker: MemoryBroker
  readonly random: Random
  faults: Faults
  /** The logs have no leader: who asks them gets no answer. */
  logsDown = false
  /** The broker is away: nobody has a connection, and whoever comes now gets none. */
  away = false
  /** Lives of the broker: what was on its way to one does not reach the next. */
  lives = 1
  readonly coverage: Coverage
  private readonly wires = new Set<Wire>()

  constructor(timeline: Timeline, broker: MemoryBroker, random: Random, faults: Faults, coverage: Coverage) {
    this.timeline = timeline
    this.coverage = coverage
    this.broker = broker
    this.random = random
    this.faults = faults
  }

  connect(clock: LocalClock): Wire {
    const wire = new Wire(this, clock)
    this.wires.add(wire)
    return wire
  }

  /** Nobody reaches the broker any more; each hears of it when it notices. */
  leave(noticedMs: () => number): void {
    this.away = true
    for (const wire of this.wires) wire.cut(noticedMs(), 'both')
  }

  /** Whoever has no connection gets one, after a while of its own. */
  comeBack(laterMs: () => number): void {
    this.away = false
    for (const wire of this.wires) this.timeline.in(laterMs(), () => wire.restore())
  }

  /** Faults are over: nothing is lost from now on, and what is late comes soon. */
  becomeCalm(): void {
    this.faults = { ...noFaults, delayMsMax: this.faults.delayMsMax }
    this.logsDown = false
    this.away = false
    for (const wire of this.wires) {
      wire.stalled = undefined
      wire.slowIn = undefined
      wire.restore()
    }
  }

  forget(wire: Wire): void {
    this.wires.delete(wire)
  }
}

export class Wire {
  readonly network: Network
  readonly clock: LocalClock
  /** Called before everything that the process sends. */
  beforeUse: () => void = () => {}
  private outUp = true
  private inUp = true
  /** What the process believes. */
  connected = true
  /** What it appends meets something that what it reads does not. */
  stalled: Stall | undefined
  /** How often and how far what it is sent comes late, where that is not as everywhere. */
  slowIn: Pick<Faults, 'late' | 'lateMsMax'> | undefined
  private readonly listeners = new Set<(connected: boolean) => void>()
  /** Nothing overtakes: the next message each way comes no sooner. */
  private outMs = 0
  private inMs = 0
  private detection: Cancel = () => {}
  closed = false

  constructor(network: Network, clock: LocalClock) {
    this.network = network
    this.clock = clock
    if (network.away) this.outUp = this.inUp = this.connected = false
  }

  /** A message on its way to the broker. */
  send(arrive: () => void): void {
    this.beforeUse()
    if (this.closed) return
    this.carry('out', () => {
      if (this.outUp) arrive()
    })
  }

  /** A message on its way from the broker; `hear` runs in a turn of the process. */
  receive(hear: () => void): void {
    this.carry('in', () => {
      if (this.inUp && !this.closed) this.clock.hear(hear)
    })
  }

  /** The ways of calls to the logs: faults of their own, decided by the log; no order among them. */
  reach(delayMs: number, arrive: () => void): void {
    if (!this.outUp || this.closed) return
    const { network } = this
    const { lives } = network
    network.timeline.in(delayMs + this.clock.heldMs, () => {
      if (!this.outUp || network.lives > lives) return
      if (network.logsDown) network.coverage.fault('call without a leader')
      else arrive()
    })
  }

  /** What comes from the broker to the logs of the process, answers and watches. */
  answer(delayMs: number, hear: () => void): void {
    this.network.timeline.in(delayMs, () => {
      if (this.inUp && !this.closed) this.clock.hear(hear)
    })
  }

  /** Something that is sent now leaves. */
  get reaches(): boolean {
    return this.outUp && !this.closed
  }

  /** Nothing passes that way any more. The process hears of it after `noticedMs`, unless it is over by then; then its connection is
   *  gone both ways. False: something is cut already. */
  cut(noticedMs: number, way: Way): boolean {
    if (!this.outUp || !this.inUp) return false
    if (way !== 'in') this.outUp = false
    if (way !== 'out') this.inUp = false
    this.detection = this.network.timeline.in(noticedMs, () => {
      this.outUp = this.inUp = false
      this.tell(false)
    })
    return true
  }

  /** Everything passes again. What was under way is lost, so the process always hears of it. */
  restore(delayMs = this.delayMs()): void {
    if ((this.outUp && this.inUp) || this.network.away) return
    this.detection()
    this.outUp = this.inUp = false
    this.tell(false)
    this.network.timeline.in(delayMs, () => {
      if (this.network.away) return
      this.outUp = this.inUp = true
      this.tell(true)
    })
  }

  /** What an append to the stream meets now. */
  stallOf(stream: string): Stall | undefined {
    const { stalled } = this
    if (stalled === undefined || stalled.untilMs <= this.network.timeline.nowMs) return undefined
    return (stalled.stream ?? stream) === stream ? stalled : undefined
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    this.listeners.add(listener)
    listener(this.connected)
    return () => void this.listeners.delete(listener)
  }

  close(): void {
    this.closed = true
    this.listeners.clear()
    this.network.forget(this)
  }

  delayMs(): number {
    return between(this.network.random, 0.05, this.network.faults.delayMsMax)
  }

  private tell(connected: boolean): void {
    this.clock.hear(() => {
      if (this.connected === connected) return
      this.connected = connected
      for (const listener of this.listeners) listener(connected)
    })
  }

  private carry(way: 'out' | 'in', arrive: () => void): void {
    const { faults, random, timeline, coverage } = this.network
    if (!(way === 'out' ? this.outUp : this.inUp)) return
    if (random.next() < faults.lost) return coverage.fault('message lost')
    const slow = way === 'in' ? this.slowIn : undefined
    const { late, lateMsMax } = slow ?? faults
    const copies = random.next() < faults.doubled ? 2 : 1
    if (copies === 2) coverage.fault('message doubled')
    for (let copy = 0; copy < copies; copy++) {
      const isLate = random.next() < late
      if (isLate) coverage.fault(slow === undefined ? 'message late' : 'answer late')
      let atMs = timeline.nowMs + this.delayMs() + (isLate ? random.next() * lateMsMax : 0)
      if (way === 'out') atMs += this.clock.heldMs
      const lastMs = way === 'out' ? this.outMs : this.inMs
      if (atMs < lastMs && faults.reordered) coverage.fault('message overtakes')
      if (!faults.reordered) atMs = Math.max(atMs, lastMs)
      if (way === 'out') this.outMs = Math.max(this.outMs, atMs)
      else this.inMs = Math.max(this.inMs, atMs)
      timeline.at(atMs, arrive)
    }
  }
}
