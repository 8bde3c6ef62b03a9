/** Freshness (rule M1): how long a frame may have been under way. A frame says how much time its caller has left, and says it when it is
 *  sent. What waits in a socket while this node stands still, or behind a stalled connection, would count that time anew, and might run
 *  long after its caller has given up and the shard has forgotten that it ran.
 *
 *  So a node now and then sends a mark to itself, through the broker and by the way that frames come. Who hears a mark again knows
 *  that whatever comes after it was under way for no longer than the mark is old. Frames that come when the last mark is too old are
 *  sent back (`moved`): their senders know best how much time is left. */

import { limits } from '../base/limits.ts'
import type { Freshness, NodeState } from './state.ts'

export const createFreshness = (): Freshness => ({ sentMs: -Infinity, heardMs: -Infinity })

/** Sends a mark when it is time for one. Called at every tick, and when the connection comes back. */
export function tickFreshness(node: NodeState): void {
  const { freshness, lease, history, config } = node
  if (!history.connected || lease.nowMs - freshness.sentMs < limits.handoffStepMs / 4) return
  freshness.sentMs = lease.nowMs
  node.out.push({ kind: 'mark', mark: { boot: config.boot, atMs: lease.nowMs } })
}

/** A mark is back; of another life of this node it says nothing. */
export function onMark(node: NodeState, { boot, atMs }: { readonly boot: string; readonly atMs: number }): void {
  if (boot === node.config.boot) node.freshness.heardMs = Math.max(node.freshness.heardMs, atMs)
}

/** What comes now was sent less than T ago, with what it may have been overtaken by: for so long after its deadline a request is
 *  remembered of which nobody but its sender knows (rule M2). */
export const isFresh = ({ freshness, lease }: NodeState): boolean =>
  lease.nowMs - freshness.heardMs <= 0.75 * limits.handoffStepMs
