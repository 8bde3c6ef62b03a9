/** Fate: what befalls the processes of a run, and when: all of it drawn before the run begins. It starts the first nodes, lets its
 *  blows fall on whoever is there, and at the end sets everything upright again. */

import type { Cancel } from '../../src/base/clock.ts'
import { between, type Random } from '../../src/base/random.ts'
import { randomFor } from './plan.ts'
import { Process } from './process.ts'
import type { World } from './world.ts'

export class Fate {
  readonly processes: Process[] = []
  private readonly world: World
  private readonly random: Random
  private born = 0
  private over = false
  /** Processes that are to start again, by node. */
  private readonly absent = new Map<string, Cancel>()

  constructor(world: World) {
    this.world = world
    this.random = randomFor(world.plan.seed, 'fate')
    const { plan } = world
    for (let i = 0; i < plan.nodes; i++) this.start(`n${++this.born}`)
    const { faults } = plan
    this.strike(faults.crashes, () => this.crash())
    this.strike(faults.joins, () => this.join())
    this.strike(faults.leaves, () => this.leave())
    this.strike(faults.pauses, () => this.pause('stands'))
    this.strike(faults.sleeps, () => this.pause('sleeps'))
    this.strike(faults.cuts, () => this.cut(this.pick()))
    this.strike(faults.outages, () => this.outage())
    this.strike(faults.elections, () => this.elect())
    this.strike(faults.wallJumps, () => this.pick()?.clock.jump(between(this.random, -500, 2_000)))
  }

  get living(): readonly Process[] {
    return this.processes.filter(({ state }) => state !== 'ended')
  }

  /** Whoever is paused goes on, whoever is to come back comes, and somebody is there. */
  becomeCalm(): void {
    this.over = true
    for (const process of this.living) if (process.clock.state === 'paused') this.resume(process)
    for (const id of [...this.absent.keys()]) this.startAgain(id)
    if (this.living.every(({ state }) => state === 'leaves')) this.start(`n${++this.born}`)
  }

  private strike(times: number, blow: () => void): void {
    for (let i = 0; i < times; i++)
      this.world.timeline.in(between(this.random, 0, this.world.plan.troubleMs), () => {
        if (!this.over) blow()
      })
  }

  private start(id: string): void {
    const { faults } = this.world.plan
    const rate = 1 + between(this.random, -faults.drift, faults.drift)
    const process = new Process(this.world, id, this.random, rate)
    this.processes.push(process)
    // Its supervisor tries again, or the operator gives it another id.
    void process.ended.then((how) => {
      if (how !== 'refused') return
      this.restart(id, between(this.random, 0, this.world.plan.timing.waitMs))
    })
  }

  private restart(id: string, inMs: number): void {
    this.absent.get(id)?.()
    this.absent.set(
      id,
      this.world.timeline.in(inMs, () => this.startAgain(id)),
    )
  }

  private startAgain(id: string): void {
    this.absent.get(id)?.()
    this.absent.delete(id)
    if (this.living.every(({ life }) => life.node !== id)) this.start(id)
  }

  private pick(): Process | undefined {
    const { living } = this
    return living[Math.floor(this.random.next() * living.length)]
  }

  private crash(): void {
    const victim = this.pick()
    if (victim === undefined) return
    const { node } = victim.life
    const waitMs = this.world.plan.timing.waitMs
    const next = this.random.next()
    victim.kill()
    if (next < 0.6)
      this.restart(node, this.random.next() < 0.5 ? between(this.random, 0, 50) : between(this.random, 0, 2 * waitMs))
    else if (next < 0.8 || this.living.length === 0)
      this.restart(`n${++this.born}`, between(this.random, 0, 2 * waitMs))
  }

  private join(): void {
    if (this.living.length < membersMax) this.start(`n${++this.born}`)
  }

  private leave(): void {
    const { plan } = this.world
    const leaver = this.pick()
    const timeoutMs = between(this.random, 0, 4_000)
    if (leaver === undefined) return
    leaver.leave(timeoutMs)
    if (this.random.next() < 0.5)
      this.restart(leaver.life.node, timeoutMs + between(this.random, 0, 3 * plan.timing.waitMs))
  }

  private pause(how: 'stands' | 'sleeps'): void {
    const victim = this.pick()
    // A sleep that is shorter than what tells it from a slewing wall clock goes unnoticed, and the shortest lease is to bear it.
    const pauseMs = between(this.random, sleepMsMin, Math.max(2 * sleepMsMin, this.world.plan.faults.pauseMsMax))
    if (victim === undefined || victim.clock.state !== 'runs') return
    this.world.witness.saw({ kind: 'process', life: victim.life, what: how })
    victim.clock.pause(how)
    this.world.timeline.in(pauseMs, () => this.resume(victim))
  }

  private resume(process: Process): void {
    if (process.clock.state !== 'paused') return
    this.world.witness.saw({ kind: 'process', life: process.life, what: 'resumes' })
    process.clock.resume()
  }

  private cut(victim: Process | undefined): void {
    const { faults } = this.world.plan
    const cutMs = between(this.random, 5, faults.cutMsMax)
    const noticedMs = this.random.next() < 0.5 ? between(this.random, 0, 20) : between(this.random, 0, 2 * cutMs)
    if (victim === undefined) return
    this.world.witness.saw({ kind: 'process', life: victim.life, what: 'is cut' })
    victim.wire.cut(noticedMs)
    this.world.timeline.in(cutMs, () => {
      if (victim.state === 'ended') return
      this.world.witness.saw({ kind: 'process', life: victim.life, what: 'is back' })
      victim.wire.restore()
    })
  }

  private outage(): void {
    this.world.witness.saw({ kind: 'world', text: 'the broker is away' })
    for (const process of this.living) this.cut(process)
  }

  private elect(): void {
    const { network, timeline, witness, plan } = this.world
    const lastsMs = between(this.random, 10, plan.faults.electionMsMax)
    witness.saw({ kind: 'world', text: 'the logs have no leader' })
    network.logsDown = true
    timeline.in(lastsMs, () => {
      network.logsDown = false
      witness.saw({ kind: 'world', text: 'the logs have a leader' })
    })
  }
}

const membersMax = 6
const sleepMsMin = 60
