/** Views for tests: who is in, and who offers what. */

import { hashVersion } from '../../src/base/hash.ts'
import { ringVersion } from '../../src/core/ring.ts'
import type { Member, View } from '../../src/protocol/records.ts'

/** `nodes`: the types that each node offers, by node id; `n1.2` is the second life of n1, `-` before it says that it leaves.
 *  A type lives in the group `main`, unless it says `type@group`. */
export const viewOf = (number: number, nodes: Readonly<Record<string, readonly string[]>>, shards = 16): View => ({
  kind: 'view',
  number,
  members: Object.entries(nodes).map(([name, types]) => memberOf(name, types)),
  shards,
  ringVersion,
  hashVersion,
  token: `view-${number}-${JSON.stringify(nodes)}`,
})

function memberOf(name: string, offers: readonly string[]): Member {
  const [id, inc = '1'] = name.replace(/^-/, '').split('.')
  const types = offers.map((offer) => {
    const [type, group = 'main'] = offer.split('@')
    return { type: type!, group, version: 1 }
  })
  return { id: id!, inc: Number(inc), state: name.startsWith('-') ? 'leaving' : 'up', profile: { id: id!, types } }
}
