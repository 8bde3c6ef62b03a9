/** Children (N5, S1): an actor that holds something outside holds it again wherever it lives, without being called first:
 *  with faults over, each one that its log has is held, once, by the owner of its shard. */

import { addressOf, shardOf } from '../../../src/protocol/address.ts'
import type { Checker, Observation } from '../witness.ts'
import type { Holds } from './holds.ts'
import type { Owners } from './owners.ts'

interface Change {
  readonly name: string
  readonly seq: number
  readonly actor: string
  readonly isThere: boolean
}

export class Children implements Checker {
  private changes: Change[] = []
  private readonly holders = new Set<string>()
  private readonly owners: Owners
  private readonly holds: Holds
  private readonly shards: number

  constructor(owners: Owners, holds: Holds, shards: number) {
    this.owners = owners
    this.holds = holds
    this.shards = shards
  }

  saw(seen: Observation): void {
    if (seen.kind === 'forgotten') this.forget(seen.tailOf)
    if (seen.kind !== 'stored' || seen.record.kind !== 'commit') return
    for (const [actor, stored] of seen.record.actors) {
      if (!actor.startsWith('holder/')) continue
      const change = { name: seen.name, seq: seen.seq, actor, isThere: stored !== null }
      this.changes.push(change)
      this.take(change)
    }
  }

  /** What is missing, or nothing. */
  lack(): string | undefined {
    for (const actor of this.holders) {
      const owner = this.owners.standing.get(shardOf(addressOf(actor), 'main', this.shards))?.owner
      const grips = this.holds.gripsOf(actor)
      if (grips.length !== 1 || grips[0] !== owner)
        return `${actor} lives at ${owner}, and is held by ${grips.length === 0 ? 'nobody' : grips.join(' and ')}`
    }
    return undefined
  }

  /** Whether what was lost is brought back shows with the next commit of the actor. */
  private forget(tailOf: (name: string) => number): void {
    const lost = this.changes.filter(({ name, seq }) => seq > tailOf(name))
    this.changes = this.changes.filter(({ name, seq }) => seq <= tailOf(name))
    for (const { actor } of lost) this.holders.delete(actor)
  }

  private take({ actor, isThere }: Change): void {
    if (isThere) this.holders.add(actor)
    else this.holders.delete(actor)
  }
}
