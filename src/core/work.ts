/** Work: what the node acts on next. An act is a turn of an actor, an effect of a committed turn, or the waking of an actor
 *  that must be live. Each step of the core starts at most one, so that the clocks are read directly before each (rule N3), and
 *  after a slice of time the event loop is given back. Shards take turns, act by act. */

import { limits } from '../base/limits.ts'
import { nextAct } from './activation.ts'
import { progressDraining } from './handoff.ts'
import { isUp } from './membership.ts'
import type { NodeState, Work } from './state.ts'

export const createWork = (): Work => ({
  ready: new Set(),
  acting: false,
  sliceSinceMs: -Infinity,
  continuing: false,
  dirty: new Set(),
  flushing: false,
  reconcile: false,
  alarmMs: Infinity,
  soonestMs: Infinity,
})

/** Starts the next act, if the node may act and there is one. Called at the end of every step. */
export function startAct(node: NodeState): void {
  const { work } = node
  if (work.acting || work.continuing || work.ready.size === 0 || !isUp(node)) return
  if (node.nowMs - work.sliceSinceMs > limits.sliceMs) {
    work.continuing = true
    node.out.push({ kind: 'continue later' })
    return
  }
  for (const name of work.ready) {
    const shard = node.shards.get(name)
    work.ready.delete(name)
    if (shard === undefined) continue
    const act = nextAct(node, shard)
    if (act === undefined) {
      progressDraining(node, shard)
      continue
    }
    work.ready.add(name)
    work.acting = true
    node.out.push(act)
    return
  }
}

/** Something from outside begins a new slice. */
export const beginSlice = (node: NodeState): void => {
  node.work.sliceSinceMs = node.nowMs
}
