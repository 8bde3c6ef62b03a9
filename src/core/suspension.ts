/** Suspension: what a node does when its lease ends, and when it comes back (rules N4, N5).
 *
 *  Without a lease nothing is started: that needs no act, since `isUp` is asked before every act. But what already runs outside
 *  must stop: at the end of the lease children are told to, and all are down by the end of it plus G. Machines without
 *  children stay as they are. When the lease is back and the logs were compared, children start again from what is stored.
 *  A definition may choose `hold`: its children stay, and exclusivity is given up for that time. */

import type { Refusal } from '../base/errors.ts'
import { addressOf, type ActorKey } from '../protocol/address.ts'
import type { Collected } from './effects.ts'
import { keepStored, takeBack } from './commit.ts'
import { holds } from './lease.ts'
import { isMember, isUp } from './membership.ts'
import { stoppingActors, wakeLive } from './shard.ts'
import type { Entry, NodeState, Shard } from './state.ts'
import { makeToken } from './tokens.ts'

/** Looks for the edges. Called at every step. */
export function watchLease(node: NodeState): void {
  const { self } = node
  const up = isUp(node)
  if (!holds(node.lease)) self.lapsed = true
  if (self.wasUp && !up) becomeSuspended(node)
  if (!self.wasUp && up) becomeUp(node)
  if (!node.asleep && isMember(node) && node.lease.nowMs >= node.lease.endMs) fallAsleep(node)
}

function becomeSuspended(node: NodeState): void {
  node.self.wasUp = false
  // D1: any lapse of one's own restarts all waits.
  node.self.upSinceMs = Infinity
  const reason = holds(node.lease) ? 'the connection to the broker was lost' : 'no beat was acknowledged in time'
  if (node.self.announced && node.self.life.kind !== 'left')
    node.out.push({ kind: 'notify', event: { kind: 'suspended', reason } })
}

function becomeUp(node: NodeState): void {
  node.self.wasUp = true
  node.self.upSinceMs = node.nowMs
  node.work.reconcile = true
  if (node.self.announced) node.out.push({ kind: 'notify', event: { kind: 'resumed' } })
  for (const shard of node.shards.values()) {
    node.work.ready.add(shard.name)
    if (node.asleep && shard.phase.kind === 'owned') wakeLive(node, shard)
  }
  node.asleep = false
}

/** N4: children are stopped, in whatever phase their shard is. What their machines have not committed yet is taken down first;
 *  of actors that are being stopped nothing is kept. */
function fallAsleep(node: NodeState): void {
  node.asleep = true
  for (const shard of node.shards.values()) putToSleep(node, shard)
}

export function putToSleep(node: NodeState, shard: Shard): void {
  const sleepers = [...shard.actors].filter(([actor, entry]) => hasChildren(entry) && !isHeld(node, actor))
  const actors = sleepers.map(([actor]) => actor)
  const stopping = stoppingActors(shard).filter((actor) => !isHeld(node, actor))
  if (actors.length + stopping.length === 0) return
  node.out.push({ kind: 'collect', shard: shard.name, purpose: 'sleep', atMs: node.nowMs, actors, seeds: [] })
  // From here on the host has none of them: a commit that begins in this very step takes what is collected here.
  for (const [, entry] of sleepers) {
    entry.awake = false
    entry.dozing = true
  }
  const graceMs = node.config.timing.stopMs
  node.out.push({
    kind: 'release',
    shard: shard.name,
    token: makeToken(node),
    actors: [...actors, ...stopping],
    graceMs,
  })
}

/** Children run outside from the commit that starts them to the one that stops them. */
const hasChildren = ({ awake, live, committed }: Entry): boolean =>
  awake && committed !== undefined && (live || committed.live)

const isHeld = (node: NodeState, actor: ActorKey): boolean =>
  node.config.types.get(addressOf(actor).type)?.onLeaseLost === 'hold'

export function onSleepCollected(node: NodeState, shard: Shard, collected: readonly Collected[], atMs: number): void {
  for (const [actor, stored] of collected) {
    const dozing = shard.actors.get(actor)
    // In the step that put it to sleep its last turns may have been undone.
    if (dozing?.dozing !== true) continue
    dozing.dozing = false
    if (keepStored(shard, actor, stored, atMs) === 'refused')
      takeBack(node, shard, shard.batch, actor, stored as Refusal)
    const entry = shard.actors.get(actor)
    if (entry === undefined) continue
    // S3: its children must not begin again from what is not committed.
    if (entry.changedIn !== undefined) shard.waitsForCommit = true
  }
}
