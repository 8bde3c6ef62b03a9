/** The ring's slow and obvious twin: what it does in the words of its header, with nothing made fast. Tests hold the ring against it, and
 *  the simulator's checkers ask it instead of the ring. */

import { hash32, mix32 } from '../../../src/base/hash.ts'

export function assignSlowly(nodes: readonly string[], group: string, shards: number): readonly string[] {
  const fair = shards / nodes.length
  const least = Math.floor(fair < 8 ? fair : 0.94 * fair)
  const most = Math.max(Math.ceil(fair), Math.floor(1.06 * fair))
  const calls = nodes.flatMap((node) => {
    const key = hash32(node, hash32(group))
    const drawer = (shard: number): number =>
      Number((BigInt(mix32(key ^ Math.imul(shard + 1, 0x9e3779b1))) * BigInt(shards)) >> 32n)
    const list = Array.from({ length: shards }, (_, shard) => shard).toSorted((a, b) => drawer(a) - drawer(b) || a - b)
    return list.map((shard, place) => ({ node, key, shard, place }))
  })
  const owners = new Map<number, string>()
  for (const { node, shard } of calls.toSorted((a, b) => a.place - b.place || a.key - b.key)) {
    const held = (owner: string): number => shardsOf(owner, [...owners.values()])
    const spareTaken = total(nodes.map((owner) => Math.max(0, held(owner) - least)))
    const hasSeat = held(node) < least || (held(node) < most && spareTaken < shards - nodes.length * least)
    if (!owners.has(shard) && hasSeat) owners.set(shard, node)
  }
  return Array.from({ length: shards }, (_, shard) => owners.get(shard)!)
}

const total = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0)

const shardsOf = (node: string, owners: readonly string[]): number => owners.filter((owner) => owner === node).length
