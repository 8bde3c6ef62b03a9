/** Cluster: the broker, the nodes that are wanted, and the network between them: every node and all callers reach the broker through
 *  a proxy of their own. A supervisor starts every wanted node that is not there; a node that ends without having been told to,
 *  or that cannot start for another reason than a broker that is away, is a violation. */

import { join } from 'node:path'
import type { Client } from '../../src/index.ts'
import { type CutPoint, type Proxy, startProxy } from '../support/proxy.ts'
import type { Line } from '../support/node-process.ts'
import { type Broker, startBroker } from './broker.ts'
import { monotonicMs } from './clock.ts'
import type { Lives } from './lives.ts'
import { Member } from './member.ts'
import type { Outside } from './outside.ts'
import type { Transcript } from './transcript.ts'
import type { Verdict } from './verdict.ts'

export interface ClusterOptions {
  readonly folder: string
  readonly outside: Outside
  readonly transcript: Transcript
  readonly verdict: Verdict
}

export const clusterName = 'soak'
export const shards = 64
/** A supervisor does not start a process in circles. */
const restartMs = 500
/** A node's drain takes 30 s at most by its own default; what it waits for besides is the broker. */
const leaveMsMax = 75_000
/** How long after a fault of its own a node may lose its lease over it. */
const aftermathMs = 10_000

/** No broker; or the last beat of the life before, which was still under way when that was killed. */
const excusesForNotStarting: ReadonlySet<string> = new Set(['UNAVAILABLE', 'DEADLINE', 'FORBIDDEN'])

/** What no node should have to tell. */
const alarmingEvents: ReadonlySet<string> = new Set(['history broken', 'healed', 'warning'])

export class Cluster {
  readonly wanted = new Set<string>()
  /** By node id; the newest life of each. */
  readonly members = new Map<string, Member>()
  /** What the nodes told, by kind. */
  readonly told = new Map<string, number>()
  readonly broker: Broker
  /** Between the callers and the broker. */
  readonly callersProxy: Proxy
  private readonly options: ClusterOptions
  private readonly proxies = new Map<string, Proxy>()
  private readonly cuts = new Set<string>()
  /** Until when a node may be expected to be fenced. */
  private readonly excusedMs = new Map<string, number>()
  private readonly timers = new Set<NodeJS.Timeout>()
  private over = false

  static async start(options: ClusterOptions): Promise<Cluster> {
    const broker = await startBroker(join(options.folder, 'nats'))
    return new Cluster(options, broker, await startProxy(broker.port))
  }

  private constructor(options: ClusterOptions, broker: Broker, callersProxy: Proxy) {
    this.options = options
    this.broker = broker
    this.callersProxy = callersProxy
  }

  get living(): readonly Member[] {
    return [...this.members.values()].filter(({ state }) => state !== 'ended')
  }

  isCut(id: string): boolean {
    return this.cuts.has(id)
  }

  /** It is started now, or when its life of now has ended. */
  want(id: string): void {
    this.wanted.add(id)
    if (this.living.every((member) => member.id !== id)) void this.startMember(id)
  }

  unwant(id: string): void {
    this.wanted.delete(id)
  }

  kill(member: Member): void {
    this.say(`kill -9 of ${member.id}, process ${member.pid}`)
    this.lives.ended(member.pid, monotonicMs())
    member.kill()
  }

  leave(member: Member): void {
    this.say(`${member.id} is told to leave`)
    member.leave()
    this.later(leaveMsMax, () => {
      if (member.state === 'ended' || member.isFrozen) return
      this.options.verdict.violation(`${member.id} has not left after ${leaveMsMax} ms`)
      member.kill()
    })
  }

  freeze(member: Member): void {
    this.say(`${member.id}, process ${member.pid}, is stopped`)
    this.options.outside.absences.stopped(member.pid, monotonicMs())
    this.excusedMs.set(member.id, Infinity)
    member.freeze()
  }

  resume(member: Member): void {
    this.say(`${member.id}, process ${member.pid}, goes on`)
    member.resume()
    this.options.outside.absences.continued(member.pid, monotonicMs())
    this.excuse(member.id)
  }

  /** `reset`: connections break, and new ones at once; `silent`: they stay up and carry nothing. */
  cut(id: string, how: 'reset' | 'silent'): void {
    this.say(`${id} is cut, ${how}`)
    this.cuts.add(id)
    for (const member of this.living) if (member.id === id) this.lives.begins('cut', member.pid, monotonicMs())
    this.excusedMs.set(id, Infinity)
    const proxy = this.proxyOf(id)
    if (how === 'reset') proxy?.refuse()
    else proxy?.silence(true)
  }

  restore(id: string): void {
    this.say(`${id} is not cut any more`)
    this.cuts.delete(id)
    this.excuse(id)
    const proxy = this.proxyOf(id)
    proxy?.accept()
    proxy?.silence(false)
    for (const member of this.living) if (member.id === id) this.lives.ends('cut', member.pid, monotonicMs())
  }

  /** Breaks the node's connection at its next append. Resolves when that has happened. */
  breakAppend(id: string, point: CutPoint): Promise<void> {
    this.say(`the next append of ${id} breaks its connection, ${point}`)
    return this.proxyOf(id)!.cutAt(`PUB godwit.${clusterName}.log.`, point)
  }

  async brokerGoes(how: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.say(`nats-server goes, ${how}`)
    for (const { pid } of this.living) this.lives.begins('broker', pid, monotonicMs())
    await this.broker.go(how)
  }

  async brokerComesBack(): Promise<void> {
    await this.broker.comeBack()
    for (const { pid } of this.living) this.lives.ends('broker', pid, monotonicMs())
    this.say('nats-server is back')
  }

  /** What is missing of the processes. */
  lackOfProcesses(): string | undefined {
    for (const id of this.wanted) {
      const member = this.members.get(id)
      if (member?.state !== 'serving') return `${id} is ${member?.state ?? 'not there'}`
    }
    const extra = this.living.find(({ id }) => !this.wanted.has(id))
    return extra === undefined ? undefined : `${extra.id} is ${extra.state}`
  }

  /** What is missing by the cluster's own account: everybody is up who should be, and the shards are shared out evenly. */
  async lackOfWholeness(client: Client): Promise<string | undefined> {
    const { nodes } = await client.nodes({ timeoutMs: 1_000 })
    const up = nodes.filter(({ state }) => state === 'up' || state === 'leaving')
    const ids = up.map(({ id, state }) => (state === 'up' ? id : `${id} (${state})`)).toSorted()
    const wanted = [...this.wanted].toSorted()
    if (ids.join() !== wanted.join()) return `there are ${wanted}, and the cluster knows ${ids}`
    const shares = up.map(({ id, shards: share }) => `${id} has ${share}`).join(', ')
    const sum = up.reduce((total, { shards: share }) => total + share, 0)
    if (sum !== shards) return `${sum} of ${shards} shards are owned: ${shares}`
    const fair = shards / up.length
    const most = Math.max(Math.ceil(fair), Math.floor(1.06 * fair))
    return up.some(({ shards: share }) => share > most) ? `one has more than ${most} shards: ${shares}` : undefined
  }

  /** Every process that it started is gone. */
  async stop(): Promise<void> {
    this.over = true
    this.wanted.clear()
    for (const timer of this.timers) clearTimeout(timer)
    for (const member of this.living) member.kill()
    while (this.living.length > 0) await new Promise((resolve) => setTimeout(resolve, 10))
    await this.broker.end()
    await Promise.all([this.callersProxy, ...this.proxies.values()].map((proxy) => proxy.stop()))
  }

  private async startMember(id: string): Promise<void> {
    if (!this.proxies.has(id)) this.proxies.set(id, await startProxy(this.broker.port))
    if (this.over || !this.wanted.has(id) || this.living.some((member) => member.id === id)) return
    const { folder, outside } = this.options
    const member = new Member({
      id,
      servers: this.proxies.get(id)!.url,
      cluster: clusterName,
      outsidePort: outside.port,
      logFile: join(folder, `${id}.log`),
      onLine: (from, line) => this.hear(from, line),
      onEnded: (ended) => this.bury(ended),
    })
    this.members.set(id, member)
    this.lives.born(id, member.pid, member.bornMs)
    if (this.cuts.has(id)) this.lives.begins('cut', member.pid, member.bornMs)
    this.say(`${id} starts as process ${member.pid}`)
  }

  private hear({ id, pid, isDoomed }: Member, line: Line): void {
    const { verdict } = this.options
    const { event, ...rest } = line
    if (event === 'suspended') this.lives.begins('suspended', pid, monotonicMs())
    if (event === 'resumed') this.lives.ends('suspended', pid, monotonicMs())
    if (event === 'fenced') this.lives.fenced(pid, monotonicMs())
    if (event !== 'view') this.say(`${id} tells: ${event} ${JSON.stringify(rest)}`)
    this.told.set(event, (this.told.get(event) ?? 0) + 1)
    if (alarmingEvents.has(event)) verdict.violation(`${id} tells: ${event} ${JSON.stringify(rest)}`)
    // An outage of the broker declares nobody dead, however long it lasts.
    if (event === 'fenced' && !isDoomed && (this.excusedMs.get(id) ?? 0) < monotonicMs())
      verdict.violation(`${id} was declared dead although nothing had happened to it: ${JSON.stringify(rest)}`)
  }

  private bury(member: Member): void {
    const { id, isDoomed, hasServed, complaint, exit } = member
    const how = `${exit}${complaint ? `; ${complaint.code}: ${complaint.message}` : ''}`
    this.say(`${id}, process ${member.pid}, has ended: ${how}`)
    this.lives.ended(member.pid, monotonicMs())
    if (this.over) return
    const mayEnd = isDoomed
      ? ['SIGKILL', 'SIGTERM', 'exit code 0'].includes(exit)
      : !hasServed && complaint !== undefined && excusesForNotStarting.has(complaint.code)
    if (!mayEnd) this.options.verdict.violation(`${id}, process ${member.pid}, ended by itself: ${how}`)
    if (this.wanted.has(id)) this.later(restartMs, () => this.wanted.has(id) && this.want(id))
  }

  private get lives(): Lives {
    return this.options.outside.lives
  }

  private excuse(id: string): void {
    this.excusedMs.set(id, monotonicMs() + aftermathMs)
  }

  private proxyOf(id: string): Proxy | undefined {
    return id === callers ? this.callersProxy : this.proxies.get(id)
  }

  private later(inMs: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      run()
    }, inMs)
    this.timers.add(timer)
  }

  private say(text: string): void {
    this.options.transcript.say(text)
  }
}

/** The callers' side of the network, among the ids of nodes. */
export const callers = 'the callers'
