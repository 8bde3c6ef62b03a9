/** Fate: what befalls the cluster, drawn from a seed. In a quiet round one fault comes alone, so that its price can be told; in a
 *  storm several overlap. Every fault ends by itself and leaves behind a cluster that only needs its time. */

import { between, type Random } from '../../src/base/random.ts'
import { callers, type Cluster } from './cluster.ts'
import type { Member } from './member.ts'

export const faults = {
  kill: 'node killed',
  freeze: 'node stopped, then continued',
  drain: 'node drained',
  join: 'node joined',
  'broker term': 'nats-server restarted',
  'broker kill': 'nats-server killed',
  'cut reset': 'one node cut off, reset',
  'cut silent': 'one node cut off, silent',
  'cut append': 'connection cut in an append',
  'cut callers': 'the callers cut off',
  'cut all reset': 'everybody cut off, reset',
  'cut all silent': 'everybody cut off, silent',
} as const

export type FaultKind = keyof typeof faults
export type RoundKind = FaultKind | 'storm'

/** A fault that has begun. */
export interface Blow {
  readonly kind: FaultKind
  readonly text: string
  /** Resolves when nothing more is done to anybody. */
  readonly over: Promise<void>
}

export const membersMin = 3
export const membersMax = 5
const appendMsMax = 3_000
/** Rows of nodes stay for ever, so names come again. */
const ids = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7', 'n8']

export class Fate {
  private readonly cluster: Cluster
  private readonly random: Random
  /** Shuffled, so that each comes before any comes again. */
  private deck: RoundKind[] = []
  private brokerIsStruck = false
  private over = false
  private readonly waits = new Set<() => void>()

  constructor(cluster: Cluster, random: Random) {
    this.cluster = cluster
    this.random = random
  }

  /** Those that a cluster begins with. */
  get firstIds(): readonly string[] {
    return ids.slice(0, membersMin)
  }

  nextRound(): RoundKind {
    if (this.deck.length === 0) this.deck = this.shuffled()
    return this.deck.pop()!
  }

  /** Strikes once; nothing when there is nobody to strike. */
  strike(kind: FaultKind): Blow | undefined {
    switch (kind) {
      case 'kill':
        return this.kill()
      case 'freeze':
        return this.freeze()
      case 'drain':
        return this.drain()
      case 'join':
        return this.join()
      case 'broker term':
        return this.strikeBroker(kind, 'SIGTERM')
      case 'broker kill':
        return this.strikeBroker(kind, 'SIGKILL')
      case 'cut reset':
      case 'cut silent': {
        const victim = this.pick(this.cluster.living.filter(({ id }) => !this.cluster.isCut(id)))
        return victim && this.cut(kind, [victim.id])
      }
      case 'cut append':
        return this.cutAppend()
      case 'cut callers':
        return this.cut(kind, [callers])
      case 'cut all reset':
      case 'cut all silent':
        return this.cut(kind, [...this.cluster.living.map(({ id }) => id), callers])
    }
  }

  /** Strikes several times within a few seconds; calls `struck` for each. Resolves when all is over. */
  async storm(struck: (blow: Blow) => void): Promise<void> {
    const overs: Promise<void>[] = []
    for (let left = Math.floor(between(this.random, 3, 7)); left > 0 && !this.over; left--) {
      const blow = this.strike(this.pick(Object.keys(faults) as FaultKind[])!)
      if (blow === undefined) continue
      struck(blow)
      overs.push(blow.over)
      await this.wait(between(this.random, 0, 3_000))
    }
    await Promise.all(overs)
  }

  /** No more blows; those that fell are over at once. */
  end(): void {
    this.over = true
    for (const cease of this.waits) cease()
  }

  private kill(): Blow | undefined {
    const { cluster } = this
    const victim = this.pick(cluster.living)
    if (victim === undefined) return undefined
    const awayMs = this.random.next() < 0.4 ? between(this.random, 0, 100) : between(this.random, 100, 6_000)
    const heir = this.random.next() < 0.7 && cluster.wanted.has(victim.id) ? victim.id : this.freeId()
    const wasWanted = cluster.wanted.has(victim.id)
    cluster.unwant(victim.id)
    cluster.kill(victim)
    if (!wasWanted || heir === undefined)
      return { kind: 'kill', text: `${victim.id} is killed for good`, over: Promise.resolve() }
    const text = `${victim.id} is killed; ${heir === victim.id ? 'it comes back' : `${heir} comes`} after ${seconds(awayMs)}`
    return { kind: 'kill', text, over: this.after(awayMs, () => cluster.want(heir)) }
  }

  private freeze(): Blow | undefined {
    const victim = this.pick(this.cluster.living.filter(({ isFrozen, hasServed }) => hasServed && !isFrozen))
    if (victim === undefined) return undefined
    const forMs = this.drawMs(1_000)
    this.cluster.freeze(victim)
    const over = this.after(forMs, () => {
      if (victim.state !== 'ended') this.cluster.resume(victim)
    })
    return { kind: 'freeze', text: `${victim.id} is stopped for ${seconds(forMs)}`, over }
  }

  /** Where there are too few, somebody else comes at the same time. */
  private drain(): Blow | undefined {
    const { cluster } = this
    const victim = this.pick(cluster.living.filter(({ state, isFrozen }) => state === 'serving' && !isFrozen))
    if (victim === undefined) return undefined
    const heir = cluster.wanted.size > membersMin && this.random.next() < 0.5 ? undefined : this.freeId()
    if (heir !== undefined) cluster.want(heir)
    cluster.unwant(victim.id)
    cluster.leave(victim)
    const text = heir === undefined ? `${victim.id} is drained` : `${victim.id} is drained while ${heir} joins`
    return { kind: 'drain', text, over: hasEnded(victim) }
  }

  private join(): Blow | undefined {
    const { cluster } = this
    const id = this.freeId()
    if (cluster.wanted.size >= membersMax || id === undefined) return undefined
    cluster.want(id)
    return { kind: 'join', text: `${id} joins`, over: Promise.resolve() }
  }

  private strikeBroker(kind: FaultKind, how: 'SIGTERM' | 'SIGKILL'): Blow | undefined {
    if (this.brokerIsStruck) return undefined
    this.brokerIsStruck = true
    const awayMs = this.random.next() < 0.4 ? 0 : this.drawMs(0)
    const over = this.cluster
      .brokerGoes(how)
      .then(() => this.after(awayMs, () => this.cluster.brokerComesBack()))
      .then(() => void (this.brokerIsStruck = false))
    return { kind, text: `nats-server goes by ${how} and comes back after ${seconds(awayMs)}`, over }
  }

  /** What the server got of the append, and whether it answered, is up to chance. */
  private cutAppend(): Blow | undefined {
    const victim = this.pick(this.cluster.living.filter(({ id, hasServed }) => hasServed && !this.cluster.isCut(id)))
    if (victim === undefined) return undefined
    const point = this.pick(['before', 'within', 'after'] as const)!
    // Whoever owns nothing appends nothing.
    const over = Promise.race([this.cluster.breakAppend(victim.id, point), this.wait(appendMsMax)])
    return { kind: 'cut append', text: `the connection of ${victim.id} breaks in an append, ${point}`, over }
  }

  private cut(kind: FaultKind, all: readonly string[]): Blow | undefined {
    const { cluster } = this
    const victims = all.filter((id) => !cluster.isCut(id))
    if (victims.length === 0) return undefined
    const how = kind.endsWith('silent') || (kind === 'cut callers' && this.random.next() < 0.5) ? 'silent' : 'reset'
    const forMs = this.drawMs(50)
    for (const id of victims) cluster.cut(id, how)
    const over = this.after(forMs, () => {
      for (const id of victims) cluster.restore(id)
    })
    const whom = all.length > 1 ? 'everybody' : all[0]!
    return { kind, text: `${whom} ${whom === callers ? 'are' : 'is'} cut off for ${seconds(forMs)}, ${how}`, over }
  }

  /** Half of them around the lengths of time that decide over a lease and a life. */
  private drawMs(leastMs: number): number {
    return between(this.random, leastMs, this.random.next() < 0.5 ? 4_000 : 10_000)
  }

  private shuffled(): RoundKind[] {
    const kinds: RoundKind[] = [...(Object.keys(faults) as FaultKind[]), 'storm', 'storm', 'storm', 'storm', 'storm']
    return kinds
      .map((kind) => ({ kind, at: this.random.next() }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ kind }) => kind)
  }

  private freeId(): string | undefined {
    const { wanted, living } = this.cluster
    return this.pick(ids.filter((id) => !wanted.has(id) && living.every((member) => member.id !== id)))
  }

  private pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.random.next() * from.length)]
  }

  private async after(ms: number, run: () => unknown): Promise<void> {
    await this.wait(ms)
    await run()
  }

  private wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cease = (): void => {
        clearTimeout(timer)
        this.waits.delete(cease)
        resolve()
      }
      const timer = setTimeout(cease, this.over ? 0 : ms)
      this.waits.add(cease)
    })
  }
}

async function hasEnded(member: Member): Promise<void> {
  while (member.state !== 'ended') await new Promise((resolve) => setTimeout(resolve, 50))
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
