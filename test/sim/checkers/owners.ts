/** Owners (I1): whoever acts for a shard is the owner that stands in its log at that very moment, and was not declared dead. So
 *  there is at most one, and nobody acts under an epoch that is over.
 *
 *  Where the broker forgets, who stood in a log before the loss may act on until somebody else is written there: it has its lease, and
 *  nobody claims before that is over (R2). */

import type { LogRecord, Row } from '../../../src/protocol/records.ts'
import { addressOf, shardOf } from '../../../src/protocol/address.ts'
import type { Checker, Life, Observation, Witness } from '../witness.ts'

interface Standing {
  readonly owner: string
  readonly inc: number
  readonly epoch: number
  released: boolean
  /** Its owner knows that it is. */
  given: boolean
}

type Stored = Extract<Observation, { kind: 'stored' }>

export class Owners implements Checker {
  /** By shard. */
  readonly standing = new Map<string, Standing>()
  private readonly rows = new Map<string, Row>()
  /** What stood there before a loss, for as long as nothing else was stored. */
  private lostStanding = new Map<string, Standing>()
  private lostRows = new Map<string, Row>()
  /** By node: the last incarnation that was ever seen to be gone (D3), whatever a broker has forgotten since. */
  private readonly gone = new Map<string, number>()
  private stored: Stored[] = []
  private readonly witness: Witness
  /** Clocks are wild: who was taken for dead may still act, as the protocol says. */
  private readonly mayOverlap: boolean

  private readonly shards: number
  private readonly mayForget: boolean

  /** `mayForget`: the broker, so that what it stored is kept here for comparison. */
  constructor(witness: Witness, shards: number, mayOverlap: boolean, mayForget = true) {
    this.witness = witness
    this.shards = shards
    this.mayOverlap = mayOverlap
    this.mayForget = mayForget
  }

  /** Records of this log were removed before anybody saw them: who stands in it is what the next one says. */
  skip(name: string, { owner, inc, epoch }: LogRecord): void {
    this.standing.set(name.slice('shard.'.length), { owner, inc, epoch, released: false, given: false })
  }

  saw(seen: Observation): void {
    if (seen.kind === 'act' && !this.mayOverlap) return this.judge(seen)
    if (seen.kind === 'acted' && !this.mayOverlap) return this.judgeEffect(seen)
    if (seen.kind === 'stored') this.take(seen)
    if (seen.kind === 'heard' && seen.event.kind === 'disowned') this.give(seen.event.shard, seen.life)
    if (seen.kind === 'forgotten') {
      const left = this.stored.filter(({ name, seq }) => seq <= seen.tailOf(name))
      this.stored = []
      this.lostStanding = new Map([...this.standing, ...this.lostStanding])
      this.lostRows = new Map([...this.rows, ...this.lostRows])
      this.standing.clear()
      this.rows.clear()
      for (const record of left) this.take(record, 'left')
    }
  }

  /** From now on it is not the owner's to bring back. */
  private give(shard: string, { node }: Life): void {
    for (const standing of [this.standing.get(shard), this.lostStanding.get(shard)])
      if (standing?.owner === node) standing.given = true
  }

  /** 'left': by a loss. */
  private take(stored: Stored, how: 'new' | 'left' = 'new'): void {
    if (this.mayForget) this.stored.push(stored)
    const { record, seq, name } = stored
    if (record.kind === 'view' || record.kind === 'charter') return
    if (record.kind === 'row') {
      this.noteRow(record)
      if (how === 'new') this.lostRows.delete(record.profile.id)
      return
    }
    const shard = name.slice('shard.'.length)
    this.note(shard, seq, record, how)
    if (how === 'new' && record.kind === 'claim') this.lostStanding.delete(shard)
  }

  private noteRow(row: Row): void {
    const { id } = row.profile
    this.rows.set(id, row)
    const gone = row.state === 'dead' || row.state === 'left' ? row.inc : row.inc - 1
    this.gone.set(id, Math.max(gone, this.gone.get(id) ?? 0))
  }

  private note(shard: string, seq: number, record: LogRecord, how: 'new' | 'left'): void {
    const { owner, inc } = record
    if (record.kind === 'claim') {
      const before = this.standing.get(shard)
      const lost = this.lostStanding.get(shard)
      const heals = lost?.owner === owner && lost.inc === inc && !lost.given
      if (how === 'new' && before !== undefined && !before.released && !heals) this.judgeClaim(shard, record, before)
      this.standing.set(shard, { owner, inc, epoch: seq, released: false, given: false })
      return
    }
    const now = this.standing.get(shard)
    const fits = now?.released === false && now.epoch === record.epoch && now.owner === owner && now.inc === inc
    if (how === 'new' && !fits)
      this.witness.violation(
        `I5: ${record.kind} by ${owner}.${inc} under epoch ${record.epoch} in ${shard}, where stands ${shown(now)}`,
      )
    if (record.kind === 'release' && now !== undefined) now.released = true
  }

  /** S1: only over one that is gone, or one's own; or over what the broker forgot that it was one's own (R3). */
  private judgeClaim(shard: string, { owner, inc }: LogRecord, before: Standing): void {
    if (before.owner === owner && before.inc === inc) return
    if (before.inc > (this.gone.get(before.owner) ?? 0))
      this.witness.violation(`S1: ${owner}.${inc} claims ${shard} over ${shown(before)}, who is not gone`)
  }

  private judge({ what, life, shard, actor, epoch, cause }: Extract<Observation, { kind: 'act' }>): void {
    const [now, before] = [this.standing.get(shard), this.lostStanding.get(shard)]
    const standing = isOf(before, life, epoch) ? before : now
    const act = `${life.node}/${life.boot.slice(0, 4)} begins a ${what} (${cause}) of ${actor} in ${shard} under epoch ${epoch}`
    if (!isOf(standing, life, epoch)) return this.witness.violation(`I1: ${act}, where stands ${shown(now)}`)
    const row = this.rows.get(life.node)
    if (!isAlive(row, life, standing.inc) && !isAlive(this.lostRows.get(life.node), life, standing.inc))
      this.witness.violation(`I1: ${act}, and its row shows incarnation ${row?.inc} as ${row?.state}`)
  }

  /** E1: what a plain action shows to the outside is the epoch that stands. */
  private judgeEffect({ life, actor, mark, epoch }: Extract<Observation, { kind: 'acted' }>): void {
    const shard = shardOf(addressOf(actor), 'main', this.shards)
    const now = this.standing.get(shard)
    if (!isOf(now, life, epoch) && !isOf(this.lostStanding.get(shard), life, epoch))
      this.witness.violation(
        `E1: the action of ${mark} of ${actor} shows epoch ${epoch} in ${shard}, where stands ${shown(now)}`,
      )
  }
}

const isOf = (standing: Standing | undefined, life: Life, epoch: number): standing is Standing =>
  standing !== undefined && !standing.released && standing.epoch === epoch && standing.owner === life.node

const isAlive = (row: Row | undefined, life: Life, inc: number): boolean =>
  row?.inc === inc && row.boot === life.boot && (row.state === 'up' || row.state === 'leaving')

const shown = (standing: Standing | undefined): string =>
  standing === undefined
    ? 'nobody'
    : `${standing.owner}.${standing.inc} with epoch ${standing.epoch}${standing.released ? ', released' : ''}`
