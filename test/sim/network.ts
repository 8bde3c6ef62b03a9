/** Network: the ways between the processes and the broker, with their faults. A wire is one process's connection: what it sends
 *  and what it is sent is delayed, lost, doubled or overtaken here, and nowhere else. */

import type { Cancel } from '../../src/base/clock.ts'
import { between, type Random } from '../../src/base/random.ts'
import type { MemoryBroker } from '../../src/transport/memory-broker.ts'
import type { LocalClock, Timeline } from './clock.ts'
import { type Faults, noFaults } from './faults.ts'

export class Network {
  readonly timeline: Timeline
  readonly broker: MemoryBroker
  readonly random: Random
  faults: Faults
  /** The logs have no leader: who asks them gets no answer. */
  logsDown = false
  private readonly wires = new Set<Wire>()

  constructor(timeline: Timeline, broker: MemoryBroker, random: Random, faults: Faults) {
    this.timeline = timeline
    this.broker = broker
    this.random = random
    this.faults = faults
  }

  connect(clock: LocalClock): Wire {
    const wire = new Wire(this, clock)
    this.wires.add(wire)
    return wire
  }

  /** Faults are over: nothing is lost from now on, and what is late comes soon. */
  becomeCalm(): void {
    this.faults = { ...noFaults, delayMsMax: this.faults.delayMsMax }
    this.logsDown = false
    for (const wire of this.wires) wire.restore()
  }

  forget(wire: Wire): void {
    this.wires.delete(wire)
  }
}

export class Wire {
  readonly network: Network
  readonly clock: LocalClock
  private up = true
  /** What the process believes. */
  connected = true
  private readonly listeners = new Set<(connected: boolean) => void>()
  /** Nothing overtakes: the next message each way comes no sooner. */
  private outMs = 0
  private inMs = 0
  private detection: Cancel = () => {}
  closed = false

  constructor(network: Network, clock: LocalClock) {
    this.network = network
    this.clock = clock
  }

  /** A message on its way to the broker. */
  send(arrive: () => void): void {
    this.carry('out', () => {
      if (this.up) arrive()
    })
  }

  /** A message on its way from the broker; `hear` runs in a turn of the process. */
  receive(hear: () => void): void {
    this.carry('in', () => {
      if (this.up && !this.closed) this.clock.hear(hear)
    })
  }

  /** The ways of calls to the logs: faults of their own, decided by the log; no order among them. */
  reach(delayMs: number, arrive: () => void): void {
    if (!this.up) return
    this.network.timeline.in(delayMs, () => {
      if (this.up && !this.network.logsDown) arrive()
    })
  }

  answer(delayMs: number, hear: () => void): void {
    this.network.timeline.in(delayMs, () => {
      if (this.up && !this.closed) this.clock.hear(hear)
    })
  }

  /** In order, whatever the delay: a watch. */
  deliver(delayMs: number, hear: () => void): void {
    const { timeline } = this.network
    timeline.in(delayMs, () => {
      if (this.up && !this.closed) this.clock.hear(hear)
    })
  }

  /** Nothing passes any more. The process hears of it after `noticedMs`, unless it is over by then. */
  cut(noticedMs: number): void {
    if (!this.up) return
    this.up = false
    this.detection = this.network.timeline.in(noticedMs, () => this.tell(false))
  }

  /** Everything passes again. What was under way is lost, so the process always hears of it. */
  restore(): void {
    if (this.up) return
    this.detection()
    this.tell(false)
    this.network.timeline.in(this.delayMs(), () => {
      this.up = true
      this.tell(true)
    })
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
    const { faults, random, timeline } = this.network
    if (!this.up || random.next() < faults.lost) return
    const copies = random.next() < faults.doubled ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const isLate = random.next() < faults.late
      const delayMs = this.delayMs() + (isLate ? random.next() * faults.lateMsMax : 0)
      let atMs = timeline.nowMs + delayMs
      if (!faults.reordered) {
        atMs = Math.max(atMs, way === 'out' ? this.outMs : this.inMs)
        if (way === 'out') this.outMs = atMs
        else this.inMs = atMs
      }
      timeline.at(atMs, arrive)
    }
  }
}
