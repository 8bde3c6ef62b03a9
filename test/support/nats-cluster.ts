/** NatsCluster: nats-servers on free ports of this machine, configured by the very file that docker-compose.yml uses.
 *  It is ready once a stream with a replica on each server can be made: a meta leader alone does not mean that. */

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { type NatsServer, startNatsServer } from '../../src/workers/nats-server.ts'

export const natsConfigFile = fileURLToPath(new URL('../../deploy/nats.conf', import.meta.url))

export interface NatsClusterOptions {
  /** 2.10 or later. */
  readonly binary: string
  /** Each server has a folder of its own below it. */
  readonly dir: string
  readonly servers: number
}

export interface NatsCluster {
  /** One for each server, in order; they stay the same across restarts. */
  readonly urls: readonly string[]
  /** SIGKILL. */
  kill(index: number): Promise<void>
  /** Starts a killed one again, on its ports and its store. */
  restart(index: number): Promise<void>
  /** The index of the server that leads a stream; undefined while there is an election. */
  leaderOf(stream: string): Promise<number | undefined>
  stop(): Promise<void>
}

const readyMsMax = 30_000
const pollMs = 50

export async function startNatsCluster(options: NatsClusterOptions): Promise<NatsCluster> {
  const members = memberEnvironments(options, await freePorts(2 * options.servers))
  const start = (env: MemberEnvironment): Promise<NatsServer> =>
    startNatsServer({ binary: options.binary, storeDir: env.STORE_DIR, configFile: natsConfigFile, env: { ...env } })
  const servers = await Promise.all(members.map(start))
  const urls = servers.map((server) => server.url)
  const connection = await connect({ servers: urls, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
  const manager = await readyManager(connection, options.servers)

  return {
    urls,
    kill: (index) => servers[index]!.kill(),
    async restart(index) {
      servers[index] = await start(members[index]!)
    },
    async leaderOf(stream) {
      const leader = await leaderNameOf(manager, stream)
      const index = members.findIndex((member) => member.SERVER_NAME === leader)
      return index === -1 ? undefined : index
    },
    async stop() {
      await connection.close()
      await Promise.all(servers.map((server) => server.stop()))
    },
  }
}

/** The variables of deploy/nats.conf. */
interface MemberEnvironment {
  readonly SERVER_NAME: string
  readonly CLIENT_LISTEN: string
  readonly CLUSTER_LISTEN: string
  readonly ROUTES: string
  readonly STORE_DIR: string
}

function memberEnvironments(options: NatsClusterOptions, ports: readonly number[]): MemberEnvironment[] {
  const clusterPorts = ports.slice(options.servers)
  return clusterPorts.map((clusterPort, index) => ({
    SERVER_NAME: `nats-${index + 1}`,
    CLIENT_LISTEN: `127.0.0.1:${ports[index]}`,
    CLUSTER_LISTEN: `127.0.0.1:${clusterPort}`,
    ROUTES: `[${clusterPorts.map((port) => `nats://127.0.0.1:${port}`).join(', ')}]`,
    STORE_DIR: join(options.dir, `nats-${index + 1}`),
  }))
}

/** Servers must know each other's ports before any of them runs, so ports are asked for first and held together. */
async function freePorts(count: number): Promise<number[]> {
  const holders = await Promise.all(
    Array.from({ length: count }, async () => {
      const holder = createServer().listen(0, '127.0.0.1')
      await once(holder, 'listening')
      return holder
    }),
  )
  const ports = holders.map((holder) => (holder.address() as AddressInfo).port)
  await Promise.all(holders.map((holder) => once(holder.close(), 'close')))
  return ports
}

/** Servers that have just met refuse for a while: no meta leader yet, or not all of them known to it. */
async function readyManager(connection: NatsConnection, replicas: number): Promise<JetStreamManager> {
  const giveUpMs = systemClock.now().monoMs + readyMsMax
  for (;;) {
    try {
      const manager = await jetstreamManager(connection, { timeout: 1_000 })
      await manager.streams.add({ name: 'ready', subjects: ['ready'], num_replicas: replicas })
      await manager.streams.delete('ready')
      return manager
    } catch (error) {
      if (systemClock.now().monoMs > giveUpMs) throw error
      await sleep(systemClock, pollMs)
    }
  }
}

async function leaderNameOf(manager: JetStreamManager, stream: string): Promise<string | undefined> {
  try {
    return (await manager.streams.info(stream)).cluster?.leader
  } catch {
    return undefined
  }
}
