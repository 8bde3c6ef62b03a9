/** The NATS twin of the log: one JetStream stream, a subject for each name. The compare-and-set of `append` is JetStream's
 *  `Nats-Expected-Last-Subject-Sequence`; message ids are never used, because servers differ in whether they look at the id
 *  or at the sequence first. The stream's settings are `NatsStream`'s, the ways of reading `NatsReading`'s and
 *  `NatsWatch`'s. */

import { PubHeaders, type PubAck, type StreamInfo } from '@nats-io/jetstream'
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import { type Answer, NatsLink } from '../transport/nats-link.ts'
import { guarded, type Report, reportWarning } from '../transport/report.ts'
import { apiCodes, JetStreamApi, parseAnswer, reasonOf } from './jetstream-api.ts'
import { readSubject, readTail, type Subject } from './nats-reading.ts'
import { fullCodes, type NatsStreamOptions, openStream } from './nats-stream.ts'
import { NatsWatch } from './nats-watch.ts'
import type { AppendOptions, AppendResult, Log, LogEntry, LogIdentity, ReadResult, TailResult } from './port.ts'

export { type Durability, storeDurability } from './nats-durability.ts'

export interface NatsLogOptions extends NatsStreamOptions {
  /** Hears what listeners throw, and why a watch shows nothing. */
  readonly report?: Report
}

/** Opens the log, creating its stream if there is none. Rejects with a `GodwitError`: UNAVAILABLE without JetStream,
 *  FORBIDDEN without permission, BAD_REQUEST for a stream with other settings. The connection stays the caller's. */
export async function natsLog(connection: NatsConnection, options: NatsLogOptions): Promise<Log> {
  const link = new NatsLink(connection)
  const api = new JetStreamApi(link, options.stream)
  try {
    const info = await openStream(api, options)
    return new NatsLog(api, options, info.config.max_msg_size)
  } catch (thrown) {
    link.close()
    throw thrown
  }
}

/** Bytes that the headers of an append take at most. */
const headerBytesMax = 128

class NatsLog implements Log {
  private readonly api: JetStreamApi
  private readonly prefix: string
  private readonly report: Report
  private readonly messageBytesMax: number
  private readonly watches = new Set<NatsWatch>()

  constructor(api: JetStreamApi, options: NatsLogOptions, messageBytesMax: number) {
    this.api = api
    this.prefix = options.prefix
    this.report = options.report ?? reportWarning
    this.messageBytesMax = messageBytesMax > 0 ? messageBytesMax : Infinity
  }

  get bytesMax(): number {
    return Math.min(this.messageBytesMax, this.api.link.bytesMax) - headerBytesMax
  }

  async append(name: string, record: Uint8Array, expected: number, options: AppendOptions): Promise<AppendResult> {
    if (record.length > this.bytesMax) return { kind: 'too large' }
    const subject = `${this.prefix}.${name}`
    const hdrs = appendHeaders(expected, options.replace === true)
    return appendResultOf(await this.api.link.request(subject, record, options.timeoutMs, hdrs))
  }

  tail(name: string, timeoutMs: number): Promise<TailResult> {
    return readTail(this.subjectOf(name), timeoutMs)
  }

  read(name: string, from: number, timeoutMs: number): Promise<ReadResult> {
    return readSubject(this.subjectOf(name), from, timeoutMs)
  }

  async purge(name: string, before: number | undefined, timeoutMs: number): Promise<'done' | 'unknown'> {
    const range = { filter: `${this.prefix}.${name}`, ...(before !== undefined && { seq: before }) }
    const answer = await this.api.call('STREAM.PURGE', range, timeoutMs)
    return answer.kind === 'done' ? 'done' : 'unknown'
  }

  watch(prefix: string, listener: (entry: LogEntry) => void): () => void {
    const watch = new NatsWatch({
      api: this.api,
      subjects: prefix === '' ? `${this.prefix}.>` : `${this.prefix}.${prefix}.>`,
      namesAt: this.prefix.length + 1,
      deliver: guarded(listener, this.report),
      report: this.report,
    })
    this.watches.add(watch)
    return () => {
      this.watches.delete(watch)
      watch.end()
    }
  }

  async identity(timeoutMs: number): Promise<LogIdentity | 'unknown'> {
    const answer = await this.api.call<StreamInfo>('STREAM.INFO', undefined, timeoutMs)
    const server = this.api.link.connection.info?.server_id
    if (answer.kind !== 'done' || server === undefined) return 'unknown'
    const { created, state, config } = answer.value
    return { server, created, lastSeq: state.last_seq, mayForget: config.num_replicas === 1 }
  }

  async close(): Promise<void> {
    for (const watch of this.watches) watch.end()
    this.watches.clear()
    this.api.link.close()
  }

  private subjectOf(name: string): Subject {
    return { api: this.api, subject: `${this.prefix}.${name}`, namesAt: this.prefix.length + 1 }
  }
}

function appendHeaders(expected: number, replace: boolean): MsgHdrs {
  const hdrs = headers()
  // Also for 0: without the header the broker would store the record unconditionally.
  hdrs.set(PubHeaders.ExpectedLastSubjectSequenceHdr, String(expected))
  if (replace) hdrs.set('Nats-Rollup', 'sub')
  return hdrs
}

function appendResultOf(answer: Answer): AppendResult {
  if (answer.kind === 'too large') return answer
  if (answer.kind === 'nobody') return { kind: 'unknown', reason: 'no stream listens' }
  if (answer.kind !== 'reply') return { kind: 'unknown', reason: answer.reason }
  const ack = parseAnswer<PubAck>(answer.bytes)
  if (ack.kind === 'done') return { kind: 'stored', seq: ack.value.seq }
  if (ack.kind !== 'refused') return { kind: 'unknown', reason: reasonOf(ack) }
  const { err_code: code, description } = ack.error
  if (code === apiCodes.StreamWrongLastSequence || code === apiCodes.StreamWrongLastSequenceUnknown)
    return { kind: 'refused' }
  if (code === apiCodes.StreamMessageExceedsMaximum || code === apiCodes.StreamHeaderExceedsMaximum)
    return { kind: 'too large' }
  // A failed store names its reason in words only: a bound of the stream, or trouble with the disk, which leaves doubt.
  const isFull = fullCodes.has(code) || (code === apiCodes.StreamStoreFailed && description.startsWith('maximum'))
  return isFull ? { kind: 'full', reason: description } : { kind: 'unknown', reason: reasonOf(ack) }
}
