/** Cluster: the requests that are not about one actor: which nodes there are, which actors, the agreed view, and the wish that a
 *  node hands everything over. */

import { GodwitError, messageOf, type Refusal, refuse } from '../base/errors.ts'
import { checkName } from './address.ts'
import { decode, encode } from './codec.ts'
import { decodeRecord, encodeRecord, type View } from './records.ts'
import type { ListRow } from './results.ts'

export interface ListQuery {
  /** Only actors of this type. */
  readonly type?: string
  /** Where the page before ended: its `next`. */
  readonly after?: string
}

export interface ListPage {
  readonly rows: readonly ListRow[]
  /** Left out of the last page. Means nothing to anybody but the cluster. */
  readonly next?: string
}

export interface DrainOrder {
  readonly node: string
  /** After this the node lets go of the rest and leaves all the same. */
  readonly timeoutMs: number
}

const drainMsDefault = 30_000
const drainMsMax = 600_000

/** Throws `BAD_REQUEST`. */
export function parseListQuery({ type, after }: { readonly type?: unknown; readonly after?: unknown }): ListQuery {
  if (type !== undefined) checkName("an actor's type", type)
  if (after !== undefined && typeof after !== 'string')
    throw new GodwitError('BAD_REQUEST', "'after' must be the 'next' of the page before")
  return { ...(type !== undefined && { type }), ...(after !== undefined && { after }) }
}

/** Throws `BAD_REQUEST`. */
export function parseDrainOrder(order: { readonly node?: unknown; readonly timeoutMs?: unknown }): DrainOrder {
  const { node, timeoutMs = drainMsDefault } = order
  checkName('the id of a node', node)
  if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0 && timeoutMs <= drainMsMax))
    throw new GodwitError('BAD_REQUEST', `timeoutMs of a drain must be a number from 0 to ${drainMsMax}`)
  return { node, timeoutMs }
}

/** The view as `cluster.view` answers it, in Godwit's own encoding; a node without one says so. */
export const encodeViewReply = (view: View | undefined): Uint8Array =>
  view === undefined ? encode(refuse('UNAVAILABLE', 'this node is not in the cluster yet')) : encodeRecord(view)

/** A refusal as well for a view that this release cannot read. */
export function decodeViewReply(bytes: Uint8Array): View | Refusal {
  try {
    const reply = decode(bytes) as View | Refusal
    if ('code' in reply) return reply
    return decodeRecord(bytes) as View
  } catch (thrown) {
    return refuse('INTERNAL', `the cluster's view cannot be read: ${messageOf(thrown)}`)
  }
}
