/** Ownership: how a shard becomes this node's, and how it stops being so.
 *
 *      (none) --the ring gives it to me--> looking --tail judged--> claiming --stored--> folding --> owned
 *                                           |  ^        \--its owner lives--> asking (handoff.ts)
 *                                           |  \-- lost, or not mine to claim yet --/
 *      owned --handoff--> draining --> releasing --> (none)              any --step down--> (none)
 *
 *  The log is the lock: whoever appends a claim over the tail that it judged owns the shard, and the appends of anybody
 *  before it have the wrong expected sequence from then on. A tail may be claimed over if it is empty, a release, or owned
 *  by an incarnation that is gone, or by my own that I do not hold (rule S1). Never because the view gives the shard to me, and
 *  never while its owner may live. Each step is asked again until it is answered, so a lost message only delays (rule S6). */

import { restoreStreams } from './outbox.ts'
import { sendMessages } from './sending.ts'
import { refuse } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import type { AppendResult } from '../protocol/log-results.ts'
import type { ClaimRecord, LogRecord, LogWeight, ShardState } from '../protocol/records.ts'
import { restoreActor } from './activation.ts'
import { beginAppend, learnChain, onAppended, onTail, type Outcome, retryAppend } from './append.ts'
import {
  appendPointer,
  giveUpCheckpoint,
  giveUpLostUpload,
  isDue,
  onCheckpointAppended,
  startCheckpoint,
} from './checkpoint.ts'
import { beginCommit, commitRests, hasUncommitted, markDirty, onCommitted, undoAll } from './commit.ts'
import type { Logged } from './effects.ts'
import { checkChain, fold, ownerOf, partsOf } from './fold.ts'
import {
  ask,
  beginDraining,
  onReleaseAppended,
  progressDraining,
  takePackage,
  tickAsking,
  tickDraining,
} from './handoff.ts'
import { audit, becomeHealed, becomeWaiting, judgeLoss, onReclaimed, seqOf, tickHealing } from './healing.ts'
import { isChecked, mayClaim, mayWrite, mustReclaim, tailIsChecked } from './history.ts'
import { isMember, isUp } from './membership.ts'
import { restoreRequests } from './requests.ts'
import { becomeOwned, createShard, disown, lookAt } from './shard.ts'
import type { NodeState, Package, Phase, ReleaseSeen, Shard } from './state.ts'
import { recordHead } from './tokens.ts'
import { isGone, readView } from './view.ts'

/** S6: what the ring gives this node, against what it holds. Called at every tick and whenever either changes. */
export function reconcile(node: NodeState): void {
  const { ring } = node.cluster
  if (ring === undefined || !isMember(node)) return
  if (node.self.life.kind === 'member')
    for (const name of ring.shardsOf(node.config.profile.id))
      if (!node.shards.has(name)) createShard(node, name, lookAt(node))
  for (const shard of [...node.shards.values()]) tickShard(node, shard)
}

/** A record of the shard's log came back from its append. */
export function onShardAppended(node: NodeState, shard: Shard, token: string, result: AppendResult): void {
  const record = shard.append?.record
  if (record?.token === token) conclude(node, shard, record, onAppended(node, shard, token, result))
}

/** The last record of the shard's log. */
export function onTailRead(
  node: NodeState,
  shard: Shard,
  known: number,
  tail: Logged<LogRecord> | 'empty' | 'unknown',
): void {
  const { phase } = shard
  if (shard.append !== undefined) {
    const { record, expected } = shard.append
    const outcome = onTail(node, shard, tail)
    // What was asked for before the newest acknowledgement may be older without any loss: it is asked for again.
    if (outcome === 'open' && tail !== 'unknown' && seqOf(tail) < expected && !isChecked(node))
      return seqOf(tail) < known ? judgeLoss(node, shard, tail) : undefined
    if (tail !== 'unknown' && !mustReclaim(node)) tailIsChecked(node, shard.name)
    return conclude(node, shard, record, outcome)
  }
  if (phase.kind === 'looking') {
    phase.reading = false
    if (tail === 'unknown') phase.retryMs = node.nowMs + retryMs
    else judge(node, shard, phase, tail)
    return
  }
  if (tail !== 'unknown') audit(node, shard, known, tail)
}

/** The whole log, read after the claim: it ends with it. */
export function onLogRead(node: NodeState, shard: Shard, entries: readonly Logged<LogRecord>[] | 'unknown'): void {
  const { phase } = shard
  if (phase.kind !== 'folding') return
  // What does not end with this claim was read for an earlier one, and others may have written since, where the broker has
  // forgotten this one even under its sequence.
  if (entries === 'unknown' || entries.at(-1)?.record.token !== shard.chain.at(-1)) {
    phase.retryMs = node.nowMs + retryMs
    return
  }
  checkChain(entries)
  const parts = partsOf(entries)
  if (parts.length === 0) return becomeRestored(node, shard, entries, [])
  phase.entries = entries
  node.out.push({ kind: 'read parts', shard: shard.name, token: parts[0]!.token, parts })
}

export function onPartsRead(
  node: NodeState,
  shard: Shard,
  token: string,
  pieces: readonly ShardState[] | 'missing' | 'unknown',
): void {
  const { phase } = shard
  if (phase.kind !== 'folding' || phase.entries === undefined || partsOf(phase.entries)[0]?.token !== token) return
  if (pieces === 'missing' || pieces === 'unknown') {
    // S5: a newer checkpoint may have taken the parts away; the log says which.
    phase.entries = undefined
    phase.retryMs = node.nowMs + retryMs
    return
  }
  becomeRestored(node, shard, phase.entries, pieces)
}

/** Appends what has gathered, oldest shard first, while few appends are in flight. Called once a turn of the event loop. */
export function flush(node: NodeState): void {
  node.work.flushing = false
  if (!mayWrite(node.history)) return
  let inFlight = 0
  for (const shard of node.shards.values()) if (shard.inFlight !== undefined) inFlight++
  for (const name of node.work.dirty) {
    if (inFlight >= limits.appendsInFlightMax) return
    const shard = node.shards.get(name)
    if (shard === undefined || !hasUncommitted(shard)) node.work.dirty.delete(name)
    else if (mayCommit(shard) && !commitRests(node, shard) && beginCommit(node, shard) === 'begun') {
      node.work.dirty.delete(name)
      inFlight++
    }
  }
}

// ---- progress

const retryMs = 100
const auditMs = 5_000

function tickShard(node: NodeState, shard: Shard): void {
  if (mayWrite(node.history)) {
    giveUpLostUpload(node, shard)
    retryAppend(node, shard)
  }
  switch (shard.phase.kind) {
    case 'looking':
      return tickLooking(node, shard, shard.phase)
    case 'asking':
      return isWanted(node, shard) ? tickAsking(node, shard) : disown(node, shard, 'another node is to own it')
    case 'folding':
      if (node.nowMs >= shard.phase.retryMs) readLog(node, shard)
      return
    case 'owned':
      return tickOwned(node, shard)
    case 'draining':
    case 'releasing':
      return tickDraining(node, shard)
    case 'healing':
      return tickHealing(node, shard, shard.phase)
  }
}

function tickLooking(node: NodeState, shard: Shard, phase: Extract<Phase, { kind: 'looking' }>): void {
  if (!isWanted(node, shard) && phase.adopt !== true) return disown(node, shard, 'another node is to own it')
  if (!isUp(node) || !mayClaim(node) || phase.reading || node.nowMs < phase.retryMs) return
  // S1: the newest view names this node; it is read again before a claim, once for all shards that wait for it.
  if (node.cluster.viewReadMs < phase.sinceMs) return readView(node)
  if (
    count(
      node,
      (other) => other.kind === 'claiming' || other.kind === 'folding' || (other.kind === 'looking' && other.reading),
    ) >= limits.claimsAtOnceMax
  )
    return
  phase.reading = true
  node.out.push({ kind: 'read tail', shard: shard.name, known: shard.tailSeq })
}

function tickOwned(node: NodeState, shard: Shard): void {
  if (!isUp(node)) return
  if (node.self.life.kind === 'leaving') leaveShard(node, shard, node.self.life.deadlineMs)
  if (shard.append === undefined && shard.inFlight === undefined && shard.phase.kind === 'owned')
    startCheckpointIfDue(node, shard)
  if (hasUncommitted(shard) && shard.inFlight === undefined) markDirty(node, shard)
  if (node.nowMs - shard.auditMs < auditMs || shard.append !== undefined) return
  shard.auditMs = node.nowMs
  node.out.push({ kind: 'read tail', shard: shard.name, known: shard.tailSeq })
}

/** A leaving node waits to be asked for its shards; where nobody may own one, or its time is over, it lets go by itself. */
function leaveShard(node: NodeState, shard: Shard, deadlineMs: number): void {
  const nobody = node.cluster.ring?.ownerOf(shard.name) === undefined
  if (nobody || node.nowMs >= deadlineMs) beginDraining(node, shard, null)
}

function startCheckpointIfDue(node: NodeState, shard: Shard): void {
  if (shard.checkpoint.state.kind === 'ready') appendPointer(node, shard)
  else if (isDue(shard)) startCheckpoint(node, shard)
}

/** S1: may the log be claimed over this tail? */
function judge(
  node: NodeState,
  shard: Shard,
  phase: Extract<Phase, { kind: 'looking' }>,
  tail: Logged<LogRecord> | 'empty',
): void {
  if (!isUp(node) || !mayClaim(node)) return
  const standing = tail === 'empty' || tail.record.kind === 'release' ? undefined : ownerOf(tail)
  if (standing?.owner === node.config.profile.id && standing.inc === node.self.inc)
    return claim(node, shard, tail, 'own stale claim', undefined)
  if (!isWanted(node, shard)) return disown(node, shard, 'another node is to own it')
  if (tail === 'empty') return claim(node, shard, tail, 'empty', undefined)
  if (tail.record.kind === 'release') return claim(node, shard, tail, 'release', tail.record)
  const { owner, inc } = ownerOf(tail)
  if (isGone(node, owner, inc)) return claim(node, shard, tail, 'dead owner', undefined)
  if (owner === node.config.profile.id || count(node, (other) => other.kind === 'asking') >= limits.handoffsAtOnceMax) {
    phase.retryMs = node.nowMs + retryMs / 2
    return
  }
  shard.phase = { kind: 'asking', owner, inc, retryMs: 0 }
  ask(node, shard)
}

function claim(
  node: NodeState,
  shard: Shard,
  tail: Logged<LogRecord> | 'empty',
  over: ClaimRecord['over'],
  release: ReleaseSeen | undefined,
): void {
  shard.tailSeq = seqOf(tail)
  shard.epoch = 0
  learnChain(shard, tail === 'empty' ? [] : [tail])
  shard.phase = { kind: 'claiming', over: release }
  beginAppend(node, shard, { ...recordHead(node, shard), kind: 'claim', over })
}

/** What follows from the end of an append, by what was appended. */
function conclude(node: NodeState, shard: Shard, record: LogRecord, outcome: Outcome): void {
  if (outcome === 'open') return
  if (outcome === 'stored') return onStored(node, shard, record)
  if (shard.phase.kind === 'claiming') {
    shard.phase = lookAt(node, node.nowMs + (outcome === 'lost' ? 0 : 1_000))
    node.work.reconcile = true
    return
  }
  if (outcome === 'lost') return disown(node, shard, 'somebody else appended to its log')
  if (record.kind === 'checkpoint') return giveUpCheckpoint(shard)
  if (shard.phase.kind === 'healing') return becomeWaiting(shard.phase, node.nowMs + 1_000)
  if (record.kind !== 'commit') return
  const why =
    outcome === 'full'
      ? refuse('STORAGE_FULL', "the broker's storage is full; the event was undone. Make room, then send it again")
      : refuse('TOO_LARGE', 'the changes of the event do not fit into one record of the log; it was undone')
  if (outcome === 'full') shard.restsUntilMs = node.nowMs + limits.fullRestMs
  undoAll(node, shard, why)
  progress(node, shard)
}

function onStored(node: NodeState, shard: Shard, record: LogRecord): void {
  switch (record.kind) {
    case 'claim':
      return onClaimed(node, shard)
    case 'commit':
      onCommitted(node, shard, record)
      sendMessages(node, shard)
      break
    case 'checkpoint':
      onCheckpointAppended(node, shard, record)
      if (shard.phase.kind === 'healing') becomeHealed(node, shard)
      break
    case 'release':
      return onReleaseAppended(node, shard)
  }
  progress(node, shard)
}

/** The log is free for the next record. */
function progress(node: NodeState, shard: Shard): void {
  if (shard.phase.kind === 'draining') progressDraining(node, shard)
  if (shard.phase.kind === 'owned') startCheckpointIfDue(node, shard)
  if (hasUncommitted(shard)) node.work.dirty.add(shard.name)
  // Few appends are in flight at a time: this one's end is another shard's turn.
  flush(node)
}

const mayCommit = ({ phase }: Shard): boolean =>
  phase.kind === 'owned' || (phase.kind === 'draining' && phase.step === 'committing')

function onClaimed(node: NodeState, shard: Shard): void {
  const { phase } = shard
  shard.epoch = shard.tailSeq
  shard.auditMs = node.nowMs
  if (phase.kind === 'healing') return onReclaimed(node, shard, phase)
  const over = phase.kind === 'claiming' ? phase.over : undefined
  if (over !== undefined) {
    const known = takePackage(node, shard, over.handoff)
    if (known !== undefined) return becomeUnpacked(node, shard, known, over.weight)
  }
  shard.phase = { kind: 'folding', entries: undefined, retryMs: Infinity }
  readLog(node, shard)
}

function readLog(node: NodeState, shard: Shard): void {
  if (shard.phase.kind === 'folding') shard.phase.retryMs = Infinity
  node.out.push({ kind: 'read log', shard: shard.name })
}

function becomeRestored(
  node: NodeState,
  shard: Shard,
  entries: readonly Logged<LogRecord>[],
  pieces: readonly ShardState[],
): void {
  const folded = fold(entries, pieces)
  learnChain(shard, entries)
  // T1: time passed by the broker's clock, from each record to this node's claim, and by this node's since it was
  // acknowledged, which was the last look at the tail; no other node's clock is asked.
  const claimedMs = entries.at(-1)?.timeMs ?? 0
  for (const [key, { stored, timeMs }] of folded.actors)
    restoreActor(node, shard, key, stored, shard.auditMs - Math.max(0, claimedMs - timeMs))
  restoreRequests(shard.requests, folded.requests, node.nowMs)
  restoreStreams(shard.outbox, folded.outbox, node.nowMs)
  const { logBytes, stateBytes } = folded
  Object.assign(shard.checkpoint, { logBytes, stateBytes, parts: partsOf(entries) } satisfies LogWeight)
  becomeOwned(node, shard)
}

function becomeUnpacked(node: NodeState, shard: Shard, known: Package, weight: LogWeight): void {
  Object.assign(shard.checkpoint, weight)
  for (const piece of known.pieces) {
    shard.chain.unshift(...(piece!.chain ?? []))
    for (const [key, stored, ageMs, seed] of piece!.actors)
      restoreActor(node, shard, key, stored, known.arrivedMs - ageMs, seed)
    restoreRequests(shard.requests, piece!.requests, node.nowMs)
    restoreStreams(shard.outbox, piece!.outbox ?? [], node.nowMs)
  }
  becomeOwned(node, shard)
}

const isWanted = (node: NodeState, shard: Shard): boolean =>
  node.self.life.kind === 'member' && node.cluster.ring?.ownerOf(shard.name) === node.config.profile.id

const count = (node: NodeState, is: (phase: Phase) => boolean): number =>
  [...node.shards.values()].filter(({ phase }) => is(phase)).length
