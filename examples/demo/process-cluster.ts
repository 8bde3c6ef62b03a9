/** Process cluster: a nats-server with a store of its own in a temporary folder, each node and the caller a process. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connectClient, type Durability } from '../../src/index.ts'
import { ensureNatsServer, startNatsServer } from '../../src/workers/nats-server.ts'
import { remoteCaller } from './caller-remote.ts'
import { type Cluster, clusterName } from './cluster.ts'

export async function startProcessCluster(onProgress: (line: string) => void): Promise<Cluster> {
  const binary = await ensureNatsServer({ onProgress })
  const folder = await mkdtemp(join(tmpdir(), 'godwit-demo-'))
  const server = await startNatsServer({ binary, storeDir: folder })
  const client = await connectClient({ servers: server.url, cluster: clusterName })
  const children = new Map<string, ChildProcess>()
  const complaints: string[] = []

  function start(name: string, file: string, args: readonly string[]): ChildProcess {
    const path = fileURLToPath(new URL(file, import.meta.url))
    const child = fork(path, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    child.stderr!.on('data', (data: Buffer) => complaints.push(`${name}: ${data.toString()}`))
    child.once('exit', () => children.delete(name))
    children.set(name, child)
    return child
  }

  async function startNode(nodeId: string): Promise<Durability> {
    const child = start(nodeId, 'node.ts', [server.url, clusterName, nodeId])
    const gone = once(child, 'exit').then(() => {
      throw new Error(`node ${nodeId} did not start: ${complaints.join('')}`)
    })
    const [{ ready }] = (await Promise.race([once(child, 'message'), gone])) as [{ ready: Durability }]
    gone.catch(() => {})
    return ready
  }

  async function killNode(nodeId: string): Promise<void> {
    const child = children.get(nodeId)!
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  return {
    ground: `a real nats-server on 127.0.0.1:${server.port}, each node a process`,
    client,
    startNode,
    killNode,
    startCaller: async (cast) =>
      remoteCaller(start('caller', 'caller-process.ts', [server.url, clusterName, JSON.stringify(cast)])),
    async close() {
      await client.close()
      const running = [...children.values()]
      const ends = running.map(async (child) => once(child, 'exit'))
      for (const child of running) child.kill('SIGKILL')
      await Promise.all(ends)
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
