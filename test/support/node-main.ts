/** What `startNodeProcess` runs: a node with flags like those of `godwit node`, which tells every event as a JSON line. It ends
 *  with its parent, whose end of the pipe is its standard input. */

import { parseArgs } from 'node:util'
import { type ActorDefinition, GodwitError, type NodeEvent, type TimingName, startNode } from '../../src/index.ts'

const { values } = parseArgs({
  options: {
    servers: { type: 'string' },
    cluster: { type: 'string' },
    id: { type: 'string' },
    actors: { type: 'string', default: new URL('actors.ts', import.meta.url).href },
    shards: { type: 'string' },
    timing: { type: 'string' },
    replicas: { type: 'string' },
    user: { type: 'string' },
    pass: { type: 'string' },
  },
})

const tell = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

const kinds: readonly NodeEvent['kind'][] = ['view', 'suspended', 'resumed', 'fenced', 'refused', 'owned', 'disowned']
const rareKinds: readonly NodeEvent['kind'][] = ['declared dead', 'stuck', 'healed', 'history broken', 'left']

process.stdin.resume().once('end', () => process.exit(1))

try {
  const node = await startNode({
    servers: values.servers!,
    cluster: values.cluster!,
    nodeId: values.id!,
    actors: Object.values((await import(values.actors)) as Record<string, ActorDefinition>),
    ...(values.shards !== undefined && { shards: Number(values.shards) }),
    ...(values.timing !== undefined && { timing: values.timing as TimingName }),
    ...(values.replicas !== undefined && { replicas: Number(values.replicas) }),
    ...(values.user !== undefined && { user: values.user, pass: values.pass! }),
    onWarning: ({ actor, thrown }) => tell({ event: 'warning', actor, message: String(thrown) }),
  })
  for (const kind of [...kinds, ...rareKinds]) node.on(kind, ({ kind: event, ...rest }) => tell({ event, ...rest }))
  node.on('log', ({ actor, values: said }) => tell({ event: 'log', actor, said }))
  process.once('SIGTERM', () => void node.leave())
  node.closed.then(
    () => process.exit(0),
    (thrown: unknown) => fail(thrown),
  )
  tell({ event: 'ready', node: node.id, pid: process.pid, durability: node.durability })
} catch (thrown) {
  fail(thrown)
}

function fail(thrown: unknown): void {
  const code = thrown instanceof GodwitError ? thrown.code : 'none'
  tell({ event: 'failed', code, message: String(thrown) })
  process.stderr.write(`${code}: ${thrown instanceof Error ? thrown.stack : String(thrown)}\n`)
  process.exitCode = 1
  process.stdout.write('', () => process.exit())
}
