/** Memory: which shards may have lost what the log does not hold: the states of volatile actors. They go with a crash, with a
 *  node that was taken for dead, and where a planned move ends at another node, or in another life of it, than the package was
 *  sent to, or the view changes in the middle of it. */

import type { Checker, Observation } from '../witness.ts'

export class Memory implements Checker {
  readonly forgetful = new Set<string>()
  /** By node: its life, and when that was first seen. */
  private readonly lives = new Map<string, { readonly inc: number; readonly sinceMs: number }>()
  /** By log: when its newest record was stored. Packages are sent after the last record before a release. */
  private readonly storedMs = new Map<string, number>()
  private viewMs = 0
  /** By log: the life that the package was certainly sent to. */
  private readonly heirs = new Map<string, string>()

  saw(seen: Observation, atMs: number): void {
    if (seen.kind !== 'stored') return
    const { record, name } = seen
    if (record.kind === 'row') {
      const { id } = record.profile
      if (this.lives.get(id)?.inc !== record.inc) this.lives.set(id, { inc: record.inc, sinceMs: atMs })
      return
    }
    if (record.kind === 'view') this.heirs.clear()
    if (record.kind === 'view') this.viewMs = atMs
    if (record.kind === 'view' || record.kind === 'charter') return
    if (record.kind === 'release') this.heirs.set(name, this.heirOf(name, record))
    if (record.kind === 'claim' && record.over !== 'empty' && this.heirs.get(name) !== `${record.owner}.${record.inc}`)
      this.forgetful.add(name.slice('shard.'.length))
    if (record.kind !== 'release') this.heirs.delete(name)
    this.storedMs.set(name, atMs)
  }

  private heirOf(
    name: string,
    { to, handoff }: { readonly to: string | null; readonly handoff: string | null },
  ): string {
    const life = to === null || handoff === null ? undefined : this.lives.get(to)
    if (life === undefined || Math.max(life.sinceMs, this.viewMs) > (this.storedMs.get(name) ?? 0)) return 'nobody'
    return `${to}.${life.inc}`
  }
}
