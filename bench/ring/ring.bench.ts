/** Is Godwit's ring a better home for keys than the two hash rings on npm, and does it cost anything?
 *  Every contestant gets the same nodes and keys in its default settings, and is asked what every request asks: which
 *  node for this key? Rounds alternate, so that a busy moment of the machine hits all alike; medians are reported.
 *  Not measured: memory, and rings of unequal weights, which Godwit does not have. */

import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'

import { hashVersion } from '../../src/base/hash.ts'
import { ringOf, ringVersion } from '../../src/core/ring.ts'
import { shardOf } from '../../src/protocol/address.ts'
import type { Member, View } from '../../src/protocol/records.ts'

const { values: flags } = parseArgs({ options: { small: { type: 'boolean' }, json: { type: 'string' } } })

const sizes = { nodes: 16, shards: 256, ...(flags.small ? { keys: 500, rounds: 1 } : { keys: 10_000, rounds: 7 }) }

/** The largest ring that is meant to be built within 5 ms. */
const large = { nodes: 64, shards: 1_024 }

type Lookup = (key: string) => string

interface Contestant {
  readonly name: string
  readonly build: (nodes: readonly string[]) => Lookup
}

// Both packages come without types.
const require = createRequire(import.meta.url)
const Hashring = require('hashring') as new (nodes: readonly string[]) => { get: Lookup }
const HashRing = require('hash-ring') as new (nodes: readonly string[]) => { getNode: Lookup }

const contestants: readonly Contestant[] = [
  {
    name: 'godwit',
    build: (nodes) => {
      const ring = ringOf(viewOf(nodes, sizes.shards))
      return (id) => ring.ownerOf(shardOf({ type: 'cart', id }, 'main', sizes.shards))!
    },
  },
  {
    name: 'hashring 3.2.0',
    build: (nodes) => {
      const ring = new Hashring(nodes)
      return (key) => ring.get(key)
    },
  },
  {
    name: 'hash-ring 1.0.1',
    build: (nodes) => {
      const ring = new HashRing(nodes)
      return (key) => ring.getNode(key)
    },
  },
]

const nodes = namesOf(sizes.nodes)
const keys = Array.from({ length: sizes.keys }, (_, i) => `cart-${i + 1}`)

const buildsMs = contestants.map((): number[] => [])
const lookupsMs = contestants.map((): number[] => [])
const largeBuildsMs: number[] = []
for (let round = 0; round < sizes.rounds; round++) {
  for (const [i, contestant] of contestants.entries()) {
    const start = performance.now()
    const lookup = contestant.build(nodes)
    const built = performance.now()
    for (const key of keys) lookup(key)
    buildsMs[i]!.push(built - start)
    lookupsMs[i]!.push(performance.now() - built)
  }
  const start = performance.now()
  ringOf(viewOf(namesOf(large.nodes), large.shards))
  largeBuildsMs.push(performance.now() - start)
}

const results = contestants.map(({ name, build }, i) => {
  const buildMs = median(buildsMs[i]!)
  const lookupsPerSecond = (sizes.keys / median(lookupsMs[i]!)) * 1_000
  const { fullest, emptiest } = shareOf(build(nodes))
  const { moved, least } = movesOf(build(nodes), build([...nodes, 'joiner']))
  return { name, buildMs, lookupsPerSecond, fullest, emptiest, moved, least }
})
const largeBuildMs = median(largeBuildsMs)

print()
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report(), null, 2)}\n`)

/** Keys on the fullest and on the emptiest node. */
function shareOf(lookup: Lookup): { readonly fullest: number; readonly emptiest: number } {
  const held = new Map(nodes.map((node) => [node, 0]))
  for (const key of keys) held.set(lookup(key), held.get(lookup(key))! + 1)
  return { fullest: Math.max(...held.values()), emptiest: Math.min(...held.values()) }
}

/** Keys that move when a node joins, and how many of them had to: those that the joiner now has. */
function movesOf(before: Lookup, after: Lookup): { readonly moved: number; readonly least: number } {
  return {
    moved: keys.filter((key) => before(key) !== after(key)).length,
    least: keys.filter((key) => after(key) === 'joiner').length,
  }
}

function namesOf(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `node-${i + 1}`)
}

function viewOf(ids: readonly string[], shards: number): View {
  const types = [{ type: 'cart', group: 'main', version: 1 }]
  const members = ids.map((id): Member => ({ id, inc: 1, state: 'up', profile: { id, types } }))
  return { kind: 'view', number: 1, members, shards, ringVersion, hashVersion, token: 'bench' }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!
}

function print(): void {
  const table = new Table({
    head: ['', 'lookups/s', 'build ms', 'fullest', 'emptiest', 'moved on join', 'had to'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: [] },
  })
  for (const { name, lookupsPerSecond, buildMs, ...keysOf } of results) {
    const speed = Math.round(lookupsPerSecond).toLocaleString('en')
    table.push([name, speed, buildMs.toFixed(2), keysOf.fullest, keysOf.emptiest, keysOf.moved, keysOf.least])
  }
  console.log(`${sizes.keys} keys on ${sizes.nodes} nodes, ${sizes.keys / sizes.nodes} each if even`)
  console.log(table.toString())
  console.log(
    `godwit builds the ring of ${large.nodes} nodes and ${large.shards} shards in ${largeBuildMs.toFixed(2)} ms`,
  )
}

function report(): object {
  const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, ${process.platform} ${process.arch}`
  const run = { date: new Date().toISOString(), node: process.version, machine }
  return { benchmark: 'ring', ...run, sizes, results, large: { ...large, buildMs: largeBuildMs } }
}
