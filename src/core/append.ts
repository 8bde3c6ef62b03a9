/** Append: one record on its way into a shard's log (rule S2).
 *
 *      sent --stored--> over            stored: the record is in the log, for ever
 *       | \--refused--> checking --the tail is ours--> stored
 *       |                  | \--another's record behind what we expected--> lost
 *       |                  \--nothing moved--> sent again
 *       \--no answer--> waiting --after a while--> sent again
 *
 *  While an append is open nothing else is appended, and nothing that depends on it is answered, resumed or given up. A refusal
 *  is in doubt too, because an earlier sending may be the very record that moved the tail. Absence is never an answer: only
 *  the record's own token at the tail, or somebody else's behind the expected sequence, ends the doubt. */

import type { AppendResult } from '../protocol/log-results.ts'
import type { LogRecord } from '../protocol/records.ts'
import { assert } from '../base/assert.ts'
import type { Logged } from './effects.ts'
import { mayWrite } from './history.ts'
import type { NodeState, Shard } from './state.ts'

/** What became of an append. 'full' and 'too large' are certain: the record is not stored and never will be. */
export type Outcome = 'open' | 'stored' | 'lost' | 'full' | 'too large'

const retryMs = 100
const chainMax = 10_000

export function beginAppend(node: NodeState, shard: Shard, record: LogRecord, replace = false): void {
  assert(shard.append === undefined, 'S2: one append in flight per shard')
  shard.append = { record, replace, expected: shard.tailSeq, state: 'waiting', retryMs: node.nowMs, clean: true }
  shard.chain.push(record.token)
  if (shard.chain.length > chainMax) shard.chain.splice(0, chainMax / 2)
  // R1: after a reconnect the history of the broker is looked at before anything is written.
  if (mayWrite(node.history)) retryAppend(node, shard)
}

/** The claim is, or was, made over these records. */
export function learnChain(shard: Shard, entries: readonly Logged<LogRecord>[]): void {
  shard.chain.length = 0
  for (const { record } of entries.slice(-chainMax / 2)) shard.chain.push(record.token)
}

/** R3: the record belongs to this node's claim, or is one that the claim was made over. A log that is empty has lost them all. */
export const isKnown = (shard: Shard, tail: Logged<LogRecord> | 'empty'): boolean =>
  tail === 'empty' || shard.chain.includes(tail.record.token)

export function onAppended(node: NodeState, shard: Shard, token: string, result: AppendResult): Outcome {
  const append = shard.append
  if (append === undefined || append.record.token !== token) return 'open'
  switch (result.kind) {
    case 'stored':
      return end(shard, result.seq)
    case 'refused':
      if (append.state === 'sent') becomeChecking(node, shard)
      return 'open'
    case 'too large':
      shard.append = undefined
      return 'too large'
    case 'full':
      if (!append.clean) return becomeWaiting(node, shard)
      shard.append = undefined
      return 'full'
    case 'unknown':
      append.clean = false
      return append.state === 'sent' ? becomeWaiting(node, shard) : 'open'
  }
}

/** The tail was read while the append is in doubt. */
export function onTail(node: NodeState, shard: Shard, tail: Logged<LogRecord> | 'empty' | 'unknown'): Outcome {
  const append = shard.append
  if (append === undefined || tail === 'unknown')
    return append?.state === 'checking' ? becomeWaiting(node, shard) : 'open'
  const seq = tail === 'empty' ? 0 : tail.seq
  if (tail !== 'empty' && tail.record.token === append.record.token) return end(shard, tail.seq)
  // After a loss of the broker's the sequences are given out again: another's record may lie at the expected one.
  if (seq > append.expected || (seq === append.expected && !isKnown(shard, tail))) {
    shard.append = undefined
    return 'lost'
  }
  return append.state === 'checking' ? becomeWaiting(node, shard) : 'open'
}

/** Sends again what has waited long enough. Only while the broker's history is checked (rule R1). */
export function retryAppend(node: NodeState, shard: Shard): void {
  const append = shard.append
  if (append?.state !== 'waiting' || append.retryMs > node.nowMs) return
  append.state = 'sent'
  send(node, shard)
}

function end(shard: Shard, seq: number): Outcome {
  shard.append = undefined
  shard.tailSeq = seq
  return 'stored'
}

function becomeChecking(node: NodeState, shard: Shard): void {
  shard.append!.state = 'checking'
  node.out.push({ kind: 'read tail', shard: shard.name, known: shard.tailSeq })
}

function becomeWaiting(node: NodeState, shard: Shard): Outcome {
  shard.append!.state = 'waiting'
  shard.append!.retryMs = node.nowMs + retryMs
  return 'open'
}

function send(node: NodeState, shard: Shard): void {
  const { record, expected, replace } = shard.append!
  node.out.push({ kind: 'append', shard: shard.name, record, expected, replace })
}
