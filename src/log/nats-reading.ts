/** NatsReading: all records of one name, read through an ephemeral pull consumer.
 *
 *  JetStream gives no cut through a subject, so completeness is proved from both ends. The last record is asked for first,
 *  from the leader, and the reading ends when it has come; the consumer may live on a follower that has to catch up. The
 *  first record is asked for again at the end: records are only ever removed from the front, so if it still stands, none
 *  was removed in the middle of the reading. In every other case the reading starts again. */

import { AckPolicy, type ConsumerConfig, DeliverPolicy, ReplayPolicy } from '@nats-io/jetstream'
import { nanos, nuid } from '@nats-io/transport-node'
import { systemClock } from '../base/clock.ts'
import { apiCodes, type JetStreamApi, reasonOf } from './jetstream-api.ts'
import { entryOf, type StoredMessage } from './nats-delivery.ts'
import { type PullResult, pullUpTo } from './nats-pull.ts'
import type { ReadResult, TailResult } from './port.ts'

/** What a reading is about. */
export interface Subject {
  readonly api: JetStreamApi
  readonly subject: string
  /** Length of the prefix with its dot: names begin here. */
  readonly namesAt: number
}

/** A single answer that takes longer is lost: a reading may take much longer, and must not wait for it. */
const answerMsMax = 2_000

export async function readSubject(at: Subject, from: number, timeoutMs: number): Promise<ReadResult> {
  const deadline = systemClock.now().monoMs + timeoutMs
  for (;;) {
    const result = await readOnce(at, from, deadline)
    if (result.kind !== 'again') return result
    if (leftMs(deadline) <= 1) return { kind: 'unknown', reason: 'records were removed again and again while reading' }
  }
}

/** The last record, from the leader. */
export const readTail = ({ api, subject, namesAt }: Subject, timeoutMs: number): Promise<TailResult> =>
  readMessage(api, { last_by_subj: subject }, namesAt, timeoutMs)

async function readOnce(at: Subject, from: number, deadline: number): Promise<PullResult> {
  const [tail, first] = await Promise.all([readTail(at, leftMs(deadline)), readFirst(at, from, leftMs(deadline))])
  if (tail.kind === 'unknown') return tail
  if (first.kind === 'unknown') return first
  if (tail.kind === 'empty' || tail.entry.seq < from) return { kind: 'entries', entries: [] }
  if (first.kind === 'entry' && first.entry.seq === tail.entry.seq) return { kind: 'entries', entries: [tail.entry] }
  const result = await collect(at, from, tail.entry.seq, deadline)
  if (result.kind !== 'entries') return result
  const still = await readFirst(at, from, leftMs(deadline))
  if (still.kind === 'unknown') return still
  return still.kind === 'entry' && still.entry.seq === result.entries[0]?.seq ? result : { kind: 'again' }
}

const readFirst = ({ api, subject, namesAt }: Subject, from: number, timeoutMs: number): Promise<TailResult> =>
  readMessage(api, { seq: Math.max(1, from), next_by_subj: subject }, namesAt, timeoutMs)

async function readMessage(api: JetStreamApi, which: object, namesAt: number, timeoutMs: number): Promise<TailResult> {
  const answer = await api.call<StoredMessage>('STREAM.MSG.GET', which, Math.min(timeoutMs, answerMsMax))
  if (answer.kind === 'done') return { kind: 'entry', entry: entryOf(answer.value, namesAt) }
  if (answer.kind === 'refused' && answer.error.err_code === apiCodes.NoMessageFound) return { kind: 'empty' }
  return { kind: 'unknown', reason: reasonOf(answer) }
}

/** Everything from `from` to `last` that the consumer delivers. */
async function collect(at: Subject, from: number, last: number, deadline: number): Promise<PullResult> {
  const { api, subject } = at
  const name = nuid.next()
  const body = { stream_name: api.stream, config: consumerConfig(name, subject, from) }
  const createMs = Math.min(leftMs(deadline), answerMsMax)
  const created = await api.call('CONSUMER.CREATE', body, createMs, `${name}.${subject}`)
  if (created.kind !== 'done') return { kind: 'unknown', reason: reasonOf(created) }
  try {
    return await pullUpTo({
      api,
      consumer: name,
      namesAt: at.namesAt,
      last,
      timeoutMs: leftMs(deadline),
      lastStands: () => stands(at, last, leftMs(deadline)),
    })
  } finally {
    api.send('CONSUMER.DELETE', undefined, name)
  }
}

const consumerConfig = (name: string, subject: string, from: number): Partial<ConsumerConfig> => ({
  name,
  filter_subject: subject,
  deliver_policy: DeliverPolicy.StartSequence,
  opt_start_seq: Math.max(1, from),
  ack_policy: AckPolicy.None,
  replay_policy: ReplayPolicy.Instant,
  // The consumer is for this reading only: nothing of it is worth a disk or a second server.
  mem_storage: true,
  num_replicas: 1,
  inactive_threshold: nanos(10_000),
})

async function stands(at: Subject, seq: number, timeoutMs: number): Promise<boolean | 'unknown'> {
  const next = await readFirst(at, seq, timeoutMs)
  return next.kind === 'unknown' ? 'unknown' : next.kind === 'entry' && next.entry.seq === seq
}

const leftMs = (deadline: number): number => Math.max(1, deadline - systemClock.now().monoMs)
