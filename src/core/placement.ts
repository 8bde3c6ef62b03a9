/** Placement: the shard of an actor, at a node. */

import { addressOf, type ActorKey, type ShardName, shardOf } from '../protocol/address.ts'
import type { NodeState } from './state.ts'

export function shardOfActor(node: NodeState, actor: ActorKey): ShardName {
  const address = addressOf(actor)
  return shardOf(address, node.config.types.get(address.type)?.group ?? 'main', node.config.shards)
}
