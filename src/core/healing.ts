/** Healing: what this node holds against what the log says, and how it brings back what the broker has lost (rules N5, R2, R3).
 *
 *      owned --tail is an older record of its own chain--> waiting --W is over, or the lease has held--> claiming
 *            --claim stored--> checkpointing --stored--> owned      where nothing is lost, the claim alone is enough
 *
 *  What was lost is in the memory of whoever held the shard: a claim over what is left and a checkpoint of everything bring it
 *  back. Whoever else has claimed meanwhile has the shard. */

import type { LogRecord } from '../protocol/records.ts'
import { beginAppend, isKnown } from './append.ts'
import { appendPointer, giveUpCheckpoint, startCheckpoint } from './checkpoint.ts'
import { gatherAgain } from './commit.ts'
import type { Logged } from './effects.ts'
import { isChecked, mustReclaim, tailIsChecked } from './history.ts'
import { becomeOwned, disown, wakeLive } from './shard.ts'
import { putToSleep } from './suspension.ts'
import type { Healing, NodeState, Shard } from './state.ts'
import { recordHead } from './tokens.ts'

/** N5, R3, S6: the tail must be the last record that this node knows. */
export function audit(node: NodeState, shard: Shard, known: number, tail: Logged<LogRecord> | 'empty'): void {
  if (shard.epoch === 0) return tailIsChecked(node, shard.name)
  if (seqOf(tail) > shard.tailSeq) return disown(node, shard, 'somebody else appended to its log')
  if (seqOf(tail) === shard.tailSeq && isKnown(shard, tail))
    return mustReclaim(node) ? reclaim(node, shard, tail) : tailIsChecked(node, shard.name)
  // An append of this node may have been acknowledged while the tail was on its way: then it is asked for again.
  const isLoss = seqOf(tail) < known || seqOf(tail) === shard.tailSeq
  if (isLoss && !isChecked(node)) judgeLoss(node, shard, tail)
}

/** R3: an older record of this node's own chain means that the broker lost the newer ones; they are brought back by whoever
 *  still holds what was in them. Anything else means that the shard is somebody else's, or another history. */
export function judgeLoss(node: NodeState, shard: Shard, tail: Logged<LogRecord> | 'empty'): void {
  if (!holdsState(shard) || !isKnown(shard, tail))
    return disown(node, shard, 'its log is not the one that this node wrote')
  // Without a lease somebody else may have claimed it since, in records that are lost too, and run it now.
  const lapsed = node.self.lapsed || node.history.check === 'resume'
  heal(node, shard, tail, true, lapsed ? node.nowMs + node.config.timing.waitMs : node.nowMs)
}

/** R2: this node may have been declared dead, and its shards claimed, in records that are lost. Whoever claimed them may bring that
 *  back at any time, however late its claim comes to the log: a new claim of this node stands before it, or finds it there. */
function reclaim(node: NodeState, shard: Shard, tail: Logged<LogRecord> | 'empty'): void {
  if (shard.phase.kind === 'healing') return tailIsChecked(node, shard.name)
  if (!holdsState(shard)) return disown(node, shard, 'it is claimed anew')
  heal(node, shard, tail, false, node.nowMs)
}

const holdsState = ({ phase: { kind } }: Shard): boolean =>
  kind === 'owned' || kind === 'draining' || kind === 'releasing' || kind === 'healing'

/** Claims the shard anew over what is left of its log, not before `notBeforeMs`. `lost`: there was more of it. */
function heal(
  node: NodeState,
  shard: Shard,
  tail: Logged<LogRecord> | 'empty',
  lost: boolean,
  notBeforeMs: number,
): void {
  const { phase } = shard
  // After an earlier loss the lease may have been renewed.
  const childrenUntilMs = Math.min(node.lease.endMs, phase.kind === 'healing' ? phase.childrenUntilMs : Infinity)
  gatherAgain(shard)
  shard.append = undefined
  shard.tailSeq = seqOf(tail)
  giveUpCheckpoint(shard)
  shard.phase = { kind: 'healing', lost, step: 'waiting', notBeforeMs, childrenUntilMs }
  tailIsChecked(node, shard.name)
  tickHealing(node, shard, shard.phase)
}

export function tickHealing(node: NodeState, shard: Shard, phase: Healing): void {
  if (node.lease.nowMs >= phase.childrenUntilMs) {
    phase.childrenUntilMs = Infinity
    putToSleep(node, shard)
  }
  if (shard.append !== undefined) return
  if (phase.step === 'checkpointing') {
    if (shard.checkpoint.state.kind === 'ready') appendPointer(node, shard)
    else if (shard.checkpoint.state.kind === 'idle') startCheckpoint(node, shard)
  } else if (node.nowMs >= phase.notBeforeMs) {
    phase.step = 'claiming'
    beginAppend(node, shard, { ...recordHead(node, shard), kind: 'claim', epoch: 0, over: 'own stale claim' })
  }
}

export function becomeWaiting(phase: Healing, notBeforeMs: number): void {
  phase.step = 'waiting'
  phase.notBeforeMs = notBeforeMs
}

/** Its claim is in the log. */
export function onReclaimed(node: NodeState, shard: Shard, phase: Healing): void {
  if (!phase.lost) return becomeWhole(node, shard)
  phase.step = 'checkpointing'
  tickHealing(node, shard, phase)
}

/** So is its checkpoint. */
export function becomeHealed(node: NodeState, shard: Shard): void {
  node.out.push({ kind: 'notify', event: { kind: 'healed', shard: shard.name } })
  becomeWhole(node, shard)
}

function becomeWhole(node: NodeState, shard: Shard): void {
  becomeOwned(node, shard)
  wakeLive(node, shard)
}

export const seqOf = (tail: Logged<LogRecord> | 'empty'): number => (tail === 'empty' ? 0 : tail.seq)
