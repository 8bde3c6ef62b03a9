/** Reception: what a node does with the frames that reach it: into the mailbox of their shard where it is this node's or about to
 *  be, and `moved` for all others. Nothing is ever forwarded (handoff rule 6). */

import { type Refusal, refuse } from '../base/errors.ts'
import { keyOf } from '../protocol/address.ts'
import type { FrameBatch } from '../protocol/frames.ts'
import { refuseWaiter, sendOn } from './answers.ts'
import { isFresh } from './freshness.ts'
import { admit, refusalOf, sweep } from './lanes.ts'
import { type Delivery, put, takeExpired } from './mailbox.ts'
import { findRequest, joinRequest } from './requests.ts'
import { createShard, lookAt } from './shard.ts'
import type { NodeState, Shard } from './state.ts'
import { readView } from './view.ts'

export function receive(node: NodeState, { from, replyTo, frames }: FrameBatch): void {
  const { nowMs } = node.lease
  for (const frame of frames) {
    const delivery: Delivery = { ...frame, from, replyTo, deadlineMs: nowMs + frame.leftMs }
    const shard = isFresh(node) ? receivingShard(node, delivery) : undefined
    if (shard === undefined) sendOn(node, delivery)
    else for (const admitted of admit(shard.lanes, from, delivery, nowMs)) takeIn(node, shard, admitted)
  }
}

/** Frames whose time is over while they wait: for a shard that does not run, or for earlier ones of their lane. */
export function sweepWaiting(node: NodeState, shard: Shard): void {
  for (const delivery of takeExpired(shard.mailbox, node.lease.nowMs))
    refuseUnlessKnown(
      node,
      shard,
      delivery,
      refuse('UNAVAILABLE', `the shard of ${delivery.type}/${delivery.actor} could not take it in time`),
    )
  for (const delivery of sweep(shard.lanes, node.lease.nowMs))
    refuseWaiter(
      node,
      shard,
      delivery,
      refuse('DEADLINE', 'an earlier request of the same sender did not arrive in time'),
    )
}

function receivingShard(node: NodeState, delivery: Delivery): Shard | undefined {
  const { view, ring } = node.cluster
  if (view !== undefined && delivery.view > view.number) readView(node)
  const shard = node.shards.get(delivery.shard)
  if (shard !== undefined && shard.phase.kind !== 'releasing') return shard
  if (shard !== undefined || node.self.life.kind !== 'member') return undefined
  if (ring?.ownerOf(delivery.shard) !== node.config.profile.id) return undefined
  node.work.reconcile = true
  return createShard(node, delivery.shard, lookAt(node))
}

/** What is refused already is answered at once: in the mailbox it might outlive the memory of its refusal, and run. */
function takeIn(node: NodeState, shard: Shard, delivery: Delivery): void {
  const refused = refusalOf(shard.lanes, delivery)
  if (refused !== undefined) return refuseWaiter(node, shard, delivery, refused)
  if (put(shard.mailbox, delivery) === 'waits') node.work.ready.add(shard.name)
  else
    refuseUnlessKnown(
      node,
      shard,
      delivery,
      refuse('OVERLOADED', 'too many requests wait for this shard; try again later'),
    )
}

/** Who repeats a request whose turn was taken must not hear that it did not run: its answer comes when it is sent again. */
function refuseUnlessKnown(node: NodeState, shard: Shard, delivery: Delivery, why: Refusal): void {
  const { id, type, actor, request = id } = delivery
  const known = findRequest(shard.requests, keyOf({ type, id: actor }), request)
  if (known?.state.kind === 'answered') sendOn(node, delivery)
  else if (joinRequest(known, delivery) === 'does not wait') refuseWaiter(node, shard, delivery, why)
}
