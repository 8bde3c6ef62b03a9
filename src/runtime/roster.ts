/** Roster: what a node can tell about the whole cluster: its members, the actors that they hold; and the word to one of them
 *  to leave. Rows come from the control log, actors from the members themselves. */

import { type Clock, sleep } from '../base/clock.ts'
import { errorOf, GodwitError, refuse } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import type { NodeState } from '../core/state.ts'
import { keyOf } from '../protocol/address.ts'
import {
  decodeLifecycleReply,
  encodeLifecycle,
  type LifecycleReply,
  type LifecycleRequest,
} from '../protocol/lifecycle.ts'
import type { DrainOrder, ListPage, ListQuery } from '../protocol/cluster.ts'
import type { ListRow, NodeRow, Nodes } from '../protocol/results.ts'
import type { Subjects } from '../protocol/subjects.ts'
import type { Transport } from '../transport/port.ts'
import type { Directory } from './gateway.ts'

export interface RosterOptions {
  readonly node: NodeState
  readonly transport: Transport
  readonly subjects: Subjects
  readonly clock: Clock
}

/** `list` rejects with UNAVAILABLE when a member does not answer: a list never leaves some out without saying so. `drain` rejects
 *  with BAD_REQUEST for a node that is no member, and with DEADLINE when it takes too long: the node goes on leaving. */
export function createRoster({ node, transport, subjects, clock }: RosterOptions): Directory {
  async function nodes(): Promise<Nodes> {
    const rows: NodeRow[] = []
    for (const [id, { row }] of node.cluster.rows) {
      const { zone, region } = row.profile
      rows.push({
        id,
        state: row.state,
        ...(zone !== undefined && { zone }),
        ...(region !== undefined && { region }),
        // The last word of a node that was killed tells what it held then; now others do.
        ...(row.state === 'dead' ? { shards: 0, actors: 0 } : row.load),
      })
    }
    return { view: node.cluster.view?.number ?? 0, nodes: rows.toSorted((a, b) => (a.id < b.id ? -1 : 1)) }
  }

  async function list(query: ListQuery): Promise<ListPage> {
    const members = node.cluster.view?.members ?? []
    const pages = await Promise.all(
      members.map(({ id }) => askForPage(id, { kind: 'list', ...query, count: pageRows })),
    )
    const rows = pages.flatMap((page) => page.rows).toSorted((a, b) => (keyFor(a) < keyFor(b) ? -1 : 1))
    // Beyond the end of a page that was cut, another member's rows would hide rows that are still to come.
    const safeUntil = pages.flatMap((page) => page.next ?? []).toSorted()[0]
    const complete = rows.filter((row) => safeUntil === undefined || keyFor(row) <= safeUntil).slice(0, pageRows)
    const more = complete.length < rows.length || safeUntil !== undefined
    const last = complete.at(-1)
    return more && last !== undefined ? { rows: complete, next: keyFor(last) } : { rows: complete }
  }

  async function askForPage(
    nodeId: string,
    request: LifecycleRequest,
  ): Promise<Extract<LifecycleReply, { kind: 'listed' }>> {
    const reply = await ask(nodeId, request)
    if (typeof reply === 'object' && reply.kind === 'listed') return reply
    throw new GodwitError('UNAVAILABLE', `node ${nodeId} did not list its actors in time; try again`)
  }

  async function drain({ node: nodeId, timeoutMs }: DrainOrder): Promise<void> {
    const known = node.cluster.rows.get(nodeId)?.row.state
    if (known !== 'up' && known !== 'leaving')
      throw errorOf(
        refuse(
          'BAD_REQUEST',
          `node ${nodeId} is no member of this cluster${known === undefined ? '' : `: it is ${known}`}`,
        ),
      )
    const beganMs = clock.now().monoMs
    // At its deadline the node lets go of the rest; its last beat takes some time as well.
    const endMs = beganMs + timeoutMs + node.config.timing.waitMs + limits.handoffStepMs
    let askedMs = -Infinity
    for (;;) {
      const nowMs = clock.now().monoMs
      const state = node.cluster.rows.get(nodeId)?.row.state
      if (state === 'left') return
      if (state === 'dead')
        throw new GodwitError('UNAVAILABLE', `node ${nodeId} died before it had left; its actors are taken over`)
      if (nowMs >= endMs) throw new GodwitError('DEADLINE', `node ${nodeId} has not left within ${timeoutMs} ms`)
      if (state === 'up' && nowMs - askedMs > limits.handoffStepMs) {
        askedMs = nowMs
        await ask(nodeId, { kind: 'drain', timeoutMs: Math.max(0, timeoutMs - (nowMs - beganMs)) })
      }
      await sleep(clock, 50)
    }
  }

  async function ask(nodeId: string, request: LifecycleRequest): Promise<LifecycleReply | undefined> {
    const result = await transport.request(subjects.lifecycle(nodeId), encodeLifecycle(request), limits.handoffStepMs)
    return result.kind === 'reply' ? decodeLifecycleReply(result.bytes) : undefined
  }

  return { view: () => node.cluster.view, nodes, list, drain }
}

const pageRows = 500

const keyFor = (row: ListRow): string => keyOf(row)
