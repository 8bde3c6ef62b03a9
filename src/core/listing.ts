/** Listing: the actors that a node owns, a page at a time, in order of key. What is not committed is not listed. */

import { addressOf } from '../protocol/address.ts'
import type { LifecycleReply, LifecycleRequest } from '../protocol/lifecycle.ts'
import type { ListRow } from '../protocol/results.ts'
import type { NodeState } from './state.ts'

const pageMax = 1_000

export function listActors(node: NodeState, request: Extract<LifecycleRequest, { kind: 'list' }>): LifecycleReply {
  const found: { readonly key: string; readonly row: ListRow }[] = []
  for (const shard of node.shards.values()) {
    if (shard.epoch === 0) continue
    for (const [key, { committed }] of shard.actors) {
      if (committed === undefined || (request.after !== undefined && key <= request.after)) continue
      const { type, id } = addressOf(key)
      if (request.type !== undefined && type !== request.type) continue
      found.push({ key, row: { type, id, status: committed.status, shard: shard.name, node: node.config.profile.id } })
    }
  }
  found.sort((a, b) => (a.key < b.key ? -1 : 1))
  const page = found.slice(0, Math.min(request.count, pageMax))
  const rows = page.map(({ row }) => row)
  return page.length < found.length ? { kind: 'listed', rows, next: page.at(-1)!.key } : { kind: 'listed', rows }
}
