/** ClusterCommands: `nodes`, `ps` and `drain`: what a cluster is made of, and taking a node out of it. */

import { type Command, Option } from 'commander'
import type { ListRow, NodeRow } from '../index.ts'
import { statusStyle } from './actor-commands.ts'
import { addConnectionFlags, type ConnectionFlags, withClient } from './connection.ts'
import { flag, wholeNumber } from './flags.ts'
import { addExamples } from './help.ts'
import { type Column, createTable } from './table.ts'
import { jsonLine, paint, printable, type Shell, type Style } from './terminal.ts'

interface NodesFlags extends ConnectionFlags {
  readonly timeout?: number
  readonly json?: true
}

interface PsFlags extends ConnectionFlags {
  readonly type?: string
  readonly json?: true
}

export function addClusterCommands(program: Command, shell: Shell): void {
  addPs(program, shell)
  addNodes(program, shell)
  addDrain(program, shell)
}

function addPs(program: Command, { stdout }: Shell): void {
  const ps = program
    .command('ps')
    .summary('List the actors')
    .description('List the actors of the cluster, as they are read.')
    .option('--type <TYPE>', 'only actors of this type')
    .option('--json', 'print one line of JSON for each actor')
    .action(async ({ type, json, ...flags }: PsFlags) => {
      const table = createTable(stdout, actorColumns)
      const print = (rows: readonly ListRow[]): Promise<void> =>
        json ? stdout.write(rows.map(jsonLine).join('')) : table.write(rows)
      let count = 0
      await withClient(flags, async (client) => {
        for await (const rows of piecesOf(client.list(type === undefined ? {} : { type }))) {
          count += rows.length
          await print(rows)
        }
      })
      if (count === 0) await print([])
      if (stdout.isTerminal && !json) await stdout.write(`${paint(stdout, 'dim', counted(count, 'actor'))}\n`)
    })
  addConnectionFlags(ps)
  addExamples(ps, stdout, [
    ['godwit ps', 'all actors'],
    ['godwit ps --type counter', 'the actors of one type'],
    ['godwit ps --json | jq -r \'select(.status == "error") | .id\'', 'for a program'],
  ])
}

function addNodes(program: Command, { stdout }: Shell): void {
  const nodes = program
    .command('nodes')
    .summary('List the nodes and what they hold')
    .description('List the nodes of the cluster and what they hold.')
    .addOption(flag('--timeout <MS>', 'longest wait').argParser(wholeNumber(1)).default(undefined, '5000'))
    .option('--json', 'print the view and its nodes as one line of JSON')
    .action(async ({ timeout, json, ...flags }: NodesFlags) => {
      const found = await withClient(flags, (client) => client.nodes(timeoutOf(timeout)))
      if (json) return stdout.write(jsonLine(found))
      await createTable(stdout, nodeColumns(found.nodes)).write(found.nodes)
      if (stdout.isTerminal) await stdout.write(`${paint(stdout, 'dim', totals(found.view, found.nodes))}\n`)
    })
  addConnectionFlags(nodes)
  addExamples(nodes, stdout, [
    ['godwit nodes', 'a table'],
    ['watch -n1 godwit nodes', 'how shards move while a node joins or leaves'],
    ['godwit nodes --json | jq \'.nodes[] | select(.state == "up") | .id\'', 'for a program'],
  ])
}

function addDrain(program: Command, { stdout, stderr }: Shell): void {
  const drain = program
    .command('drain')
    .summary('Have a node hand over and leave')
    .description('Have a node hand everything over and leave. Its process ends, with exit code 0.')
    .argument('<node>', 'id of the node')
    // No variable: one that is meant for requests would cut a drain short.
    .addOption(
      new Option('--timeout <MS>', 'after this it lets go of the rest and leaves all the same')
        .argParser(wholeNumber(0))
        .default(undefined, '30000'),
    )
    .option('--json', 'print the result as one line of JSON')
    .action(async (node: string, { timeout, json, ...flags }: NodesFlags) => {
      if (stderr.isTerminal && !json) await stderr.write(`${paint(stderr, 'dim', `draining ${printable(node)} …`)}\n`)
      await withClient(flags, (client) => client.drain(node, timeoutOf(timeout)))
      await stdout.write(json ? jsonLine({ drained: node }) : `${paint(stdout, 'cyan', node)} has left\n`)
    })
  addConnectionFlags(drain)
  addExamples(drain, stdout, [
    ['godwit drain n1', 'before a machine goes down'],
    ['godwit drain n1 --timeout 120000', 'when much is to be let go of slowly'],
  ])
}

const timeoutOf = (timeoutMs: number | undefined): { timeoutMs?: number } =>
  timeoutMs === undefined ? {} : { timeoutMs }

const actorColumns: readonly Column<ListRow>[] = [
  { title: 'TYPE', of: (row) => row.type },
  { title: 'ID', of: (row) => row.id, style: () => 'bold' },
  { title: 'STATUS', of: (row) => row.status, style: (row) => statusStyle(row.status) },
  { title: 'NODE', of: (row) => row.node, style: () => 'cyan' },
  { title: 'SHARD', of: (row) => row.shard },
]

const stateStyles: Readonly<Record<NodeRow['state'], Style>> = {
  up: 'green',
  leaving: 'yellow',
  left: 'dim',
  dead: 'red',
}

function nodeColumns(nodes: readonly NodeRow[]): Column<NodeRow>[] {
  const columns: Column<NodeRow>[] = [
    { title: 'NODE', of: (row) => row.id, style: () => 'cyan' },
    { title: 'STATE', of: (row) => row.state, style: (row) => stateStyles[row.state] },
  ]
  // Most clusters have neither.
  if (nodes.some((row) => row.zone !== undefined)) columns.push({ title: 'ZONE', of: (row) => row.zone ?? '-' })
  if (nodes.some((row) => row.region !== undefined)) columns.push({ title: 'REGION', of: (row) => row.region ?? '-' })
  columns.push(
    { title: 'SHARDS', of: (row) => row.shards, align: 'right' },
    { title: 'ACTORS', of: (row) => row.actors, align: 'right' },
  )
  return columns
}

function totals(view: number, nodes: readonly NodeRow[]): string {
  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0)
  const up = nodes.filter(({ state }) => state === 'up').length
  const shards = counted(sum(nodes.map((row) => row.shards)), 'shard')
  const actors = counted(sum(nodes.map((row) => row.actors)), 'actor')
  return `view ${view}: ${up} up, ${shards}, ${actors}`
}

const counted = (count: number, noun: string): string =>
  `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`

/** As many rows as a page of the list has: the first piece is there as soon as the first page is. */
const pieceRows = 500

async function* piecesOf<T>(rows: AsyncIterable<T>): AsyncGenerator<T[]> {
  let piece: T[] = []
  for await (const row of rows) {
    piece.push(row)
    if (piece.length < pieceRows) continue
    yield piece
    piece = []
  }
  if (piece.length > 0) yield piece
}
