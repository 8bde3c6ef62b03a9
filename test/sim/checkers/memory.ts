/** Memory: which shards may have lost what the log does not hold. The states of volatile actors go with a crash, with a node that was
 *  taken for dead, and where a planned move ends at another node, or in another life of it, than the package was sent to, or the
 *  view changes in the middle of it. What a broker forgot is gone if its holder does not bring it back (R3): with a holder that moved,
 *  or that stays away until it is taken for dead. */

import type { LogRecord } from '../../../src/protocol/records.ts'
import type { Checker, Life, Observation, Witness } from '../witness.ts'

export class Memory implements Checker {
  /** Shards whose volatile actors may have forgotten. */
  readonly forgetful = new Set<string>()
  /** Shards whose durable actors may have. */
  readonly lost = new Set<string>()
  /** By node: its life, and when that was first seen. */
  private readonly lives = new Map<string, { readonly inc: number; readonly sinceMs: number }>()
  /** By log: its newest record, and when it was stored. Packages are sent after the last record before a release. */
  private readonly newest = new Map<string, { readonly seq: number; readonly atMs: number; readonly holder: string }>()
  private viewMs = 0
  /** By log: the life that the package was certainly sent to. */
  private readonly heirs = new Map<string, string>()
  /** Logs that a broker forgot the newest records of, with the process that knows them: incarnations are forgotten too. */
  private readonly unhealed = new Map<string, string>()
  /** By log: its newest release. Who let go has forgotten what it held. */
  private readonly releases = new Map<string, number>()
  /** Logs whose newest record is the claim of whom the package was certainly sent to: its boot. */
  private readonly unpacked = new Map<string, string>()
  private readonly witness: Witness

  constructor(witness: Witness) {
    this.witness = witness
  }

  saw(seen: Observation, atMs: number): void {
    if (seen.kind === 'forgotten') return this.forget(seen.tailOf)
    if (seen.kind === 'reads' && this.unpacked.get(seen.name) === seen.life.boot)
      this.witness.violation(
        `handoff 5: ${seen.life.node} reads ${seen.name} although it was sent the package that the release names`,
      )
    if (seen.kind === 'heard' && seen.event.kind === 'healed') this.unhealed.delete(`shard.${seen.event.shard}`)
    // Who gave it up, as rule R3 tells, has forgotten it.
    if (seen.kind === 'heard' && seen.event.kind === 'disowned') this.giveUp(`shard.${seen.event.shard}`, seen.life)
    // A view that comes late may say for a moment that it is not to have the shard.
    if (seen.kind === 'heard' && seen.event.kind === 'view')
      for (const [name, heir] of this.heirs) if (heir.startsWith(`${seen.life.node}.`)) this.heirs.set(name, 'nobody')
    if (seen.kind !== 'stored') return
    const { record, name } = seen
    if (record.kind === 'charter') return
    if (record.kind === 'row') {
      const { id } = record.profile
      if (this.lives.get(id)?.inc !== record.inc) this.lives.set(id, { inc: record.inc, sinceMs: atMs })
    } else if (record.kind === 'view') {
      this.heirs.clear()
      this.viewMs = atMs
    } else this.note(name, seen.seq, record, atMs)
  }

  private giveUp(name: string, { boot }: Life): void {
    if (this.unhealed.get(name) === boot) this.unhealed.set(name, 'nobody')
    const newest = this.newest.get(name)
    if (newest?.holder === boot) this.newest.set(name, { ...newest, holder: 'nobody' })
  }

  private note(name: string, seq: number, record: LogRecord, atMs: number): void {
    const life = `${record.owner}.${record.inc}`
    const holder = record.token.split('-')[0]!
    if (record.kind === 'claim' && this.heirs.get(name) === life) this.unpacked.set(name, holder)
    else this.unpacked.delete(name)
    if (record.kind === 'claim') {
      if (record.over !== 'empty' && this.heirs.get(name) !== life) this.forgetful.add(shardOf(name))
      if ((this.unhealed.get(name) ?? holder) !== holder) {
        this.lost.add(shardOf(name))
        this.unhealed.delete(name)
      }
    }
    // Nobody lets go of what it has not healed.
    if (record.kind === 'release') this.unhealed.delete(name)
    if (record.kind === 'release') this.releases.set(name, seq)
    if (record.kind === 'release') this.heirs.set(name, this.heirOf(name, record))
    else this.heirs.delete(name)
    this.newest.set(name, { seq, atMs, holder })
  }

  private forget(tailOf: (name: string) => number): void {
    this.unpacked.clear()
    for (const [name, { seq, holder }] of this.newest) {
      if (seq <= tailOf(name)) continue
      this.unhealed.set(name, holder)
      this.forgetful.add(shardOf(name))
      if ((this.releases.get(name) ?? 0) > tailOf(name)) this.lost.add(shardOf(name))
    }
  }

  private heirOf(
    name: string,
    { to, handoff }: { readonly to: string | null; readonly handoff: string | null },
  ): string {
    const life = to === null || handoff === null ? undefined : this.lives.get(to)
    if (life === undefined || Math.max(life.sinceMs, this.viewMs) > (this.newest.get(name)?.atMs ?? 0)) return 'nobody'
    return `${to}.${life.inc}`
  }
}

const shardOf = (name: string): string => name.slice('shard.'.length)
