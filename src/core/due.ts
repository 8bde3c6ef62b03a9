/** Due: the delayed transitions of a shard's actors, earliest first, as a binary heap. It holds one entry an actor, or few: a
 *  transition that moves later leaves its entry where it is, which then finds nothing due and is put back (rule T1: what fires is
 *  decided by the actor's own table, never by this heap). */

import type { ActorKey } from '../protocol/address.ts'
import type { StoredActor } from '../protocol/turn.ts'
import type { Due, Entry, NodeState, Shard } from './state.ts'

/** When the next delayed transition of an actor is due that was stored at `storedAtMs`. */
export const dueOf = (stored: StoredActor, storedAtMs: number): number => storedAtMs + (stored.dueInMs ?? Infinity)

/** The actor's next delayed transition is at `dueAtMs`; infinite when there is none. */
export function armDue(node: NodeState, shard: Shard, actor: ActorKey, entry: Entry, dueAtMs: number): void {
  entry.dueAtMs = dueAtMs
  if (entry.dueAtMs >= entry.queuedAtMs) return
  entry.queuedAtMs = entry.dueAtMs
  push(shard.due, { atMs: entry.dueAtMs, actor })
  node.work.soonestMs = Math.min(node.work.soonestMs, entry.dueAtMs)
}

/** The next actor whose delayed transition is due, taken from the heap. */
export function takeDue(node: NodeState, shard: Shard): ActorKey | undefined {
  for (;;) {
    const first = shard.due[0]
    if (first === undefined) return undefined
    if (first.atMs > node.nowMs) {
      node.work.soonestMs = Math.min(node.work.soonestMs, first.atMs)
      return undefined
    }
    pop(shard.due)
    const entry = shard.actors.get(first.actor)
    if (entry === undefined || entry.queuedAtMs !== first.atMs) continue
    entry.queuedAtMs = Infinity
    if (entry.dueAtMs <= node.nowMs) return first.actor
    armDue(node, shard, first.actor, entry, entry.dueAtMs)
  }
}

function push(heap: Due[], due: Due): void {
  let at = heap.push(due) - 1
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (heap[parent]!.atMs <= due.atMs) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = due
}

function pop(heap: Due[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1]!.atMs < heap[child]!.atMs) child++
    if (heap[child]!.atMs >= last.atMs) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = last
}
