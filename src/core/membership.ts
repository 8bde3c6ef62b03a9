/** Membership: the node's own row, its beats and what they allow.
 *
 *      joining --row free--> member <--> (suspended: no lease) --> leaving --> left
 *         | \--row shows another life--> waiting (W, or until that life is gone)
 *         \<-- fenced: the row says that this life is over
 *
 *  A beat is a compare-and-set on the node's own row; its acknowledgement renews the lease, counted from the moment the beat was
 *  sent (rule N1). One beat at a time. A beat that is refused or unanswered is in doubt, and the row itself tells (rule N2):
 *  while it shows this life, the life goes on; anything else means that somebody declared it over. "Refused" alone never
 *  means dead. Whether the node is UP is never stored: it is asked each time (rule N3). */

import { refuse } from '../base/errors.ts'
import type { ShardName } from '../protocol/address.ts'
import type { AppendResult } from '../protocol/log-results.ts'
import type { Row, RowState } from '../protocol/records.ts'
import { becomeResuming, isChecked, mayBeat, mayRead, onRowChecked, steadyBroker } from './history.ts'
import { beginAnew, holds, renew } from './lease.ts'
import type { Logged } from './effects.ts'
import type { Membership, NodeState } from './state.ts'
import { makeToken } from './tokens.ts'

export const createMembership = (): Membership => ({
  life: { kind: 'joining' },
  inc: 0,
  rowSeq: 0,
  beats: 0,
  nextBeatMs: -Infinity,
  beat: undefined,
  readingRow: false,
  wasUp: false,
  lapsed: false,
  upSinceMs: Infinity,
  announced: false,
})

/** N3: the node may start turns, effects, timers and children, and may judge others. */
export const isUp = (node: NodeState): boolean => isMember(node) && holds(node.lease) && isChecked(node)

/** The row shows this life. */
export const isMember = (node: NodeState): boolean =>
  node.self.life.kind === 'member' || node.self.life.kind === 'leaving'

/** Beats when it is time, and looks at the row while what it shows is in doubt. Called at every tick. */
export function tickMembership(node: NodeState): void {
  const { self, history } = node
  const { life } = self
  if (life.kind === 'left' || !mayRead(history) || (self.beat !== undefined && !self.beat.doubt)) return
  if (self.beat !== undefined || life.kind === 'joining' || life.kind === 'waiting' || history.check === 'row')
    return readRow(node)
  if (mayBeat(history) && node.nowMs >= self.nextBeatMs) beat(node, life.kind === 'leaving' ? 'leaving' : 'up')
}

/** The next beat is due at once: something in it changed that others should hear. */
export function beatSoon(node: NodeState): void {
  node.self.nextBeatMs = -Infinity
  tickMembership(node)
}

/** The last beat of a life that owns nothing any more. */
export const beatFarewell = (node: NodeState): void => beat(node, 'left')

export function onOwnRowWritten(node: NodeState, row: Row, result: AppendResult): void {
  const { self } = node
  if (self.beat?.row.token !== row.token) return
  if (result.kind === 'stored') return becomeAcknowledged(node, row, result.seq)
  if (result.kind === 'full' || result.kind === 'too large') {
    // A member waits for room, as for any broker that does not answer; who is not in yet is told at once.
    if (!isMember(node)) self.life = { kind: 'left' }
    const why = refuse('STORAGE_FULL', 'the broker has no room for the beats of this node')
    node.out.push({ kind: 'notify', event: { kind: 'refused', why } })
  }
  self.beat = { ...self.beat, doubt: true }
  if (result.kind === 'refused') readRow(node)
}

export function onOwnRowRead(node: NodeState, result: Logged<Row> | 'empty' | 'unknown'): void {
  const { self } = node
  self.readingRow = false
  if (result === 'unknown') return
  if (self.life.kind === 'left') return
  if (isMember(node)) return judgeOwnRow(node, result)
  join(node, result)
}

/** N7, D1: any reconnect of one's own restarts all waits: nobody could beat while the broker was away. */
export function restartWait({ self, nowMs }: NodeState): void {
  if (self.life.kind === 'waiting') self.life = { ...self.life, sinceMs: nowMs }
}

/** N2: what the row shows of this life. */
function judgeOwnRow(node: NodeState, result: Logged<Row> | 'empty'): void {
  const { self } = node
  if (result === 'empty') return becomeFenced(node, 'the row of this node is gone')
  const { record: row, seq } = result
  const landed = row.token === self.beat?.row.token
  const alive = row.state === 'up' || row.state === 'leaving'
  // That this life has left may be its own last word.
  if (!landed && (row.inc !== self.inc || row.boot !== node.config.boot || !alive))
    return becomeFenced(node, `the row shows incarnation ${row.inc} as ${row.state}`)
  // After a connect the broker may have forgotten the newest beat, and gives its sequence out anew.
  self.rowSeq = node.history.check === 'row' ? seq : Math.max(self.rowSeq, seq)
  onRowChecked(node)
  if (landed) becomeAcknowledged(node, row, seq)
  else if (self.beat?.doubt) {
    // It did not land so far. It may land later; then the next beat is refused, and the row is read again.
    self.beat = undefined
    self.nextBeatMs = node.nowMs
  }
}

/** N7: takes the row for the next life, or waits while another life shows in it. */
function join(node: NodeState, result: Logged<Row> | 'empty'): void {
  const { self } = node
  if (self.beat !== undefined && result !== 'empty' && result.record.token === self.beat.row.token)
    return becomeAcknowledged(node, self.beat.row, result.seq)
  if (self.beat !== undefined && !self.beat.doubt) return
  self.beat = undefined
  // I4: whoever took the row away did not take away what the logs say of earlier lives.
  if (result === 'empty') return begin(node, self.inc + 1, 0)
  const { record: row, seq } = result
  const over = row.state === 'dead' || row.state === 'left' || row.boot === node.config.boot
  if (over) return begin(node, Math.max(row.inc, self.inc) + 1, seq)
  if (self.life.kind !== 'waiting') {
    self.life = { kind: 'waiting', seq, sinceMs: node.nowMs }
    return
  }
  if (self.life.seq !== seq) {
    const why = refuse(
      'FORBIDDEN',
      `node id ${node.config.profile.id} is in use: its row is alive (incarnation ${row.inc}); choose another id`,
    )
    self.life = { kind: 'left' }
    node.out.push({ kind: 'notify', event: { kind: 'refused', why } })
    return
  }
  if (node.nowMs - self.life.sinceMs >= node.config.timing.waitMs) begin(node, row.inc + 1, seq)
}

/** The first beat of a life. */
function begin(node: NodeState, inc: number, rowSeq: number): void {
  const { self } = node
  self.inc = inc
  self.rowSeq = rowSeq
  self.beats = 0
  beat(node, 'up')
}

function beat(node: NodeState, state: RowState): void {
  const { self, config } = node
  const row: Row = {
    kind: 'row',
    inc: self.inc,
    boot: config.boot,
    state,
    beat: ++self.beats,
    token: makeToken(node),
    profile: config.profile,
    steady: steadyBroker(node),
    load: loadOf(node),
  }
  // N1: `now` is read before the beat leaves; the lease counts from here.
  self.beat = { row, sentLeaseMs: node.lease.nowMs, doubt: false }
  self.nextBeatMs = node.nowMs + config.timing.beatMs
  node.out.push({ kind: 'write row', nodeId: config.profile.id, row, expected: self.rowSeq })
}

function becomeAcknowledged(node: NodeState, row: Row, seq: number): void {
  const { self } = node
  const sentMs = self.beat!.sentLeaseMs
  self.beat = undefined
  self.rowSeq = seq
  if (row.state === 'left') {
    becomeLeft(node, [])
    return
  }
  if (self.life.kind === 'joining' || self.life.kind === 'waiting') self.life = { kind: 'member' }
  renew(node.lease, sentMs, node.config.timing)
  // N5: the lease is back; what is held is looked at before anything starts.
  if (self.lapsed && holds(node.lease)) {
    self.lapsed = false
    becomeResuming(node)
  }
}

/** N6: this life is over. Nothing of it is carried on; the next one has a higher incarnation, unless this one was leaving: then
 *  there is none. The shards are given up by `node.ts`, which hears of it in the same step. */
function becomeFenced(node: NodeState, reason: string): void {
  const { self } = node
  self.life = self.life.kind === 'leaving' ? { kind: 'left' } : { kind: 'joining' }
  self.beat = undefined
  beginAnew(node.lease)
  node.fencedBecause = reason
}

/** Nothing more is said or done under this id by this process. */
export function becomeLeft(node: NodeState, abandoned: readonly ShardName[]): void {
  node.self.life = { kind: 'left' }
  node.out.push({ kind: 'notify', event: { kind: 'left', abandoned } })
}

function readRow(node: NodeState): void {
  if (node.self.readingRow) return
  node.self.readingRow = true
  node.out.push({ kind: 'read row', nodeId: node.config.profile.id })
}

function loadOf(node: NodeState): Row['load'] {
  let shards = 0
  let actors = 0
  for (const shard of node.shards.values()) {
    if (shard.epoch === 0) continue
    shards++
    actors += shard.actors.size
  }
  return { shards, actors }
}
