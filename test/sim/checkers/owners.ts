/** Owners (I1): whoever acts for a shard is the owner that stands in its log at that very moment, and was not declared dead. So
 *  there is at most one, and nobody acts under an epoch that is over. */

import type { LogRecord, Row } from '../../../src/protocol/records.ts'
import type { Checker, Observation, Witness } from '../witness.ts'

interface Standing {
  readonly owner: string
  readonly inc: number
  readonly epoch: number
  released: boolean
}

type Stored = Extract<Observation, { kind: 'stored' }>

export class Owners implements Checker {
  /** By shard. */
  readonly standing = new Map<string, Standing>()
  private readonly rows = new Map<string, Row>()
  /** By node: the last incarnation that was ever seen to be gone (D3), whatever a broker has forgotten since. */
  private readonly gone = new Map<string, number>()
  private stored: Stored[] = []
  private readonly witness: Witness
  /** Clocks are wild: who was taken for dead may still act, as the protocol says. */
  private readonly mayOverlap: boolean

  constructor(witness: Witness, mayOverlap: boolean) {
    this.witness = witness
    this.mayOverlap = mayOverlap
  }

  saw(seen: Observation): void {
    if (seen.kind === 'act' && !this.mayOverlap) return this.judge(seen)
    if (seen.kind === 'stored') this.take(seen)
    if (seen.kind === 'forgotten') {
      const left = this.stored.filter(({ name, seq }) => seq <= seen.tailOf(name))
      this.stored = []
      this.standing.clear()
      this.rows.clear()
      for (const record of left) this.take(record)
    }
  }

  private take(stored: Stored): void {
    this.stored.push(stored)
    const { record, seq, name } = stored
    if (record.kind === 'row') this.noteRow(record)
    else if (record.kind !== 'view' && record.kind !== 'charter') this.note(name.slice('shard.'.length), seq, record)
  }

  private noteRow(row: Row): void {
    const { id } = row.profile
    this.rows.set(id, row)
    const gone = row.state === 'dead' || row.state === 'left' ? row.inc : row.inc - 1
    this.gone.set(id, Math.max(gone, this.gone.get(id) ?? 0))
  }

  private note(shard: string, seq: number, record: LogRecord): void {
    const { owner, inc } = record
    if (record.kind === 'claim') {
      const before = this.standing.get(shard)
      if (before !== undefined && !before.released) this.judgeClaim(shard, record, before)
      this.standing.set(shard, { owner, inc, epoch: seq, released: false })
      return
    }
    const now = this.standing.get(shard)
    if (now === undefined || now.released || now.epoch !== record.epoch || now.owner !== owner || now.inc !== inc)
      this.witness.violation(
        `I5: ${record.kind} by ${owner}.${inc} under epoch ${record.epoch} in ${shard}, where stands ${shown(now)}`,
      )
    if (record.kind === 'release' && now !== undefined) now.released = true
  }

  /** S1: only over one that is gone, or one's own. */
  private judgeClaim(shard: string, { owner, inc }: LogRecord, before: Standing): void {
    if (before.owner === owner && before.inc === inc) return
    if (before.inc > (this.gone.get(before.owner) ?? 0))
      this.witness.violation(`S1: ${owner}.${inc} claims ${shard} over ${shown(before)}, who is not gone`)
  }

  private judge({ what, life, shard, actor, epoch, cause }: Extract<Observation, { kind: 'act' }>): void {
    const now = this.standing.get(shard)
    const act = `${life.node}/${life.boot.slice(0, 4)} begins a ${what} (${cause}) of ${actor} in ${shard} under epoch ${epoch}`
    if (now === undefined || now.released || now.epoch !== epoch || now.owner !== life.node)
      return this.witness.violation(`I1: ${act}, where stands ${shown(now)}`)
    const row = this.rows.get(life.node)
    if (
      row === undefined ||
      row.inc !== now.inc ||
      row.boot !== life.boot ||
      (row.state !== 'up' && row.state !== 'leaving')
    )
      this.witness.violation(`I1: ${act}, and its row shows incarnation ${row?.inc} as ${row?.state}`)
  }
}

const shown = (standing: Standing | undefined): string =>
  standing === undefined
    ? 'nobody'
    : `${standing.owner}.${standing.inc} with epoch ${standing.epoch}${standing.released ? ', released' : ''}`
