/** Node: the core of a Godwit process. `step` is the only way in: it is told what happened and what the clocks show, changes the
 *  state, and returns what is to be done. It waits for nothing, draws nothing and knows no library, so a whole cluster of it
 *  can be run from one seed.
 *
 *  The order within a step: the clocks first (C1, C4), then the input, then the edges of the lease, then what the changes ask
 *  for, and at most one act at the end (N3). */

import type { Now } from '../base/clock.ts'
import { unreachable } from '../base/assert.ts'
import { onInternal } from './activation.ts'
import { onPartsWritten } from './checkpoint.ts'
import { appendCommit } from './commit.ts'
import type { Effect, Input } from './effects.ts'
import {
  dropStalePackages,
  onAskAnswered,
  onHandoffAsked,
  onPackageCollected,
  onPackagePiece,
  onPackageSent,
  onReleased,
  onReleasedTold,
} from './handoff.ts'
import { createFreshness, onMark, tickFreshness } from './freshness.ts'
import { createHistory, mayBeat, noteHistory, onConnection, onIdentity, tickHistory } from './history.ts'
import { createLease, observe } from './lease.ts'
import {
  beatFarewell,
  beatSoon,
  becomeLeft,
  createMembership,
  onOwnRowRead,
  onOwnRowWritten,
  restartWait,
  tickMembership,
} from './membership.ts'
import { flush, onLogRead, onPartsRead, onShardAppended, onTailRead, reconcile } from './ownership.ts'
import { listActors } from './listing.ts'
import { onTurned } from './outcome.ts'
import { receive, sweepWaiting } from './reception.ts'
import { sweepRequests } from './requests.ts'
import { onMessageAnswered, tickSending } from './sending.ts'
import { disown } from './shard.ts'
import type { NodeConfig, NodeState } from './state.ts'
import { onSleepCollected, watchLease } from './suspension.ts'
import {
  createCluster,
  onRowMissing,
  onRowSeen,
  onRowWritten,
  onViewRead,
  onViewSeen,
  onViewWritten,
  tickView,
} from './view.ts'
import { beginSlice, createWork, startAct } from './work.ts'
import { shardOfActor } from './placement.ts'

export const createNode = (config: NodeConfig, now: Now): NodeState => ({
  config,
  nowMs: now.monoMs,
  out: [],
  tokens: 0,
  lease: createLease(now),
  self: createMembership(),
  cluster: createCluster(),
  history: createHistory(),
  freshness: createFreshness(),
  fencedBecause: undefined,
  asleep: true,
  shards: new Map(),
  work: createWork(),
  packages: new Map(),
})

/** What is to be done about `input`. The effects are performed in order, before the next input is told. */
export function step(node: NodeState, input: Input, now: Now): readonly Effect[] {
  node.out = []
  node.nowMs = now.monoMs
  observe(node.lease, now, node.config.timing)
  if (!isOutcome(input)) watchLease(node)
  noteHistory(node.history, input)
  take(node, input)
  if (node.fencedBecause !== undefined) becomeFenced(node, node.fencedBecause)
  watchLease(node)
  if (node.work.reconcile) {
    node.work.reconcile = false
    reconcile(node)
  }
  startAct(node)
  setAlarm(node)
  return node.out
}

/** What the host did in the very call of the step before. It is noted first: a turn that held the event loop for longer than the lease
 *  changed its actor before the lease was over, and what must stop then is known by what it changed. */
const isOutcome = ({ kind }: Input): boolean => kind === 'turned' || kind === 'collected' || kind === 'acted'

function take(node: NodeState, input: Input): void {
  switch (input.kind) {
    case 'tick':
      return tick(node)
    case 'connection':
      restartWait(node)
      onConnection(node, input.connected)
      return tickFreshness(node)
    case 'identity read':
      onIdentity(node, input.reading, input.identities)
      // A history that is another one altogether ends this life: its children must not run on.
      if (node.self.life.kind === 'left') disownAll(node, 'the history of the broker broke')
      return tickMembership(node)
    case 'row seen':
      onRowSeen(node, input.nodeId, input.seq, input.row)
      node.work.reconcile = true
      return
    case 'row written':
      return input.nodeId === node.config.profile.id
        ? ownRowWritten(node, input)
        : onRowWritten(node, input.nodeId, input.row, input.result)
    case 'row read':
      if (input.result === 'empty') onRowMissing(node, input.nodeId)
      else if (input.result !== 'unknown') onRowSeen(node, input.nodeId, input.result.seq, input.result.record)
      if (input.nodeId === node.config.profile.id) onOwnRowRead(node, input.result)
      node.work.reconcile = true
      return
    case 'view seen':
      if (onViewSeen(node, input.seq, input.view) === 'newer') node.work.reconcile = true
      return announce(node)
    case 'view read':
      onViewRead(node, input.result)
      tickView(node)
      node.work.reconcile = true
      return announce(node)
    case 'view written':
      onViewWritten(node, input.view, input.result)
      node.work.reconcile = true
      return announce(node)
    case 'frames':
      beginSlice(node)
      return receive(node, input.batch)
    case 'flush':
      return flush(node)
    case 'continue':
      node.work.continuing = false
      return beginSlice(node)
    case 'acted':
      node.work.acting = false
      return
    case 'internal': {
      const shard = node.shards.get(shardOfActor(node, input.actor))
      if (shard !== undefined) onInternal(node, shard, input.actor)
      return
    }
    case 'asked':
      return onAsked(node, input)
    case 'told':
      if (input.request.kind === 'handoff') onAskAnswered(node, input.request.shard, input.reply)
      return
    case 'leave':
      return becomeLeaving(node, input.timeoutMs)
    default:
      return takeForShard(node, input)
  }
}

type ShardInput = Extract<Input, { readonly shard: string }>

function takeForShard(node: NodeState, input: ShardInput): void {
  if (input.kind === 'turned') node.work.acting = false
  const shard = node.shards.get(input.shard)
  if (shard === undefined) return
  switch (input.kind) {
    case 'tail read':
      return onTailRead(node, shard, input.known, input.result)
    case 'log read':
      return onLogRead(node, shard, input.entries)
    case 'parts read':
      return onPartsRead(node, shard, input.token, input.pieces)
    case 'parts written':
      return onPartsWritten(shard, input.token, input.parts)
    case 'appended':
      return onShardAppended(node, shard, input.token, input.result)
    case 'turned':
      return onTurned(node, shard, input.turn, input.result)
    case 'collected':
      if (input.purpose === 'commit') return appendCommit(node, shard, input.actors, input.atMs)
      return input.purpose === 'sleep'
        ? onSleepCollected(node, shard, input.actors, input.atMs)
        : onPackageCollected(shard, input.actors, input.atMs)
    case 'released':
      return onReleased(node, shard, input.token, input.stuck)
    case 'message answered':
      return onMessageAnswered(node, shard, input)
    case 'package sent':
      return onPackageSent(node, shard, input.token, input.ok)
    default:
      return unreachable(input)
  }
}

/** Time passed: everything that waits is looked at (rule S6). */
function tick(node: NodeState): void {
  beginSlice(node)
  node.work.alarmMs = Infinity
  node.work.soonestMs = Infinity
  tickFreshness(node)
  tickHistory(node)
  tickMembership(node)
  tickView(node)
  for (const shard of node.shards.values()) {
    sweepWaiting(node, shard)
    sweepRequests(shard.requests, node.nowMs)
    tickSending(node, shard)
    for (const [actor, untilMs] of shard.parting) if (untilMs <= node.nowMs) shard.parting.delete(actor)
    const dueAtMs = shard.due[0]?.atMs ?? Infinity
    if (dueAtMs < Infinity || shard.internals.length > 0 || shard.wakes.size > 0) node.work.ready.add(shard.name)
    if (dueAtMs > node.nowMs) node.work.soonestMs = Math.min(node.work.soonestMs, dueAtMs)
  }
  dropStalePackages(node)
  reconcile(node)
  tickLeaving(node)
}

function ownRowWritten(node: NodeState, input: Extract<Input, { kind: 'row written' }>): void {
  onOwnRowWritten(node, input.row, input.result)
  if (input.result.kind === 'stored') onRowSeen(node, input.nodeId, input.result.seq, input.row)
}

function onAsked(node: NodeState, { ticket, request }: Extract<Input, { kind: 'asked' }>): void {
  switch (request.kind) {
    case 'handoff':
      node.out.push({ kind: 'reply', ticket, reply: onHandoffAsked(node, request) })
      return
    case 'package':
      node.out.push({ kind: 'reply', ticket, reply: onPackagePiece(node, request) })
      return
    case 'released':
      onReleasedTold(node, request.shard)
      node.out.push({ kind: 'reply', ticket, reply: { kind: 'ok' } })
      return
    case 'mark':
      return onMark(node, request)
    case 'drain':
      becomeLeaving(node, request.timeoutMs)
      node.out.push({ kind: 'reply', ticket, reply: { kind: 'ok' } })
      return
    case 'list':
      node.out.push({ kind: 'reply', ticket, reply: listActors(node, request) })
  }
}

/** N6: nothing of this life is carried on. */
function becomeFenced(node: NodeState, reason: string): void {
  node.fencedBecause = undefined
  disownAll(node, 'fenced')
  node.packages.clear()
  node.asleep = true
  node.out.push({ kind: 'notify', event: { kind: 'fenced', reason } })
  // A node that was leaving has nothing to come back for.
  if (node.self.life.kind === 'left') becomeLeft(node, [])
  tickMembership(node)
}

function disownAll(node: NodeState, reason: string): void {
  for (const shard of [...node.shards.values()]) disown(node, shard, reason)
}

function becomeLeaving(node: NodeState, timeoutMs: number): void {
  if (node.self.life.kind !== 'member') {
    if (node.self.life.kind === 'joining' || node.self.life.kind === 'waiting') becomeLeft(node, [])
    return
  }
  node.self.life = { kind: 'leaving', deadlineMs: node.nowMs + timeoutMs }
  beatSoon(node)
}

/** A leaving node is done when it owns nothing; some time after its deadline it goes in any case, and says what nobody took. */
function tickLeaving(node: NodeState): void {
  const { life } = node.self
  if (life.kind !== 'leaving') return
  for (const shard of [...node.shards.values()])
    if (shard.epoch === 0 && shard.append === undefined) disown(node, shard, 'the node leaves')
  if (node.shards.size === 0 && node.self.beat === undefined && mayBeat(node.history)) return beatFarewell(node)
  if (node.nowMs <= life.deadlineMs + node.config.timing.waitMs) return
  const abandoned = [...node.shards.keys()]
  disownAll(node, 'the node leaves')
  becomeLeft(node, abandoned)
}

/** The node serves: its row is acknowledged and a view holds it. Said once. */
function announce(node: NodeState): void {
  const { self, cluster, config } = node
  const member = cluster.view?.members.some(({ id, inc }) => id === config.profile.id && inc === self.inc)
  if (self.announced || member !== true) return
  self.announced = true
  node.out.push({ kind: 'notify', event: { kind: 'ready', view: cluster.view!.number } })
}

/** The loop ticks by itself every `tickMs`; delayed transitions may want it sooner. */
function setAlarm({ work, nowMs, out }: NodeState): void {
  if (work.soonestMs >= work.alarmMs) return
  work.alarmMs = work.soonestMs
  out.push({ kind: 'alarm', inMs: Math.max(0, work.soonestMs - nowMs) })
}
