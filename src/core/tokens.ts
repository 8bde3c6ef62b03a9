/** Tokens: names for records and packages that no other record ever has (rule S2: a token is per record, not per writer). */

import type { NodeState, Shard } from './state.ts'

export const makeToken = (node: NodeState): string => `${node.config.boot}-${(++node.tokens).toString(36)}`

/** Both were made by one process, this one before the other. */
export function wasMadeBefore(token: string, other: string): boolean {
  const [boot, number = ''] = token.split('-')
  const [otherBoot, otherNumber = ''] = other.split('-')
  return boot === otherBoot && Number.parseInt(number, 36) < Number.parseInt(otherNumber, 36)
}

/** What every record of a shard's log begins with. */
export const recordHead = (node: NodeState, shard: Shard) => ({
  token: makeToken(node),
  prev: shard.tailSeq,
  epoch: shard.epoch,
  owner: node.config.profile.id,
  inc: node.self.inc,
})
