/** Soak: one run on real processes: a cluster is set up, calls begin, and one round of trouble follows another until the time is over.
 *  After each round the cluster must become whole and everybody must answer; at the end every book is closed and the ledger must
 *  add up. */

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { limits } from '../../src/base/limits.ts'
import { seededRandom } from '../../src/base/random.ts'
import { timings } from '../../src/index.ts'
import { Attention } from './attention.ts'
import { type Caller, connectCaller, connectPlainCaller, type GodwitCaller } from './caller.ts'
import { monotonicMs } from './clock.ts'
import { Chronicle } from './chronicle.ts'
import { Cluster, clusterName, shards } from './cluster.ts'
import { type Blow, Fate, type FaultKind, type RoundKind } from './fate.ts'
import { followStore, type StoreFollower } from './follower.ts'
import { Lateness } from './lateness.ts'
import { type Outside, startOutside } from './outside.ts'
import { Transcript } from './transcript.ts'
import { Verdict } from './verdict.ts'
import { population, Workload } from './workload.ts'

export interface SoakOptions {
  readonly minutes: number
  readonly seed: number
  readonly callsPerSecond: number
  readonly listener: SoakListener
}

export interface SoakListener {
  phase(text: string): void
  round(round: Round): void
  blow(blow: Blow): void
  violation(text: string): void
}

/** One stretch of trouble and what came of it. */
export interface Round {
  readonly kind: RoundKind
  /** From the last fault's end until the cluster was whole and everybody had answered. */
  readonly wholeMs: number
  /** The longest that an actor left its callers without an answer. */
  readonly gapMs: number
}

/** A cluster whose faults are over is whole again within this: a death that is noticed (W), a move that begins anew (T), and the
 *  start of a process or two on a machine that others use as well. */
const wholeMsMax = 30_000
/** A process that starts may have to wait out its own life before, and to start again when the broker was away. */
const startMsMax = 60_000
/** Survivors notice a death, two of them at worst one after the other (W), and take over what the dead had, 64 shards and a few
 *  seconds on a machine that others use as well. */
const takeOverMsMax = 2 * timings.default.waitMs + 4_000
const lookMs = 100
const restMs = 1_500
const judgeMs = 500
/** What was committed last is performed by then, or known to be owed. */
const debtMsMax = 10_000

export class Soak {
  readonly folder: string
  readonly faults = new Map<FaultKind, number>()
  readonly rounds = new Map<RoundKind, { count: number; gapMs: number; wholeMs: number }>()
  readonly startedMs = monotonicMs()
  readonly endsMs: number
  readonly verdict: Verdict
  readonly transcript: Transcript
  cluster: Cluster | undefined
  workload: Workload | undefined
  outside: Outside | undefined
  chronicle: Chronicle | undefined
  lateness: Lateness | undefined
  private readonly attention = new Attention()
  private readonly options: SoakOptions
  private fate: Fate | undefined
  private follower: StoreFollower | undefined
  private callers: readonly Caller[] = []
  private judging: NodeJS.Timeout | undefined
  private interrupted = false
  private stopping: Promise<void> | undefined

  static async prepare(options: SoakOptions): Promise<Soak> {
    const folder = await mkdtemp(join(tmpdir(), 'godwit-soak-'))
    await mkdir(join(folder, 'nats'))
    return new Soak(options, folder)
  }

  private constructor(options: SoakOptions, folder: string) {
    this.options = options
    this.folder = folder
    this.endsMs = this.startedMs + options.minutes * 60_000
    this.transcript = new Transcript(folder)
    this.verdict = new Verdict(this.transcript, (text) => options.listener.violation(text))
  }

  /** Resolves when all is judged, or as soon as it is interrupted. */
  async run(): Promise<void> {
    const { listener, seed, callsPerSecond } = this.options
    const { transcript, verdict, attention } = this
    transcript.say(`seed ${seed}, ${this.options.minutes} minutes, ${callsPerSecond} calls per second`)
    listener.phase('starting nats-server and three nodes')
    const outside = await startOutside({
      // What a slow machine adds to the time that a process has for letting go.
      graceMs: timings.default.stopMs + 250,
      pulseMsMax: timings.default.gapMs,
    })
    this.outside = outside
    const lateness = new Lateness(outside.absences, {
      // What stands still for less than a gap is not noticed.
      lateMs: 1_000 + timings.default.gapMs,
      takeOverMs: takeOverMsMax,
      moveMs: limits.handoffStepMs,
    })
    this.lateness = lateness
    const cluster = await Cluster.start({ folder: this.folder, outside, transcript, verdict })
    this.cluster = cluster
    const chronicle = new Chronicle(shards, outside.lives)
    this.chronicle = chronicle
    const follower = await followStore(cluster.broker.port, clusterName, chronicle)
    this.follower = follower
    const fate = new Fate(cluster, seededRandom(seed))
    this.fate = fate
    for (const id of fate.firstIds) cluster.want(id)
    const servers = cluster.callersProxy.url
    const [first, second, plain] = await Promise.all([
      connectCaller('c1', servers, clusterName),
      connectCaller('c2', servers, clusterName),
      connectPlainCaller('p1', servers, clusterName),
    ])
    this.callers = [first, second, plain]
    const workload = new Workload({
      callers: this.callers,
      random: seededRandom(seed + 1),
      outside,
      chronicle,
      lateness,
      attention,
      verdict,
      callsPerSecond,
    })
    this.workload = workload
    this.judging = setInterval(() => this.judge(outside, workload), judgeMs)
    await this.becomesWhole(cluster, undefined, first)
    listener.phase(`spawning ${Object.values(population).reduce((sum, count) => sum + count, 0)} actors`)
    await workload.begin()

    while (monotonicMs() < this.endsMs && !this.interrupted) await this.round(cluster, fate, workload, first)
    if (this.interrupted) return
    listener.phase('calm: every book is closed, everybody must answer')
    await this.becomesWhole(cluster, workload, first)
    workload.rest()
    await this.listed(workload, first)
    await workload.close()
    const unread = await follower.complete()
    if (unread !== undefined) verdict.violation(`the store could not be read to its end: ${unread}`)
    await pause(2 * lookMs)
    await this.debtsAreSettled(outside, workload)
  }

  /** `run` resolves soon; what it waits for is given up. */
  interrupt(): void {
    this.interrupted = true
    this.fate?.end()
    this.workload?.abandon()
  }

  /** Everything that it started is gone afterwards. The folder stays where there is something to read in it. */
  stop({ keep }: { readonly keep: boolean }): Promise<void> {
    this.stopping ??= this.shutDown(keep)
    return this.stopping
  }

  private async shutDown(keep: boolean): Promise<void> {
    clearInterval(this.judging)
    this.attention.stop()
    this.fate?.end()
    this.workload?.abandon()
    await this.follower?.end()
    await Promise.allSettled([this.cluster?.stop(), ...this.callers.map((caller) => caller.close())])
    await this.outside?.stop()
    await this.verdict.close()
    await this.transcript.close()
    if (keep) return
    await rm(this.verdict.count > 0 ? join(this.folder, 'nats') : this.folder, { recursive: true, force: true })
  }

  private async round(cluster: Cluster, fate: Fate, workload: Workload, caller: GodwitCaller): Promise<void> {
    const { listener } = this.options
    const kind = fate.nextRound()
    workload.turnPage()
    const beganMs = monotonicMs()
    this.lateness!.begins(kind, beganMs)
    const struck = (blow: Blow): void => {
      this.transcript.say(`FAULT ${blow.text}`)
      this.faults.set(blow.kind, (this.faults.get(blow.kind) ?? 0) + 1)
      listener.blow(blow)
    }
    if (kind === 'storm') await fate.storm(struck)
    else {
      const blow = fate.strike(kind)
      if (blow === undefined) return this.lateness!.isWhole(beganMs)
      struck(blow)
      await blow.over
    }
    const wholeMs = await this.becomesWhole(cluster, workload, caller)
    if (this.interrupted) return
    if (kind === 'join' || kind === 'drain') workload.peace({ fromMs: beganMs, toMs: monotonicMs() })
    const gapMs = workload.turnPage()
    const row = this.rounds.get(kind) ?? { count: 0, gapMs: 0, wholeMs: 0 }
    this.rounds.set(kind, {
      count: row.count + 1,
      gapMs: Math.max(row.gapMs, gapMs),
      wholeMs: Math.max(row.wholeMs, wholeMs),
    })
    this.transcript.say(`whole after ${wholeMs.toFixed(0)} ms, longest gap ${gapMs.toFixed(0)} ms`)
    listener.round({ kind, wholeMs, gapMs })
    await pause(restMs)
  }

  /** All processes are there, the cluster is whole by its own account, everybody has answered, and what is to be held is held. */
  private async becomesWhole(cluster: Cluster, workload: Workload | undefined, caller: GodwitCaller): Promise<number> {
    const calmMs = monotonicMs()
    await this.nothingLacks('the processes are there', startMsMax, async () => cluster.lackOfProcesses())
    const thereMs = monotonicMs()
    this.lateness!.isThere(thereMs)
    await this.nothingLacks('the cluster is whole', wholeMsMax, async () => {
      const lack = cluster.lackOfProcesses() ?? (await cluster.lackOfWholeness(caller.client))
      if (lack !== undefined || workload === undefined) return lack
      const silent = workload.silentSince(thereMs)
      if (silent.length > 0) return `${silent.length} actors have not answered since: ${silent.slice(0, 8)}`
      const loose = workload.serving.filter(
        ({ type, key }) => type === 'holder' && this.outside!.holds.holdersOf(key).length !== 1,
      )
      return loose.length === 0 ? undefined : `not held by exactly one: ${loose.map(({ key }) => key)}`
    })
    this.lateness!.isWhole(monotonicMs())
    return monotonicMs() - calmMs
  }

  private async nothingLacks(what: string, withinMs: number, look: () => Promise<string | undefined>): Promise<void> {
    const sinceMs = monotonicMs()
    let lack: string | undefined
    while (!this.interrupted) {
      try {
        lack = await look()
      } catch (thrown) {
        lack = String(thrown)
      }
      if (lack === undefined) return
      if (monotonicMs() - sinceMs > withinMs) {
        this.verdict.violation(`I6: waited ${withinMs} ms until ${what}: ${lack}`)
        return
      }
      await pause(lookMs)
    }
  }

  /** The cluster's list names every actor once, and nobody else. */
  private async listed(workload: Workload, { client }: GodwitCaller): Promise<void> {
    await this.nothingLacks('the list names every actor once', wholeMsMax, async () => {
      const rows: string[] = []
      for await (const { type, id } of client.list()) rows.push(`${type}/${id}`)
      const listed = rows.toSorted()
      const expected = [...workload.books.keys()].toSorted()
      const missing = expected.filter((key) => !listed.includes(key))
      const extra = listed.filter((key, i) => !expected.includes(key) || listed[i - 1] === key)
      return missing.length + extra.length === 0 ? undefined : `missing: ${missing}; beside them: ${extra}`
    })
  }

  /** Every action is performed or excused. */
  private async debtsAreSettled(outside: Outside, workload: Workload): Promise<void> {
    const sinceMs = monotonicMs()
    const { deeds } = outside
    do {
      await pause(judgeMs)
      this.judge(outside, workload)
    } while (deeds.owed > 0 && monotonicMs() < sinceMs + debtMsMax && !this.interrupted)
    if (deeds.owed > 0) this.verdict.violation(`E1: ${deeds.owed} actions were not performed and not excused either`)
  }

  private judge(outside: Outside, workload: Workload): void {
    outside.holds.judge(monotonicMs())
    this.verdict.drain(outside.holds.wrong)
    outside.deeds.judge(monotonicMs())
    this.verdict.drain(outside.deeds.wrong)
    this.lateness!.judge(monotonicMs())
    this.verdict.drain(this.lateness!.wrong)
    if (this.chronicle !== undefined) this.verdict.drain(this.chronicle.wrong)
    workload.judgeOpen()
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
