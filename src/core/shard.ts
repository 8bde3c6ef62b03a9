/** Shard: one slice of the id space at this node, from the moment it is wanted until it is let go. */

import type { ActorKey, ShardName } from '../protocol/address.ts'
import { sendOn } from './answers.ts'
import { createBatch } from './commit.ts'
import { tailIsChecked } from './history.ts'
import { clear, createLanes } from './lanes.ts'
import { createMailbox, type Delivery, takeAll } from './mailbox.ts'
import { createOutbox } from './outbox.ts'
import { createRequests } from './requests.ts'
import type { NodeState, Phase, Shard } from './state.ts'

export const createShard = (node: NodeState, name: ShardName, phase: Phase): Shard => {
  const shard: Shard = {
    name,
    phase,
    tailSeq: 0,
    epoch: 0,
    append: undefined,
    mailbox: createMailbox(),
    lanes: createLanes<Delivery>(),
    actors: new Map(),
    requests: createRequests(),
    outbox: createOutbox(),
    failures: [],
    hearing: undefined,
    turns: 0,
    batch: createBatch(),
    inFlight: undefined,
    opened: undefined,
    waitsForCommit: false,
    singlyUntilMs: -Infinity,
    restsUntilMs: -Infinity,
    performs: [],
    parting: new Map(),
    internals: [],
    wakes: new Set(),
    due: [],
    checkpoint: { logBytes: 0, stateBytes: 0, parts: [], state: { kind: 'idle' } },
    chain: [],
    auditMs: node.nowMs,
    noMoveBeforeMs: -Infinity,
    stuckInARow: 0,
  }
  node.shards.set(name, shard)
  return shard
}

export const lookAt = (node: NodeState, retryMs = node.nowMs): Extract<Phase, { kind: 'looking' }> => ({
  kind: 'looking',
  reading: false,
  sinceMs: node.nowMs,
  retryMs,
})

/** Steps down: children are stopped, everything is forgotten, and all that certainly did not run is sent on. What is in
 *  flight stays without an answer: it may have been stored, and its sender asks the next owner (rule N6). */
export function disown(node: NodeState, shard: Shard, reason: string): void {
  const awake = [...shard.actors].filter(([, entry]) => entry.awake).map(([actor]) => actor)
  const actors = new Set([...awake, ...stoppingActors(shard), ...shard.performs.map(({ actor }) => actor)])
  if (actors.size > 0) node.out.push({ kind: 'forget', actors: [...actors] })
  for (const after of shard.batch.after) {
    if (after.kind === 'answer') sendOn(node, after.waiter)
    else if ((after.kind === 'settle' || after.kind === 'keep open') && after.request.state.kind === 'pending')
      for (const waiter of after.request.state.waiters) sendOn(node, waiter)
  }
  for (const delivery of [...takeAll(shard.mailbox), ...clear(shard.lanes)]) sendOn(node, delivery)
  node.shards.delete(shard.name)
  node.work.ready.delete(shard.name)
  node.work.dirty.delete(shard.name)
  tailIsChecked(node, shard.name)
  if (shard.epoch > 0) node.out.push({ kind: 'notify', event: { kind: 'disowned', shard: shard.name, reason } })
}

/** Actors whose end is not committed, or not performed, yet: they are not among the shard's actors, and the host still has them. */
export const stoppingActors = ({ inFlight, batch, performs }: Shard): readonly ActorKey[] => [
  ...(inFlight?.stopped.keys() ?? []),
  ...batch.stopped.keys(),
  ...performs.filter(({ kind }) => kind === 'forget').map(({ actor }) => actor),
]

/** Actors that must be live and are not begin again, from what is stored. */
export function wakeLive(node: NodeState, shard: Shard): void {
  for (const [actor, entry] of shard.actors) if (entry.live && !entry.awake) shard.wakes.add(actor)
  node.work.ready.add(shard.name)
}

/** Its state is all here, and its log ends with this node's claim or what it wrote since. */
export function becomeOwned(node: NodeState, shard: Shard): void {
  shard.phase = { kind: 'owned' }
  node.work.ready.add(shard.name)
  node.work.reconcile = true
  node.out.push({
    kind: 'notify',
    event: { kind: 'owned', shard: shard.name, epoch: shard.epoch, actors: shard.actors.size },
  })
}
