/** Handoff: the planned move of a shard from its owner A to B, whom the newest view names.
 *
 *      B: looking --the owner lives--> asking ----------------------> looking --over the release--> claiming
 *               \                       |  ^ package, "released"         (ownership.ts)
 *                                       v  |
 *      A: owned --asked--> draining: committing -> stopping -> sending --> releasing --> (none)
 *            ^                  | \________________________/
 *            \---- abandoned ---/   until the release is first sent, A may change its mind
 *
 *  The happy path takes a few round trips: A takes no new turns and parks what arrives, commits what it has begun, lets its children go,
 *  sends everything it holds to B, and appends `release`, which names the package. B claims over that release and goes on from
 *  the package without reading the log. A answers `moved` to all it parked, and the senders send it again to B.
 *
 *  If A dies on the way, B waits until A is gone and reads the log. If B dies, or the package does not arrive, A abandons the move and
 *  goes on. From the first sending of `release` on A never runs the shard again without a new claim, whatever becomes of it.
 *  Messages between A and B may all be lost: B asks again, and the log alone says what happened (rule 7). */

import { limits } from '../base/limits.ts'
import { addressOf, type ActorKey, type ShardName } from '../protocol/address.ts'
import type { LifecycleReply, LifecycleRequest } from '../protocol/lifecycle.ts'
import { parseShardState, type ReleaseRecord, type ShardState } from '../protocol/records.ts'
import { beginAppend } from './append.ts'
import { appendPointer, cut, outboxOf } from './checkpoint.ts'
import { hasUncommitted, keepStored, markDirty } from './commit.ts'
import type { Collected } from './effects.ts'
import { isUp } from './membership.ts'
import { settledEntries } from './requests.ts'
import { createShard, disown, lookAt, wakeLive } from './shard.ts'
import type { Draining, NodeState, Package, Shard } from './state.ts'
import { makeToken, recordHead, wasMadeBefore } from './tokens.ts'
import { isGone, readView } from './view.ts'

// ---- B

/** The owner is alive and has to be asked. Asked again until the log says something else. */
export function tickAsking(node: NodeState, shard: Shard): void {
  const { phase } = shard
  if (phase.kind !== 'asking') return
  if (isGone(node, phase.owner, phase.inc)) shard.phase = lookAt(node)
  else if (node.nowMs >= phase.retryMs) ask(node, shard)
}

export function ask(node: NodeState, shard: Shard): void {
  const { phase } = shard
  if (phase.kind !== 'asking') return
  phase.retryMs = node.nowMs + limits.handoffStepMs
  const request: LifecycleRequest = {
    kind: 'handoff',
    shard: shard.name,
    to: node.config.profile.id,
    view: node.cluster.view!.number,
  }
  node.out.push({ kind: 'tell', node: phase.owner, request })
}

export function onAskAnswered(
  node: NodeState,
  shardName: ShardName,
  reply: LifecycleReply | 'nobody' | 'unknown',
): void {
  const shard = node.shards.get(shardName)
  if (shard?.phase.kind !== 'asking') return
  if (reply === 'nobody' || reply === 'unknown') shard.phase.retryMs = node.nowMs + 250
  else if (reply.kind === 'later') shard.phase.retryMs = node.nowMs + 50
  else if (reply.kind === 'not mine') shard.phase = lookAt(node, node.nowMs + 50)
}

/** A piece of a package came. The first one of another token begins another package; any other one is of a move that was given up,
 *  whose sending ends with this answer. */
export function onPackagePiece(node: NodeState, piece: Extract<LifecycleRequest, { kind: 'package' }>): LifecycleReply {
  const shard = node.shards.get(piece.shard)
  if (shard?.phase.kind !== 'asking' && shard?.phase.kind !== 'looking') return { kind: 'not mine' }
  const state = parseShardState(piece.bytes)
  if (state === undefined) return { kind: 'not mine' }
  let known = node.packages.get(piece.shard)
  if (known?.token !== piece.token) {
    if (piece.index > 0 || (known !== undefined && wasMadeBefore(piece.token, known.token))) return { kind: 'not mine' }
    known = { token: piece.token, pieces: Array.from({ length: piece.pieces }), arrivedMs: node.nowMs }
    node.packages.set(piece.shard, known)
  }
  known.pieces[piece.index] = state
  return { kind: 'ok' }
}

export function onReleasedTold(node: NodeState, shardName: ShardName): void {
  const shard = node.shards.get(shardName)
  if (shard?.phase.kind !== 'asking') return
  shard.phase = lookAt(node)
  node.work.reconcile = true
}

/** Rule 5: the package, if and only if the release that was claimed over names it. */
export function takePackage(node: NodeState, shard: Shard, handoff: string | null): Package | undefined {
  const known = node.packages.get(shard.name)
  node.packages.delete(shard.name)
  return known !== undefined && known.token === handoff && known.pieces.every((piece) => piece !== undefined)
    ? known
    : undefined
}

/** Packages for shards that are not on their way to this node any more. */
export function dropStalePackages(node: NodeState): void {
  for (const name of node.packages.keys()) {
    const kind = node.shards.get(name)?.phase.kind
    if (kind !== 'asking' && kind !== 'looking' && kind !== 'claiming') node.packages.delete(name)
  }
}

// ---- A

/** B asks for a shard. */
export function onHandoffAsked(
  node: NodeState,
  request: Extract<LifecycleRequest, { kind: 'handoff' }>,
): LifecycleReply {
  const { cluster } = node
  if (cluster.view === undefined || cluster.view.number < request.view) {
    readView(node)
    return { kind: 'later' }
  }
  if (!isUp(node) || cluster.ring!.ownerOf(request.shard) !== request.to) return { kind: 'later' }
  const shard = node.shards.get(request.shard)
  if (shard === undefined) {
    // Rule 1: the log may name this node although it holds nothing. Then it claims, and hands over when it is asked again. B
    // looks too: as a rule its word that the shard was released has been lost.
    createShard(node, request.shard, { ...lookAt(node), adopt: true })
    node.work.reconcile = true
    return { kind: 'not mine' }
  }
  switch (shard.phase.kind) {
    case 'owned':
      if (countDraining(node) >= limits.handoffsAtOnceMax || node.nowMs < shard.noMoveBeforeMs) return { kind: 'later' }
      beginDraining(node, shard, request.to)
      return { kind: 'ok' }
    case 'draining':
    case 'releasing':
      // To another node, whom an older view named: that move ends first, and this one must ask again soon.
      return { kind: shard.phase.to === request.to ? 'ok' : 'later' }
    case 'asking':
      return { kind: 'not mine' }
    default:
      return { kind: 'later' }
  }
}

/** Step 2. `to`: null when nobody is there to take it; then the state is in the log alone. */
export function beginDraining(node: NodeState, shard: Shard, to: string | null): void {
  shard.phase = { kind: 'draining', to, sinceMs: node.nowMs, step: 'committing', token: makeToken(node) }
  progressDraining(node, shard)
}

/** Goes on as soon as what the present step waits for is there. Called after every commit and effect, and at every tick. */
export function progressDraining(node: NodeState, shard: Shard): void {
  const { phase } = shard
  if (phase.kind !== 'draining' || phase.step !== 'committing') return
  if (hasUncommitted(shard)) return markDirty(node, shard)
  if (shard.append !== undefined || shard.performs.length > 0) return
  if (shard.checkpoint.state.kind === 'ready') return appendPointer(node, shard)
  becomeStopping(node, shard, phase)
}

function becomeStopping(node: NodeState, shard: Shard, phase: Draining): void {
  phase.step = 'stopping'
  // A sleeping one too, if it is live: what it held when an earlier move was given up may not have let go yet.
  const holding = [...shard.actors].filter(([, entry]) => entry.awake || entry.live)
  const volatile = holding.filter(([, entry]) => entry.awake && entry.durability === 'volatile').map(([actor]) => actor)
  node.out.push({
    kind: 'collect',
    shard: shard.name,
    purpose: 'package',
    atMs: node.nowMs,
    actors: volatile,
    seeds: [],
  })
  const actors = [...holding.map(([actor]) => actor), ...shard.parting.keys()]
  let graceMs = 0
  for (const actor of actors) graceMs = Math.max(graceMs, releaseMsOf(node, actor))
  for (const [, entry] of holding) entry.awake = false
  node.out.push({ kind: 'release', shard: shard.name, token: phase.token, actors, graceMs })
}

/** How long a move waits for the children of an actor to let go. */
export const releaseMsOf = (node: NodeState, actor: ActorKey): number =>
  node.config.types.get(addressOf(actor).type)?.releaseTimeoutMs ?? 0

/** Live state of volatile actors, for the package. */
export function onPackageCollected(shard: Shard, collected: readonly Collected[], atMs: number): void {
  for (const [actor, stored] of collected) keepStored(shard, actor, stored, atMs)
}

/** The children have let go, or have not. */
export function onReleased(node: NodeState, shard: Shard, token: string, stuck: readonly ActorKey[]): void {
  const { phase } = shard
  if (stuck.length > 0) node.out.push({ kind: 'notify', event: { kind: 'stuck', shard: shard.name, actors: stuck } })
  // Children are also stopped when the lease ends, and by a move that was given up: those are not the ones waited for.
  if (phase.kind !== 'draining' || phase.step !== 'stopping' || phase.token !== token) return
  // What ignores its abort would overlap with its next owner: the shard stays, unless the node leaves and its time is over.
  if (stuck.length > 0 && !isOverdue(node)) {
    const restMs = limits.stuckRestMsMin * 2 ** shard.stuckInARow++
    shard.noMoveBeforeMs = node.nowMs + Math.min(restMs, limits.stuckRestMsMax)
    return abandonDraining(node, shard)
  }
  if (phase.to === null) return release(node, shard, null)
  const { to } = phase
  const [first, ...others] = cut(wholeState(node, shard))
  // R3: B can only bring back what it knows to be of this log.
  const pieces: readonly ShardState[] = [{ ...first!, chain: shard.chain.slice(-limits.chainHandedMax) }, ...others]
  phase.step = 'sending'
  // Each piece is acknowledged, or its sending fails, within its own time.
  phase.sinceMs = node.nowMs + pieces.length * limits.handoffStepMs
  node.out.push({ kind: 'send package', to, shard: shard.name, token, pieces })
}

/** Step 3 is over: B has every piece, or has not. */
export function onPackageSent(node: NodeState, shard: Shard, token: string, ok: boolean): void {
  const { phase } = shard
  if (phase.kind !== 'draining' || phase.step !== 'sending' || phase.token !== token) return
  if (ok || isOverdue(node)) return release(node, shard, ok ? token : null)
  // A target that could not take it is given time; another one, whom the ring names meanwhile, need not wait.
  if (node.cluster.ring?.ownerOf(shard.name) === phase.to) shard.noMoveBeforeMs = node.nowMs + limits.handoffStepMs
  abandonDraining(node, shard)
}

/** Steps have deadlines (rule 7), and a target that is gone ends the move. */
export function tickDraining(node: NodeState, shard: Shard): void {
  const { phase } = shard
  if (phase.kind === 'releasing' && shard.append === undefined) return release(node, shard, phase.token)
  if (phase.kind !== 'draining') return
  const gone = phase.to !== null && node.cluster.ring?.ownerOf(shard.name) !== phase.to
  const late = phase.step !== 'stopping' && node.nowMs - phase.sinceMs > 2 * limits.handoffStepMs
  if ((gone || late) && phase.step !== 'stopping') abandonDraining(node, shard)
  else progressDraining(node, shard)
}

/** Step 6. */
export function onReleaseAppended(node: NodeState, shard: Shard): void {
  const to = shard.phase.kind === 'releasing' ? shard.phase.to : null
  disown(node, shard, to === null ? 'released' : `handed over to ${to}`)
  if (to !== null) node.out.push({ kind: 'tell', node: to, request: { kind: 'released', shard: shard.name } })
}

export const countDraining = (node: NodeState): number =>
  [...node.shards.values()].filter(({ phase }) => phase.kind === 'draining' || phase.kind === 'releasing').length

/** Step 4: from here on the shard does not run here again without a new claim. */
function release(node: NodeState, shard: Shard, handoff: string | null): void {
  const to = shard.phase.kind === 'draining' || shard.phase.kind === 'releasing' ? shard.phase.to : null
  shard.phase = { kind: 'releasing', to, token: handoff }
  const { logBytes, stateBytes, parts } = shard.checkpoint
  const weight = { logBytes, stateBytes, parts }
  const record: ReleaseRecord = { ...recordHead(node, shard), kind: 'release', to, handoff, weight }
  beginAppend(node, shard, record)
}

/** A goes on: its children start again from what is committed, and what was parked is taken up. */
function abandonDraining(node: NodeState, shard: Shard): void {
  shard.phase = { kind: 'owned' }
  wakeLive(node, shard)
}

const isOverdue = ({ self, nowMs }: NodeState): boolean => self.life.kind === 'leaving' && nowMs >= self.life.deadlineMs

/** Of a volatile actor its live state, which the log has not, and what the log has. */
const wholeState = (node: NodeState, shard: Shard): ShardState => ({
  actors: [...shard.actors].flatMap(([key, { durability, stored, storedAtMs, committed }]): ShardState['actors'] => {
    if (stored === undefined) return []
    const ageMs = node.nowMs - storedAtMs
    return durability === 'volatile' && committed !== undefined
      ? [[key, stored, ageMs, committed]]
      : [[key, stored, ageMs]]
  }),
  requests: [...settledEntries(shard.requests, true)],
  ...outboxOf(shard),
})
