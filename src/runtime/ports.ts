/** Ports: what a node stands on, opened from what its user says: the transport, and the two logs. Beats and views have a
 *  connection of their own, so that a large checkpoint never stands before a beat. */

import { memoryLog } from '../log/memory.ts'
import { type Durability, natsLog, storeDurability } from '../log/nats.ts'
import type { Log } from '../log/port.ts'
import type { Subjects } from '../protocol/subjects.ts'
import { memoryBroker } from '../transport/memory-broker.ts'
import { memoryTransport } from '../transport/memory.ts'
import { connectNats, isNatsConnection, natsTransport, type NatsOptions } from '../transport/nats.ts'
import type { Transport } from '../transport/port.ts'

/** Where the cluster is: `memory:` or `memory:NAME` in this process (the default), NATS servers, or a connection of the caller's,
 *  which stays open. */
export type Connection = Partial<NatsOptions> | Parameters<typeof natsTransport>[0]

export type { NatsOptions }

export interface StoreOptions {
  /** Copies of each record among the servers. Default 1. */
  readonly replicas?: number
  /** Default 'file'. */
  readonly storage?: 'file' | 'memory'
  /** What the operator says of the servers' `sync_interval`: 'fsync' for `always`. Only named, never asked for. */
  readonly sync?: 'ack' | 'fsync'
}

export interface Ports {
  readonly transport: Transport
  readonly connections: readonly Transport[]
  readonly control: Log
  readonly shards: Log
  readonly durability: Durability
  close(): Promise<void>
}

/** Opens everything that a node needs. Rejects with a `GodwitError`: UNAVAILABLE, FORBIDDEN, or BAD_REQUEST for a store with
 *  other settings. */
export async function openPorts(
  connection: Connection,
  store: StoreOptions,
  subjects: Subjects,
  name: string,
): Promise<Ports> {
  const broker = memoryNameOf(connection)
  if (broker !== undefined) return memoryPorts(broker, subjects)
  const shared = isNats(connection)
  const main = await connectNats(shared ? connection : { ...natsOptions(connection), name })
  const transport = natsTransport(main, { owned: !shared })
  const connections = [transport]
  const closeConnections = async (): Promise<void> => void (await Promise.all(connections.map((each) => each.close())))
  try {
    const beats = shared ? main : await connectNats({ ...natsOptions(connection), name: `${name} beats` })
    if (!shared) connections.push(natsTransport(beats, { owned: true }))
    const { sync, ...settings } = store
    const control = await natsLog(beats, {
      stream: subjects.controlStream,
      prefix: subjects.controlPrefix,
      ...settings,
    })
    const shards = await natsLog(main, { stream: subjects.logStream, prefix: subjects.logPrefix, ...settings })
    return {
      transport,
      connections,
      control,
      shards,
      durability: await storeDurability(main, subjects.logStream, sync),
      close: async () => {
        await Promise.all([control.close(), shards.close()])
        await closeConnections()
      },
    }
  } catch (thrown) {
    await closeConnections()
    throw thrown
  }
}

/** A transport alone: all that a client needs. */
export async function openTransport(connection: Connection, name: string): Promise<Transport> {
  const broker = memoryNameOf(connection)
  if (broker !== undefined) return memoryTransport(memoryBroker(broker))
  const shared = isNats(connection)
  return natsTransport(await connectNats(shared ? connection : { ...natsOptions(connection), name }), {
    owned: !shared,
  })
}

function memoryPorts(name: string, subjects: Subjects): Ports {
  const broker = memoryBroker(name)
  const transport = memoryTransport(broker)
  const control = memoryLog(broker, { stream: subjects.controlStream })
  const shards = memoryLog(broker, { stream: subjects.logStream })
  return {
    transport,
    connections: [transport],
    control,
    shards,
    durability: { name: 'memory', replicas: 1, source: 'server' },
    close: async () => {
      await Promise.all([control.close(), shards.close()])
      await transport.close()
    },
  }
}

/** Without servers, and with `memory:`, the cluster lives in this process. */
function memoryNameOf(connection: Connection): string | undefined {
  if (isNats(connection)) return undefined
  const servers = [connection.servers ?? 'memory:'].flat()
  return servers.length === 1 && servers[0]!.startsWith('memory:') ? servers[0]!.slice('memory:'.length) : undefined
}

const isNats = (connection: Connection): connection is Parameters<typeof natsTransport>[0] =>
  isNatsConnection(connection as NatsOptions)

const natsOptions = (connection: Partial<NatsOptions>): NatsOptions => ({ ...connection, servers: connection.servers! })
