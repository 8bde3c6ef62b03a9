/** LogReader: everything that is written to a cluster's shard logs, as it happens, for tests that ask who wrote what. */

import { connect } from '@nats-io/transport-node'
import { natsLog } from '../../src/log/nats.ts'
import { decodeRecord, type LogRecord } from '../../src/protocol/records.ts'
import { subjects as subjectsOf } from '../../src/protocol/subjects.ts'

export interface Written {
  readonly name: string
  readonly seq: number
  readonly bytes: number
  readonly atMs: number
  /** Left out for parts of checkpoints. */
  readonly record?: LogRecord
}

export interface LogReader {
  readonly written: readonly Written[]
  close(): Promise<void>
}

/** The cluster must be there. */
export async function readShardLogs(servers: string, cluster: string): Promise<LogReader> {
  const subjects = subjectsOf(cluster)
  const connection = await connect({ servers, maxReconnectAttempts: -1 })
  const log = await natsLog(connection, { stream: subjects.logStream, prefix: subjects.logPrefix })
  const written: Written[] = []
  const end = log.watch('', ({ name, seq, bytes }) => {
    const isPart = name.startsWith('part.')
    written.push({
      name,
      seq,
      bytes: bytes.length,
      atMs: performance.now(),
      ...(!isPart && { record: decodeRecord(bytes) as LogRecord }),
    })
  })
  return {
    written,
    async close() {
      end()
      await log.close()
      await connection.close()
    },
  }
}
