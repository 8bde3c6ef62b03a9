/** Durability: how much an acknowledgement of the store is worth, under the name that a node prints at start. A server tells
 *  its clients where a stream is kept, but not how often it syncs: `sync_interval` stands in the configuration and in the
 *  monitoring port only. So 'fsync' is believed when the operator says it, and the answer says whose word it is. */

import type { StreamConfig, StreamInfo } from '@nats-io/jetstream'
import { compare, type NatsConnection, parseSemVer } from '@nats-io/transport-node'
import { sleep, systemClock } from '../base/clock.ts'
import { NatsLink } from '../transport/nats-link.ts'
import { JetStreamApi, reasonOf } from './jetstream-api.ts'
import { GodwitError } from '../base/errors.ts'

export interface Durability {
  /** memory: gone with the server. ack: written, synced to disk later. fsync: synced before the acknowledgement. */
  readonly name: 'memory' | 'ack' | 'fsync'
  readonly replicas: number
  /** Whether the server said so, the operator did, or nobody: then it is what holds at least. */
  readonly source: 'server' | 'operator' | 'assumed'
}

/** Before it, a server refuses a configuration with `sync_interval: always`. */
const syncSince = parseSemVer('2.10.0')
const infoMsMax = 5_000
const retryMs = 100

/** `told` is what the operator says about the server's `sync_interval`: 'fsync' for `always`. */
export async function storeDurability(
  connection: NatsConnection,
  stream: string,
  told?: 'ack' | 'fsync',
): Promise<Durability> {
  const link = new NatsLink(connection)
  try {
    const api = new JetStreamApi(link, stream)
    const deadlineMs = systemClock.now().monoMs + infoMsMax
    for (;;) {
      const answer = await api.call<StreamInfo>('STREAM.INFO', undefined, infoMsMax)
      if (answer.kind === 'done') return judge(answer.value.config, connection.info?.version, told)
      // Of several servers one may not have heard yet of a stream that another one has just created.
      if (systemClock.now().monoMs > deadlineMs)
        throw new GodwitError('UNAVAILABLE', `stream ${stream} cannot be read: ${reasonOf(answer)}`)
      await sleep(systemClock, retryMs)
    }
  } finally {
    link.close()
  }
}

function judge(config: StreamConfig, version: string | undefined, told: 'ack' | 'fsync' | undefined): Durability {
  const replicas = config.num_replicas
  if (config.storage === 'memory') return { name: 'memory', replicas, source: 'server' }
  const maySync = version !== undefined && compare(parseSemVer(version), syncSince) >= 0
  if (!maySync) return { name: 'ack', replicas, source: 'server' }
  return told === undefined
    ? { name: 'ack', replicas, source: 'assumed' }
    : { name: told, replicas, source: 'operator' }
}
