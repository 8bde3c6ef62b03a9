/** Wholeness (I6): with faults over, the view names everybody who is there and nobody else, and each shard is owned by the node that
 *  the ring names: by the log, and by that node's own account. A view that the broker has forgotten is none: who comes next does not
 *  know it. */

import { shardName } from '../../../src/protocol/address.ts'
import { logNames, type View } from '../../../src/protocol/records.ts'
import { assignSlowly } from '../../core/support/slow-ring.ts'
import type { Process } from '../process.ts'
import type { Checker, Observation } from '../witness.ts'
import type { Owners } from './owners.ts'

export class Wholeness implements Checker {
  /** Those that the log has held; the last one counts. */
  private views: { readonly seq: number; readonly view: View }[] = []
  /** By shard: whom the ring of that view names. */
  private wanted: readonly string[] = []
  private readonly owners: Owners
  private readonly shards: number

  constructor(owners: Owners, shards: number) {
    this.owners = owners
    this.shards = shards
  }

  saw(seen: Observation): void {
    if (seen.kind === 'stored' && seen.record.kind === 'view') this.views.push({ seq: seen.seq, view: seen.record })
    else if (seen.kind === 'forgotten') this.views = this.views.filter(({ seq }) => seq <= seen.tailOf(logNames.view))
    else return
    const members = this.views.at(-1)?.view.members ?? []
    const able = members.filter(({ state }) => state === 'up').map(({ id }) => id)
    this.wanted = able.length === 0 ? [] : assignSlowly(able, 'main', this.shards)
  }

  /** What is missing, or nothing. */
  lack(living: readonly Process[]): string | undefined {
    const view = this.views.at(-1)?.view
    if (view === undefined) return 'there is no view'
    const there = living.map(({ life, node }) => `${life.node}.${node.self.inc}`).toSorted()
    const members = view.members.map(({ id, inc }) => `${id}.${inc}`).toSorted()
    if (there.join() !== members.join()) return `the view has ${members}, and there are ${there}`
    if (living.some(({ state }) => state === 'leaves')) return 'somebody is still leaving'
    const suspended = living.find(({ node }) => !node.self.wasUp)
    if (suspended !== undefined) return `${suspended.life.node} is suspended`
    for (let index = 0; index < this.shards; index++) {
      const shard = shardName('main', index)
      const lack = this.lackOf(shard, this.wanted[index], living)
      if (lack !== undefined) return `${shard}: ${lack}`
    }
    return undefined
  }

  private lackOf(shard: string, wanted: string | undefined, living: readonly Process[]): string | undefined {
    const standing = this.owners.standing.get(shard)
    if (standing === undefined || standing.released || standing.owner !== wanted)
      return `the ring names ${wanted}, and ${standing?.owner ?? 'nobody'} ${standing?.released ? 'released' : 'owns'} it`
    for (const { life, node } of living) {
      const kind = node.shards.get(shard)?.phase.kind
      if (life.node === wanted ? kind !== 'owned' : kind !== undefined)
        return `${life.node}, where the ring names ${wanted}, says ${kind}`
    }
    return undefined
  }
}
