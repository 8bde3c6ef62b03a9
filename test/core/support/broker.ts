/** Broker: the logs of a cluster as plain state: every call takes effect at once, and is answered at once. It can be made to lose
 *  its newest records, as a broker does that was killed before it had synced its disk. */

import { hashBytes } from '../../../src/base/hash.ts'
import type { AppendResult, Identities, LogIdentity } from '../../../src/protocol/log-results.ts'
import type { Logged } from '../../../src/core/effects.ts'
import {
  type ControlRecord,
  decodeRecord,
  decodeShardState,
  encodeRecord,
  encodeShardState,
  logNames,
  type LogRecord,
  type PartRef,
  type ShardState,
} from '../../../src/protocol/records.ts'

interface Entry {
  readonly name: string
  readonly seq: number
  readonly timeMs: number
  readonly bytes: Uint8Array
}

type Stream = 'control' | 'shards'

export class Broker {
  nowMs = 1_000
  server = 's1'
  created = 'first'
  mayForget = true
  readonly #entries = new Map<string, Entry[]>()
  readonly #lastSeq: Record<Stream, number> = { control: 0, shards: 0 }
  #stored: (name: string, entry: Logged<LogRecord | ControlRecord>) => void = () => {}

  /** Hears everything that is stored in the control log. */
  watch(stored: (name: string, entry: Logged<LogRecord | ControlRecord>) => void): void {
    this.#stored = stored
  }

  append(name: string, record: LogRecord | ControlRecord, expected: number, replace = false): AppendResult {
    return this.appendBytes(name, encodeRecord(record), expected, replace)
  }

  appendBytes(name: string, bytes: Uint8Array, expected: number, replace = false): AppendResult {
    const entries = this.#entries.get(name) ?? []
    if ((entries.at(-1)?.seq ?? 0) !== expected) return { kind: 'refused' }
    const seq = ++this.#lastSeq[streamOf(name)]
    const entry = { name, seq, timeMs: this.nowMs, bytes }
    this.#entries.set(name, replace ? [entry] : [...entries, entry])
    if (streamOf(name) === 'control') this.#stored(name, loggedOf(entry))
    return { kind: 'stored', seq }
  }

  tail<R extends LogRecord | ControlRecord = LogRecord>(name: string): Logged<R> | 'empty' {
    const entry = this.#entries.get(name)?.at(-1)
    return entry === undefined ? 'empty' : loggedOf<R>(entry)
  }

  read(name: string): readonly Logged<LogRecord>[] {
    return (this.#entries.get(name) ?? []).map((entry) => loggedOf<LogRecord>(entry))
  }

  /** The last record of each name of the control log. */
  lasts(): readonly (readonly [string, Logged<ControlRecord>])[] {
    return [...this.#entries.values()]
      .map((entries) => entries.at(-1)!)
      .filter((entry) => streamOf(entry.name) === 'control')
      .map((entry) => [entry.name, loggedOf<ControlRecord>(entry)])
  }

  writeParts(shard: string, token: string, pieces: readonly ShardState[]): readonly PartRef[] {
    return pieces.map((piece, index) => {
      const bytes = encodeShardState(piece)
      const result = this.appendBytes(logNames.part(shard, token, index), bytes, 0)
      return {
        token,
        index,
        seq: result.kind === 'stored' ? result.seq : 0,
        hash: hashBytes(bytes),
        bytes: bytes.length,
      }
    })
  }

  readParts(shard: string, parts: readonly PartRef[]): readonly ShardState[] | 'missing' {
    const entries = parts.map(({ token, index }) => this.#entries.get(logNames.part(shard, token, index))?.at(-1))
    if (entries.some((entry, at) => entry === undefined || hashBytes(entry.bytes) !== parts[at]!.hash)) return 'missing'
    return entries.map((entry) => decodeShardState(entry!.bytes))
  }

  purge(shard: string, before: number, partsBefore: number): void {
    for (const [name, entries] of this.#entries) {
      const below = name === logNames.shard(shard) ? before : name.startsWith(`part.${shard}.`) ? partsBefore : 0
      this.#keep(
        name,
        entries.filter(({ seq }) => seq >= below),
      )
    }
  }

  identities(): Identities {
    return { control: this.#identity('control'), shards: this.#identity('shards') }
  }

  /** The newest `count` records of one name are gone, and their sequences will be given out again. */
  lose(name: string, count: number): void {
    const entries = this.#entries.get(name) ?? []
    this.#keep(name, entries.slice(0, Math.max(0, entries.length - count)))
    const stream = streamOf(name)
    const seqs = [...this.#entries.values()].flat().filter((entry) => streamOf(entry.name) === stream)
    this.#lastSeq[stream] = Math.max(0, ...seqs.map(({ seq }) => seq))
  }

  #keep(name: string, entries: readonly Entry[]): void {
    if (entries.length === 0) this.#entries.delete(name)
    else this.#entries.set(name, [...entries])
  }

  #identity(stream: Stream): LogIdentity {
    return { server: this.server, created: this.created, lastSeq: this.#lastSeq[stream], mayForget: this.mayForget }
  }
}

const streamOf = (name: string): Stream => (name === 'view' || name.startsWith('row.') ? 'control' : 'shards')

/** Through bytes and back, as every record travels. */
const loggedOf = <R extends LogRecord | ControlRecord>({ seq, timeMs, bytes }: Entry): Logged<R> => ({
  seq,
  timeMs,
  bytes: bytes.length,
  record: decodeRecord(bytes) as R,
})
