/** Ring: which node owns which shard. It is a pure function of a view, so every node and every client computes the same
 *  answer without asking anybody, and the difference of two views is the list of moves.
 *
 *  It promises an even share: at most max(ceil(fair), floor(1.06 fair)) shards on the fullest node, at least
 *  floor(0.94 fair) on the emptiest, and as even as whole numbers allow below eight shards a node. It promises few
 *  moves: what a joiner takes or a leaver leaves, and on average up to 25 % more for 2 to 8 nodes and 256 shards (less
 *  than 5 % at 1,024). It leaves to others whether the owner has claimed the shard yet.
 *
 *  How: rendezvous hashing (Thaler and Ravishankar 1998) with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2017).
 *  Every node lists all shards by a hash of the pair, its favourites first. Then all nodes read their lists aloud
 *  together, one line a round: a shard that is still free goes to the node that names it, if that node has a seat left.
 *
 *  Two choices were made by counting moves over 400 random sets of names. What counts is the place in the list, not the
 *  hash itself: so every node has the same chances before any seat is counted, fewer shards are turned away, and up to
 *  10 % fewer move. And a node whose line is already taken waits for the next round; Maglev (Eisenbud et al. 2016) lets
 *  it search on, which moves up to 40 % more at the same evenness. Other orders of service (shard by shard, closest
 *  call first, cheapest total) move as many or more: what is left is the price of evenness, and small sets pay most. */

import { assert } from '../base/assert.ts'
import { hash32, hashVersion, mix32 } from '../base/hash.ts'
import { type ShardName, shardName } from '../protocol/address.ts'
import type { Member, TypeOffer, View } from '../protocol/records.ts'

/** Must change with anything that changes one answer of `assign`: nodes of two opinions would fight over shards. */
export const ringVersion = 1

export interface Ring {
  /** Every group that a member offers types in, owned or not, in alphabetical order. */
  readonly groups: readonly string[]
  /** The group whose shards the actors of this type live in; undefined if no member offers the type. */
  groupOf(type: string): string | undefined
  /** The node that should own the shard; undefined while no member may. */
  ownerOf(shard: ShardName): string | undefined
  /** All shards that the node should own, by group and index. */
  shardsOf(nodeId: string): readonly ShardName[]
}

const rings = new WeakMap<View, Ring>()

/** The ring of a view, computed at the first question and remembered as long as the view is. */
export function ringOf(view: View): Ring {
  const known = rings.get(view)
  if (known !== undefined) return known
  const ring = computeRing(view)
  rings.set(view, ring)
  return ring
}

/** The owner of each of a group's shards, by index: a function of the set of nodes, whatever their order. */
export function assign(nodes: readonly string[], group: string, shards: number): readonly string[] {
  if (nodes.length === 0) return []
  const readers = readersOf(new Set(nodes), group, shards)
  const { least, most } = seatsOf(shards / readers.length)
  // Everybody is sure of the least; what is left over goes, up to the most, to those who ask first.
  let spare = shards - readers.length * least
  let free = shards
  const owners = Array.from<string>({ length: shards })
  for (let round = 0; free > 0; round++) {
    for (const reader of readers) {
      const shard = reader.list[round]!
      if (owners[shard] !== undefined || reader.held === most) continue
      if (reader.held >= least) {
        if (spare === 0) continue
        spare--
      }
      owners[shard] = reader.id
      reader.held++
      free--
    }
  }
  return owners
}

/** Below this many shards a node, 6 % is no whole shard and evenness is worth more: 9 on 4 nodes must be 3, 2, 2, 2. */
const evenBelow = 8

/** How many shards a node holds at least and at most. The room between the two is what saves moves. */
const seatsOf = (fair: number): { readonly least: number; readonly most: number } => ({
  least: Math.floor(fair < evenBelow ? fair : 0.94 * fair),
  most: Math.max(Math.ceil(fair), Math.floor(1.06 * fair)),
})

interface Reader {
  readonly id: string
  readonly key: number
  /** Every shard once, the favourite first. */
  readonly list: Uint32Array
  held: number
}

/** The nodes in the order in which they read within a round: by hash, so that no way of naming nodes is favoured. */
function readersOf(nodes: ReadonlySet<string>, group: string, shards: number): readonly Reader[] {
  const seed = hash32(group)
  return Array.from(nodes, (id) => ({ id, key: hash32(id, seed) }))
    .toSorted((a, b) => a.key - b.key || (a.id < b.id ? -1 : 1))
    .map(({ id, key }) => ({ id, key, list: favourites(key, shards), held: 0 }))
}

/** All shards by the hash of node and shard: a counting sort with a drawer for each place, because hashes are even and
 *  a general sort takes three times as long. Shards that share a drawer stay in the order of their numbers. */
function favourites(key: number, shards: number): Uint32Array {
  const drawers = new Uint32Array(shards)
  const places = new Uint32Array(shards + 1)
  const list = new Uint32Array(shards)
  for (let shard = 0; shard < shards; shard++) {
    const drawer = drawerOf(key, shard, shards)
    drawers[shard] = drawer
    places[drawer + 1]! += 1
  }
  for (let drawer = 0; drawer < shards; drawer++) places[drawer + 1]! += places[drawer]!
  for (let shard = 0; shard < shards; shard++) list[places[drawers[shard]!]!++] = shard
  return list
}

/** The hash of the pair, scaled to the drawers. The odd constant (2^32 over the golden ratio) spreads small numbers. */
const drawerOf = (key: number, shard: number, drawers: number): number =>
  Math.floor((mix32(key ^ Math.imul(shard + 1, 0x9e3779b1)) / 2 ** 32) * drawers)

function computeRing(view: View): Ring {
  const versions = `ring ${view.ringVersion} and hash ${view.hashVersion}`
  assert(view.ringVersion === ringVersion && view.hashVersion === hashVersion, `this release cannot follow ${versions}`)
  const up = view.members.filter((member) => member.state === 'up')
  const wanted = newestOffers(up)
  const known = newestOffers(view.members)
  const offers = view.members.flatMap((member) => member.profile.types)
  const groups = [...new Set(offers.map((offer) => offer.group))].toSorted()

  const owners = new Map<ShardName, string>()
  const held = new Map<string, ShardName[]>(up.map((member) => [member.id, []]))
  for (const group of groups) {
    for (const [index, nodeId] of assign(candidates(up, wanted, group), group, view.shards).entries()) {
      const shard = shardName(group, index)
      owners.set(shard, nodeId)
      held.get(nodeId)!.push(shard)
    }
  }
  return {
    groups,
    groupOf: (type) => (wanted.get(type) ?? known.get(type))?.group,
    ownerOf: (shard) => owners.get(shard),
    shardsOf: (nodeId) => held.get(nodeId) ?? [],
  }
}

/** Each type's offer of the highest version. Two groups at one version are a mistake: all nodes choose the same one. */
function newestOffers(members: readonly Member[]): ReadonlyMap<string, TypeOffer> {
  const newest = new Map<string, TypeOffer>()
  for (const offer of members.flatMap((member) => member.profile.types)) {
    const rival = newest.get(offer.type)
    const wins = rival === undefined || offer.version > rival.version
    if (wins || (offer.version === rival.version && offer.group < rival.group)) newest.set(offer.type, offer)
  }
  return newest
}

/** The nodes that may own shards of the group: those that offer the most of its wanted types.
 *  As a rule that is all of them at their newest versions, so shards move only towards the newest. Where no node offers
 *  all, as when a release drops one type and raises another, serving most types beats serving none; the others are
 *  refused by the owner, who never opens a snapshot newer than itself. */
function candidates(up: readonly Member[], wanted: ReadonlyMap<string, TypeOffer>, group: string): readonly string[] {
  const isWanted = (offer: TypeOffer): boolean => {
    const newest = wanted.get(offer.type)
    return offer.group === group && newest?.group === group && offer.version === newest.version
  }
  const scores = up.map((member) => member.profile.types.filter(isWanted).length)
  const best = Math.max(1, ...scores)
  return up.filter((_, i) => scores[i] === best).map((member) => member.id)
}
