/** Records: reading and writing the records of a log through its port. Reads collapse what a network can do into what the
 *  core can act on: a record, nothing, or unknown. */

import type { Logged } from '../core/effects.ts'
import { hashBytes } from '../base/hash.ts'
import { limits } from '../base/limits.ts'
import type { Log, LogEntry } from '../log/port.ts'
import type { ShardName } from '../protocol/address.ts'
import {
  type ControlRecord,
  decodeRecord,
  decodeShardState,
  encodeShardState,
  logNames,
  type LogRecord,
  type PartRef,
  type ShardState,
} from '../protocol/records.ts'

/** The last record of a name. */
export async function readLast<R extends LogRecord | ControlRecord = LogRecord>(
  log: Log,
  name: string,
  timeoutMs: number,
): Promise<Logged<R> | 'empty' | 'unknown'> {
  const result = await log.tail(name, timeoutMs)
  return result.kind === 'entry' ? loggedOf<R>(result.entry) : result.kind
}

/** All records of a shard's log. */
export async function readLog(log: Log, shard: ShardName): Promise<readonly Logged<LogRecord>[] | 'unknown'> {
  const result = await log.read(logNames.shard(shard), 0, readMs)
  return result.kind === 'entries' ? result.entries.map(loggedOf<LogRecord>) : 'unknown'
}

/** The pieces of a checkpoint. 'missing': one is gone, so a newer checkpoint stands in the log (rule S5). */
export async function readParts(
  log: Log,
  shard: ShardName,
  parts: readonly PartRef[],
): Promise<readonly ShardState[] | 'missing' | 'unknown'> {
  const pieces: ShardState[] = []
  for (const part of parts) {
    const result = await log.tail(logNames.part(shard, part.token, part.index), limits.handoffStepMs)
    if (result.kind === 'unknown') return 'unknown'
    if (result.kind === 'empty' || hashBytes(result.entry.bytes) !== part.hash) return 'missing'
    pieces.push(decodeShardState(result.entry.bytes))
  }
  return pieces
}

/** Writes the pieces of a checkpoint, one after the other, each packed just before: a large shard never holds the event loop.
 *  A part whose acknowledgement does not come is sent again, the same bytes to the same name. */
export async function writeParts(
  log: Log,
  shard: ShardName,
  token: string,
  pieces: readonly ShardState[],
): Promise<readonly PartRef[] | 'failed'> {
  const parts: PartRef[] = []
  for (const [index, piece] of pieces.entries()) {
    const bytes = encodeShardState(piece)
    const seq = await writePart(log, logNames.part(shard, token, index), bytes)
    if (seq === undefined) return 'failed'
    parts.push({ token, index, seq, hash: hashBytes(bytes), bytes: bytes.length })
  }
  return parts
}

/** Makes room: the log below `before`, and parts of older checkpoints. Lost on the way, it is made up for by the next one. */
export async function purge(log: Log, shard: ShardName, before: number, partsBefore: number): Promise<void> {
  await log.purge(logNames.shard(shard), before, limits.handoffStepMs)
  await log.purge(logNames.parts(shard), partsBefore, limits.handoffStepMs)
}

/** A long log takes its time; a leader that does not answer is noticed sooner. */
const readMs = 30_000
const sendingsMax = 5

async function writePart(log: Log, name: string, bytes: Uint8Array): Promise<number | undefined> {
  for (let sending = 0; sending < sendingsMax; sending++) {
    const result = await log.append(name, bytes, 0, { timeoutMs: limits.handoffStepMs })
    if (result.kind === 'stored') return result.seq
    if (result.kind === 'full' || result.kind === 'too large') return undefined
    if (result.kind === 'unknown') continue
    const tail = await log.tail(name, limits.handoffStepMs)
    if (tail.kind === 'entry') return hashBytes(tail.entry.bytes) === hashBytes(bytes) ? tail.entry.seq : undefined
  }
  return undefined
}

const loggedOf = <R extends LogRecord | ControlRecord>(entry: LogEntry): Logged<R> => ({
  seq: entry.seq,
  timeMs: entry.timeMs,
  bytes: entry.bytes.length,
  record: decodeRecord(entry.bytes) as R,
})
