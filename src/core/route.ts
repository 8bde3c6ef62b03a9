/** Route: which node a sender sends the frames of a shard to.
 *
 *      open --moved, unreachable--> open (the ring names another), or paused (it names the same), or lost (our view is older)
 *      paused --its time is over, or a new view--> open
 *      lost --a view that names an owner--> open
 *
 *  A route does not change because a new view names another owner: shards are handed over a few at a time, and until its turn
 *  comes the old owner goes on serving while the new one could only let frames wait. So a route stays with its node, as long
 *  as that node lives, until the node itself says `moved`. That is also what keeps the pause of a move to its own shard. */

import type { ShardName } from '../protocol/address.ts'
import type { View } from '../protocol/records.ts'
import type { Alarmed } from './alarms.ts'
import type { Lane } from './pending.ts'
import { ringOf } from './ring.ts'

/** Its alarm is the end of a pause. */
export interface Route extends Alarmed {
  readonly kind: 'route'
  readonly shard: ShardName
  /** The lanes that have unsettled calls. */
  readonly lanes: Set<Lane>
  way: Way
  /** Pauses since the last answer that settled anything; each is longer than the one before. */
  pauses: number
}

export type Way =
  | { readonly kind: 'open'; readonly node: NodeLife }
  /** It did not take the frames, and the ring still names it: it claims, or it is gone and nobody knows yet. */
  | { readonly kind: 'paused'; readonly node: NodeLife }
  /** Nobody to send to before there is another view. `left`: whom we came from. */
  | { readonly kind: 'lost'; readonly left: NodeLife | undefined }

/** A node in one of its lives. */
export interface NodeLife {
  readonly id: string
  readonly inc: number
}

/** Where the view sends those who know nothing else, or who were just turned away by `left`. */
export function wayByRing(view: View, shard: ShardName, left?: NodeLife): Way {
  const owner = ringOf(view).ownerOf(shard)
  const member = view.members.find(({ id }) => id === owner)
  if (member === undefined) return { kind: 'lost', left }
  const node = { id: member.id, inc: member.inc }
  return { kind: isSame(node, left) ? 'paused' : 'open', node }
}

/** The way under the view that has just been seen; the same object where nothing changes. */
export function wayUnder(view: View, { shard, way }: Route): Way {
  if (way.kind === 'open') return lives(view, way.node) ? way : wayByRing(view, shard)
  const next = wayByRing(view, shard, way.kind === 'paused' ? way.node : way.left)
  return next.kind === way.kind ? way : next
}

/** Shards that another node owns in `next` than in `view`, though the old owner still lives: it serves them until it says `moved`. */
export function stillServed(view: View, next: View): ReadonlyMap<ShardName, NodeLife> {
  const served = new Map<ShardName, NodeLife>()
  for (const { id, inc } of view.members) {
    if (!lives(next, { id, inc })) continue
    for (const shard of ringOf(view).shardsOf(id))
      if (ringOf(next).ownerOf(shard) !== id) served.set(shard, { id, inc })
  }
  return served
}

export const isSame = (a: NodeLife, b: NodeLife | undefined): boolean => a.id === b?.id && a.inc === b.inc

const lives = (view: View, node: NodeLife): boolean => view.members.some((member) => isSame(member, node))
