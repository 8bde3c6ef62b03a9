/** View: the agreement on who is in the cluster, and the duty to declare the dead.
 *
 *  The view is a pure function of the rows, never of suspicion: whoever sees that they differ proposes the next number by
 *  compare-and-set, and the first one wins. A row that stands still for W, on this node's monotonic clock and while this node
 *  itself was UP the whole time, is declared dead by compare-and-set on that row (rule D1): either the victim's next beat
 *  wins, or the declaration does and the beat fails. Nodes take turns by rank, so that as a rule only one of them acts (D4). */

import type { AppendResult } from '../protocol/log-results.ts'
import { hashVersion } from '../base/hash.ts'
import type { Member, Row, View } from '../protocol/records.ts'
import type { Logged } from './effects.ts'
import { noteSteady } from './history.ts'
import { isUp } from './membership.ts'
import { ringOf, ringVersion } from './ring.ts'
import type { Cluster, NodeState, Seen } from './state.ts'
import { makeToken } from './tokens.ts'

export const createCluster = (): Cluster => ({
  rows: new Map(),
  missing: new Set(),
  doubted: new Set(),
  view: undefined,
  viewSeq: 0,
  loggedNumber: 0,
  ring: undefined,
  viewReadMs: -Infinity,
  readingViewSinceMs: undefined,
  proposing: false,
  differsSinceMs: undefined,
  declaring: new Set(),
})

const turnMs = 100

/** Notes a record of a row. Older ones than the known one come when a watch begins anew. */
export function onRowSeen(node: NodeState, nodeId: string, seq: number, row: Row): void {
  const known = node.cluster.rows.get(nodeId)
  // A broker that forgot its newest records gives their sequences out anew.
  if (known !== undefined && (known.seq > seq || (known.seq === seq && known.row.token === row.token))) return
  node.cluster.missing.delete(nodeId)
  node.cluster.doubted.delete(nodeId)
  noteSteady(node, row)
  node.cluster.rows.set(nodeId, { row, seq, arrivedMs: node.nowMs })
  proposeIfDue(node)
}

/** There is no row: such a node is no member, although it is not gone either (rule D3). What was known of it before a loss holds: who
 *  still lived under it finds no row, and is fenced. */
export function onRowMissing(node: NodeState, nodeId: string): void {
  node.cluster.doubted.delete(nodeId)
  if (!node.cluster.rows.has(nodeId)) node.cluster.missing.add(nodeId)
}

export function onRowWritten(node: NodeState, nodeId: string, row: Row, result: AppendResult): void {
  node.cluster.declaring.delete(nodeId)
  if (result.kind === 'stored') {
    node.out.push({ kind: 'notify', event: { kind: 'declared dead', nodeId, inc: row.inc } })
    onRowSeen(node, nodeId, result.seq, row)
  } else node.out.push({ kind: 'read row', nodeId })
}

export function onViewSeen(node: NodeState, seq: number, view: View): 'newer' | 'known' {
  const { cluster } = node
  if (cluster.view !== undefined && view.number <= cluster.view.number) return 'known'
  cluster.view = view
  cluster.viewSeq = seq
  cluster.loggedNumber = view.number
  cluster.ring = ringOf(view)
  cluster.differsSinceMs = undefined
  node.out.push({ kind: 'notify', event: { kind: 'view', view } })
  return 'newer'
}

export function onViewRead(node: NodeState, result: Logged<View> | 'empty' | 'unknown'): void {
  const { cluster } = node
  const sinceMs = cluster.readingViewSinceMs
  cluster.readingViewSinceMs = undefined
  if (result === 'unknown' || sinceMs === undefined) return
  cluster.viewReadMs = sinceMs
  // What lies in the log is what a proposal must follow, also after the broker has lost a newer one.
  cluster.viewSeq = result === 'empty' ? 0 : result.seq
  cluster.loggedNumber = result === 'empty' ? 0 : result.record.number
  if (result !== 'empty') onViewSeen(node, result.seq, result.record)
}

/** Reads the view from the leader, if it is not being read already. */
export function readView(node: NodeState): void {
  if (node.cluster.readingViewSinceMs !== undefined || !node.history.connected) return
  node.cluster.readingViewSinceMs = node.nowMs
  node.out.push({ kind: 'read view' })
}

export function onViewWritten(node: NodeState, view: View, result: AppendResult): void {
  node.cluster.proposing = false
  if (result.kind === 'stored') return void onViewSeen(node, result.seq, view)
  // Who had no answer, or no room, does not ask in the same breath again.
  if (result.kind !== 'refused') node.cluster.differsSinceMs = node.nowMs + turnMs
  readView(node)
}

/** Declares who must be dead, and proposes the view that the rows ask for. Called at every tick. */
export function tickView(node: NodeState): void {
  if (!isUp(node)) return
  const { rows, declaring, doubted } = node.cluster
  for (const nodeId of doubted) node.out.push({ kind: 'read row', nodeId })
  const rank = rankOf(node)
  for (const [nodeId, seen] of rows) {
    if (nodeId === node.config.profile.id || !isAlive(seen.row) || declaring.has(nodeId)) continue
    const stoodMs = node.nowMs - Math.max(seen.arrivedMs, node.self.upSinceMs)
    if (stoodMs < node.config.timing.waitMs + rank * turnMs) continue
    declaring.add(nodeId)
    const row: Row = { ...seen.row, state: 'dead', token: makeToken(node) }
    node.out.push({ kind: 'write row', nodeId, row, expected: seen.seq })
  }
  proposeIfDue(node)
}

/** D3: never becomes false again, unless the broker forgets it: then that life may go on (R3). A row that is missing is not gone. */
export function isGone(node: NodeState, nodeId: string, inc: number): boolean {
  if (node.cluster.doubted.has(nodeId)) return false
  const row = node.cluster.rows.get(nodeId)?.row
  return row !== undefined && (row.inc > inc || (row.inc === inc && !isAlive(row)))
}

function proposeIfDue(node: NodeState): void {
  const { cluster } = node
  if (!isUp(node) || cluster.proposing || !knowsRows(node)) return
  const members = membersOf(cluster.rows)
  // I4: a view that the broker has forgotten is made anew under a higher number, also where its members have not changed: clients know it.
  const isLogged = cluster.loggedNumber === cluster.view?.number
  if (cluster.view !== undefined && isLogged && sameMembers(members, cluster.view.members)) {
    cluster.differsSinceMs = undefined
    return
  }
  cluster.differsSinceMs ??= node.nowMs
  if (node.nowMs < cluster.differsSinceMs + rankOf(node) * turnMs) return
  cluster.proposing = true
  const view: View = {
    kind: 'view',
    number: (cluster.view?.number ?? 0) + 1,
    members,
    shards: node.config.shards,
    ringVersion,
    hashVersion,
    token: makeToken(node),
  }
  node.out.push({ kind: 'write view', view, expected: cluster.viewSeq })
}

/** A watch that has just begun has not told everything: who is in the view must not be taken for missing. Nor must anybody be taken for
 *  dead, or alive, by a row that the broker may have lost. */
function knowsRows(node: NodeState): boolean {
  const { cluster } = node
  if (cluster.viewReadMs === -Infinity) {
    readView(node)
    return false
  }
  const unknown = cluster.view?.members.filter(({ id }) => !cluster.rows.has(id) && !cluster.missing.has(id)) ?? []
  for (const { id } of unknown) node.out.push({ kind: 'read row', nodeId: id })
  return unknown.length === 0 && cluster.doubted.size === 0
}

/** The members that the rows show: a pure function, the same at every node that has seen the same rows. */
export function membersOf(rows: ReadonlyMap<string, Seen>): readonly Member[] {
  const members: Member[] = []
  for (const [id, { row }] of rows)
    if (row.state === 'up' || row.state === 'leaving')
      members.push({ id, inc: row.inc, state: row.state, profile: row.profile })
  return members.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

const isAlive = (row: Row): boolean => row.state === 'up' || row.state === 'leaving'

function sameMembers(a: readonly Member[], b: readonly Member[]): boolean {
  return a.length === b.length && a.every((m, i) => m.id === b[i]!.id && m.inc === b[i]!.inc && m.state === b[i]!.state)
}

/** This node's place among those whose rows move, by id: the first one acts, the others only if it does not. */
function rankOf(node: NodeState): number {
  let rank = 0
  for (const [nodeId, seen] of node.cluster.rows)
    if (
      nodeId < node.config.profile.id &&
      seen.row.state === 'up' &&
      node.nowMs - seen.arrivedMs < node.config.timing.leaseMs
    )
      rank++
  return rank
}
