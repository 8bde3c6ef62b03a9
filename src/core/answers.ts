/** Answers: what a sender is told of one of its frames. */

import type { Refusal } from '../base/errors.ts'
import { noteRefusal } from './lanes.ts'
import type { NodeState, Shard, Waiter } from './state.ts'

export function answer(node: NodeState, waiter: Waiter, body: Uint8Array): void {
  node.out.push({ kind: 'answer', replyTo: waiter.replyTo, answer: { id: waiter.id, kind: 'done', body } })
}

/** A refusal is final: the same frame may be on its way once more (rule O1). */
export function refuseWaiter(node: NodeState, shard: Shard, waiter: Waiter, why: Refusal): void {
  noteRefusal(shard.lanes, waiter, why)
  const { id, replyTo, lane } = waiter
  node.out.push({ kind: 'answer', replyTo, answer: { id, kind: 'refused', why, lane } })
}

/** The sender draws its view anew and sends the frame where the shard is (handoff rule 6). */
export function sendOn(node: NodeState, { id, replyTo }: Waiter): void {
  node.out.push({ kind: 'answer', replyTo, answer: { id, kind: 'moved', view: node.cluster.view?.number ?? 0 } })
}
