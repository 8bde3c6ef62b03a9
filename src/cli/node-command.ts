/** NodeCommand: `godwit node`: one member of a cluster as a process of its own. Standard output is for programs: it gets one
 *  line, when the node serves. Everything else that happens is logged on standard error. */

import type { Command } from 'commander'
import type { Logger } from 'pino'
import type { GodwitNode, NodeOptions, TimingName } from '../index.ts'
import { loadDefinitions } from './actor-module.ts'
import { addConnectionFlags, type ConnectionFlags, connectionOf } from './connection.ts'
import { commaSeparated, flag, wholeNumber } from './flags.ts'
import { addExamples } from './help.ts'
import { createLog, type LogLevel, logLevels, logNode } from './node-log.ts'
import { jsonLine, type Shell } from './terminal.ts'

interface NodeFlags extends ConnectionFlags {
  readonly id: string
  readonly actors: readonly string[]
  readonly zone?: string
  readonly region?: string
  readonly shards?: number
  readonly replicas?: number
  readonly storage?: 'file' | 'memory'
  readonly sync?: 'ack' | 'fsync'
  readonly timing?: TimingName
  readonly healthPort?: number
  readonly logLevel: LogLevel
  readonly json?: true
}

const timingNames = ['default', 'fast', 'calm'] as const satisfies readonly TimingName[]

export function addNodeCommand(program: Command, shell: Shell): void {
  const node = program
    .command('node')
    .summary('Run a node')
    .description('Run a node, which takes its share of the actors, until a signal or a drain has it leave.')
    .optionsGroup('Node:')
    .addOption(flag('--id <ID>', 'id of the node, its own in the cluster').makeOptionMandatory())
    .addOption(
      flag('--actors <FILES>', 'modules that export actor definitions, .js or .ts, separated by commas')
        .argParser(commaSeparated)
        .makeOptionMandatory(),
    )
    .addOption(flag('--zone <NAME>', 'zone that it runs in'))
    .addOption(flag('--region <NAME>', 'region that it runs in'))
    .addOption(
      flag('--health-port <PORT>', 'serve /healthz and /readyz; 0 takes a free port').argParser(wholeNumber(0, 65_535)),
    )
    .addOption(
      flag('--log-level <LEVEL>', 'least that is logged: debug, info, warn, error or silent')
        .choices(logLevels)
        .default('info'),
    )
    .option('--json', 'log JSON on a terminal too')
    .optionsGroup('The same on every node of the cluster:')
    .addOption(flag('--shards <N>', 'shards of each group').argParser(wholeNumber(1, 4_096)).default(undefined, '64'))
    .addOption(
      flag('--replicas <N>', 'copies of each record among the servers')
        .argParser(wholeNumber(1, 5))
        .default(undefined, '1'),
    )
    .addOption(
      flag('--storage <KIND>', 'where the servers keep records: file or memory')
        .default(undefined, 'file')
        .choices(['file', 'memory']),
    )
    .addOption(
      flag('--sync <KIND>', "the servers' sync_interval, to be named in durability: fsync for 'always'").choices([
        'ack',
        'fsync',
      ]),
    )
    .addOption(
      flag('--timing <NAME>', 'how fast a death is noticed: default (4 s), fast (1.5 s) or calm')
        .default(undefined, 'default')
        .choices(timingNames),
    )
    .action((flags: NodeFlags) => runNode(flags, shell))
  addConnectionFlags(node)
  addExamples(node, shell.stdout, [
    ['godwit node --cluster demo --id n1 --actors actors/counter.ts', 'a node on the nats-server of this machine'],
    [
      'godwit node --cluster shop --id n1 --actors orders.ts,stock.ts --servers nats://a:4222,nats://b:4222 --replicas 3',
      'three copies of everything',
    ],
    ['GODWIT_CLUSTER=demo GODWIT_ID=n1 GODWIT_ACTORS=actors/counter.ts godwit node', 'all flags are variables too'],
  ])
  node.addHelpText(
    'after',
    `
It writes one line of JSON to standard output once it serves:
  {"event":"ready","node":"n1","cluster":"demo","view":1,"durability":{…},"pid":4711}
SIGTERM and SIGINT have it hand everything over, leave, and exit 0; a second one ends it at once.
`,
  )
}

async function runNode(flags: NodeFlags, shell: Shell): Promise<void> {
  const { id, cluster, logLevel, json } = flags
  const connection = await connectionOf(flags)
  const actors = await loadDefinitions(flags.actors)
  const log = await createLog(shell.stderr, { level: logLevel, json: json === true, node: id, cluster })
  const signalled = firstSignal()
  logProcess(log)
  log.info({ types: actors.map(({ type }) => type) }, 'joining')

  const { startNode } = await import('../index.ts')
  const onWarning: NodeOptions['onWarning'] = ({ actor, thrown }) =>
    log.error({ actor, err: thrown }, 'an effect failed')
  const node = await startNode({ ...connection, ...memberOf(flags), actors, onWarning })
  logNode(node, log)
  await shell.stdout.write(jsonLine(readiness(node)))

  await Promise.race([node.closed, signalled.then((signal) => leave(node, signal, log))])
}

const memberOf = ({ id: nodeId, zone, region, shards, replicas, storage, sync, timing, healthPort }: NodeFlags) => ({
  nodeId,
  ...(zone !== undefined && { zone }),
  ...(region !== undefined && { region }),
  ...(shards !== undefined && { shards }),
  ...(replicas !== undefined && { replicas }),
  ...(storage !== undefined && { storage }),
  ...(sync !== undefined && { sync }),
  ...(timing !== undefined && { timing }),
  ...(healthPort !== undefined && { healthPort }),
})

const readiness = ({ id, cluster, view, durability, healthPort }: GodwitNode): object => ({
  event: 'ready',
  node: id,
  cluster,
  view,
  durability,
  pid: process.pid,
  ...(healthPort !== undefined && { healthPort }),
})

async function leave(node: GodwitNode, signal: NodeJS.Signals, log: Logger): Promise<void> {
  log.info(`${signal}: handing everything over; once more ends the process at once`)
  await node.leave()
}

const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const

/** npm passes on the Ctrl-C that the terminal has sent to everybody already: that is one wish, not two. */
const sameWishMs = 300

/** Resolves with the first SIGINT or SIGTERM; the second ends the process, with the exit code that shells know. */
function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstMs: number | undefined
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (firstMs === undefined) {
          firstMs = performance.now()
          resolve(signal)
        } else if (signal === 'SIGTERM' || performance.now() - firstMs > sameWishMs) {
          process.exit(128 + signalNumbers[signal])
        }
      })
    }
  })
}

/** What would otherwise be printed into the middle of the logs. */
function logProcess(log: Logger): void {
  process.removeAllListeners('warning')
  process.on('warning', (warning) => log.warn({ err: warning }, 'warning'))
  process.on('uncaughtException', (thrown) => {
    // Nobody knows what state the process is in: let others take over.
    log.fatal({ err: thrown }, 'crashed')
    process.exit(1)
  })
}
