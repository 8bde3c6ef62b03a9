/** History: whether the broker still remembers what it acknowledged.
 *
 *      connected --> identity --> row --> tails --> none         after every connect (R1, R3): first look, then write
 *      lease lapsed and came back --> resume --> none            N5: nothing starts before the tails were compared
 *
 *  A broker that restarted without having synced its disk may have lost the newest records. Those who hold shards know better than
 *  the broker what these were, and heal the loss (`ownership.ts`); everybody else must give them time, so after a restart
 *  nobody claims for W (R2); nor does a process that has just begun and knows nothing, unless a row tells that this very broker has been
 *  up for W. Nor does anybody go on whose last beat is W old: that this node was declared dead, and that somebody else
 *  has claimed since, may be among what was lost, and that one may still act. A store that was created anew is another history altogether: that node gives up, by name. */

import { refuse } from '../base/errors.ts'
import type { Identities } from '../protocol/log-results.ts'
import type { Row } from '../protocol/records.ts'
import type { Input } from './effects.ts'
import { drift } from './timing.ts'
import type { History, NodeState, Reach, Shard } from './state.ts'

export const createHistory = (): History => ({
  connected: false,
  known: undefined,
  check: 'identity',
  tailsLeft: new Set(),
  noClaimsBeforeMs: -Infinity,
  noResumingBeforeMs: -Infinity,
  steadyFromMs: Infinity,
  highest: { control: 0, shards: 0 },
  readingIdentity: undefined,
  readings: 0,
  breaks: 0,
})

/** Everything that was compared is as it should be, as far as is known. */
export const isChecked = (node: NodeState): boolean => node.history.check === 'none'

export const mayRead = (history: History): boolean => history.connected && history.check !== 'identity'

export const mayBeat = (history: History): boolean =>
  history.connected && (history.check === 'none' || history.check === 'resume')

/** Appends may be sent, also again. */
export const mayWrite = mayBeat

/** A claim may be made (rules R2, N3 aside). */
export const mayClaim = (node: NodeState): boolean => isChecked(node) && node.nowMs >= node.history.noClaimsBeforeMs

export function onConnection(node: NodeState, connected: boolean): void {
  const { history } = node
  history.connected = connected
  history.check = 'identity'
  history.readingIdentity = undefined
  history.tailsLeft.clear()
  tickHistory(node)
}

/** Asks again for what has not been answered. Called at every tick. */
export function tickHistory(node: NodeState): void {
  const { history } = node
  if (!history.connected) return
  if (history.check === 'identity' && history.readingIdentity === undefined) {
    history.readingIdentity = history.highest
    node.out.push({ kind: 'read identity', reading: ++history.readings })
  }
  if (history.check === 'tails' || history.check === 'resume') readTails(node)
}

export function onIdentity(node: NodeState, reading: number, identities: Identities | 'unknown'): void {
  const { history } = node
  if (reading !== history.readings) return
  const { readingIdentity: highest } = history
  history.readingIdentity = undefined
  if (identities === 'unknown' || highest === undefined) return
  const reason = history.known === undefined ? undefined : whatBroke(history.known, highest, identities)
  if (reason?.fatal === true) {
    node.self.life = { kind: 'left' }
    const why = refuse('INTERNAL', `${reason.text}; start the nodes anew once an operator has looked at it`)
    node.out.push(
      { kind: 'notify', event: { kind: 'history broken', reason: reason.text } },
      { kind: 'notify', event: { kind: 'refused', why } },
    )
    return
  }
  if (history.known === undefined) becomeAcquainted(node, identities)
  if (reason !== undefined) {
    becomeWary(node)
    if (mayBeDead(node)) history.noResumingBeforeMs = history.noClaimsBeforeMs
    becomeForgetful(node)
    if (reason.lost) node.out.push({ kind: 'notify', event: { kind: 'history broken', reason: reason.text } })
  }
  history.known = identities
  for (const { row } of node.cluster.rows.values()) noteSteady(node, row)
  noteReach(history, { control: identities.control.lastSeq, shards: identities.shards.lastSeq })
  const { life } = node.self
  history.check = life.kind === 'member' || life.kind === 'leaving' ? 'row' : 'none'
}

/** Nobody tells a new process whether the broker was started just now. Where nothing is stored, nothing is lost. */
function becomeAcquainted(node: NodeState, { shards }: Identities): void {
  if (shards.mayForget) becomeForgetful(node)
  if (shards.mayForget && shards.lastSeq > 0) becomeWary(node)
  else node.history.steadyFromMs = node.nowMs
}

/** R2: whoever holds shards must have time to bring back what is lost. */
function becomeWary({ history, nowMs, config }: NodeState): void {
  history.noClaimsBeforeMs = nowMs + config.timing.waitMs
  history.steadyFromMs = history.noClaimsBeforeMs
}

/** The broker that has been up for W, if this node knows. */
export const steadyBroker = ({ history, nowMs }: NodeState): string =>
  nowMs < history.steadyFromMs ? '' : (history.known?.shards.server ?? '')

/** R2: a row says which broker had been up for W when it was written. If it is this one, nobody need wait any more. */
export function noteSteady({ history, nowMs }: NodeState, { steady }: Row): void {
  if (steady === '' || steady !== history.known?.shards.server) return
  history.noClaimsBeforeMs = Math.min(history.noClaimsBeforeMs, nowMs)
  history.noResumingBeforeMs = Math.min(history.noResumingBeforeMs, nowMs)
  history.steadyFromMs = Math.min(history.steadyFromMs, nowMs)
}

/** D1: the row of this node may have stood still for W, by the clock of another. */
const mayBeDead = ({ lease, config }: NodeState): boolean =>
  lease.nowMs - lease.sentMs >= (config.timing.waitMs * (1 - drift)) / (1 + drift)

/** R1: remembers how far the logs reached, by everything that is stored or read. */
export function noteHistory(history: History, input: Input): void {
  switch (input.kind) {
    case 'row seen':
    case 'view seen':
      return noteReach(history, { control: input.seq, shards: 0 })
    case 'row written':
    case 'view written':
      return noteReach(history, { control: input.result.kind === 'stored' ? input.result.seq : 0, shards: 0 })
    case 'appended':
      return noteReach(history, { control: 0, shards: input.result.kind === 'stored' ? input.result.seq : 0 })
  }
}

function noteReach(history: History, { control, shards }: Reach): void {
  const { highest } = history
  if (control > highest.control || shards > highest.shards)
    history.highest = { control: Math.max(control, highest.control), shards: Math.max(shards, highest.shards) }
}

/** The broker may have lost records, and gives their sequences out again: whatever it has now counts, whatever its sequence. That can be
 *  hidden: others may have written as much since as was lost. */
function becomeForgetful(node: NodeState): void {
  const { cluster, config, out } = node
  const { rows, doubted } = cluster
  // A proposal must follow what lies in the log now, not what was read under the same sequence before.
  cluster.viewReadMs = -Infinity
  node.history.highest = { control: 0, shards: 0 }
  node.history.breaks++
  for (const [nodeId, seen] of rows) {
    rows.set(nodeId, { ...seen, seq: 0 })
    // R3: this node's own row is looked at in any case.
    if (nodeId === config.profile.id) continue
    // The watch may have told of what is left of it already, and it was taken for older.
    doubted.add(nodeId)
    out.push({ kind: 'read row', nodeId })
  }
}

/** R3: the row still shows this life. */
export function onRowChecked(node: NodeState): void {
  if (node.history.check === 'row') beginTails(node, 'tails')
}

/** N5: a beat was acknowledged after a lapse. */
export function becomeResuming(node: NodeState): void {
  if (node.history.check === 'none' || node.history.check === 'resume') beginTails(node, 'resume')
}

/** The shard's tail was compared, or the shard is held no more. */
export function tailIsChecked(node: NodeState, shard: string): void {
  const { history } = node
  // The answer to an earlier question says nothing of what others bring back meanwhile.
  if (waitsToResume(node) && node.shards.has(shard)) return
  history.tailsLeft.delete(shard)
  if (history.tailsLeft.size > 0) return
  // A reconnect in the middle of the wait for W does not end it.
  if (history.check === 'tails' && history.noResumingBeforeMs > -Infinity) beginTails(node, 'resume')
  else if (history.check === 'tails' || history.check === 'resume') becomeChecked(node)
}

function becomeChecked({ history, nowMs }: NodeState): void {
  history.check = 'none'
  // Who holds nothing now may hold something when the lease is back: the wait goes on.
  if (nowMs >= history.noResumingBeforeMs) history.noResumingBeforeMs = -Infinity
}

function beginTails(node: NodeState, check: 'tails' | 'resume'): void {
  const { history } = node
  history.check = check
  history.tailsLeft.clear()
  for (const shard of node.shards.values()) if (isAtStake(shard)) history.tailsLeft.add(shard.name)
  if (history.tailsLeft.size === 0) becomeChecked(node)
  else readTails(node)
}

/** It is held, or an append of it is in doubt. */
const isAtStake = ({ epoch, append }: Shard): boolean => epoch > 0 || append !== undefined

const waitsToResume = ({ history, nowMs }: NodeState): boolean =>
  history.check === 'resume' && nowMs < history.noResumingBeforeMs

/** R2: the wait is over, and what is held must be claimed anew. */
export const mustReclaim = ({ history, nowMs }: NodeState): boolean =>
  history.check === 'resume' && history.noResumingBeforeMs > -Infinity && nowMs >= history.noResumingBeforeMs

function readTails(node: NodeState): void {
  if (waitsToResume(node)) return
  for (const name of [...node.history.tailsLeft]) {
    const shard = node.shards.get(name)
    // Its claim was given up meanwhile: there is nothing to compare any more.
    if (shard === undefined || !isAtStake(shard)) tailIsChecked(node, name)
    else node.out.push({ kind: 'read tail', shard: name, known: shard.tailSeq })
  }
}

interface Break {
  readonly text: string
  readonly fatal: boolean
  readonly lost: boolean
}

/** R1: what is not as it was. */
function whatBroke(known: Identities, highest: Reach, seen: Identities): Break | undefined {
  for (const log of ['control', 'shards'] as const) {
    if (seen[log].created !== known[log].created)
      return {
        text: `the ${log} stream was created anew (${known[log].created} -> ${seen[log].created})`,
        fatal: true,
        lost: true,
      }
    if (seen[log].lastSeq < highest[log])
      return {
        text: `the ${log} stream ends at ${seen[log].lastSeq} and was seen at ${highest[log]}`,
        fatal: false,
        lost: true,
      }
  }
  if (seen.shards.server !== known.shards.server && seen.shards.mayForget)
    return { text: 'the server was restarted', fatal: false, lost: false }
  return undefined
}
