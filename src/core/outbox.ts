/** Outbox (rule M3): what the actors of a shard have sent to other actors and is not settled: processed by its target, or refused for
 *  good. A message lies in the commit of the turn that sent it, and whoever owns the shard sends it until it is settled; that it
 *  is lies in a later commit, so a crash between the two sends it once more, and its target knows it (`streams.ts`).
 *
 *  All that one actor sends to one other is a stream: numbered without gaps, several on their way at once, processed in order. The
 *  floor of a stream is its lowest number that is not settled. When one of them is put off (its target has no owner now, or no
 *  room), all that is not settled is sent again from the floor on, after a rest:
 *
 *        ... settled ...   floor ... on their way ...   unsent ... waiting ...   next
 *
 *  A stream that is empty for a while ends with a message of its own, so that its target need not remember it for ever. What its
 *  source sends later is a new stream. */

import { limits } from '../base/limits.ts'
import type { ActorKey } from '../protocol/address.ts'
import type { ActorMessage, StreamEntry } from '../protocol/actor-message.ts'
import type { CommitRecord } from '../protocol/records.ts'

export interface Outbox {
  readonly streams: Map<string, Stream>
  /** By source and target: the one that their next message joins. */
  readonly open: Map<string, Stream>
  /** Those with messages. */
  readonly busy: Set<Stream>
  /** By source: its messages that are not settled. */
  readonly counts: Map<ActorKey, number>
  /** Settled, and that is not committed yet. */
  readonly settled: Map<string, Set<number>>
}

export interface Stream {
  readonly id: string
  readonly source: ActorKey
  readonly target: ActorKey
  next: number
  /** Not settled, by number, in order. */
  readonly messages: Map<number, ActorMessage>
  /** Refused for good; their source is being told. */
  readonly refused: Set<number>
  /** The lowest that was not sent in this attempt. */
  unsent: number
  attempt: number
  /** Attempts since something was settled. */
  failures: number
  restsUntilMs: number
  quietSinceMs: number
}

/** What a turn wants to be sent. */
export type Post = Omit<ActorMessage, 'stream' | 'number'>

export const createOutbox = (): Outbox => ({
  streams: new Map(),
  open: new Map(),
  busy: new Set(),
  counts: new Map(),
  settled: new Map(),
})

/** The messages as they go into a commit. Nothing is changed: a commit may be void. */
export function numbered(outbox: Outbox, posts: readonly Post[], makeId: () => string): readonly ActorMessage[] {
  /** Of streams that these change; undefined: it ends among them. */
  const ends = new Map<string, Pick<Stream, 'id' | 'next'> | undefined>()
  return posts.map((wanted) => {
    const pair = pairOf(wanted)
    const open = ends.has(pair) ? ends.get(pair) : outbox.open.get(pair)
    const { id: stream, next: number } = open ?? { id: makeId(), next: 1 }
    ends.set(pair, wanted.op === 'end' ? undefined : { id: stream, next: number + 1 })
    return { ...wanted, stream, number }
  })
}

/** They are committed. */
export function post(outbox: Outbox, messages: readonly ActorMessage[], nowMs: number): void {
  for (const message of messages) {
    const stream = outbox.streams.get(message.stream) ?? begin(outbox, message, nowMs)
    stream.messages.set(message.number, message)
    outbox.busy.add(stream)
    stream.next = message.number + 1
    stream.quietSinceMs = nowMs
    count(outbox, stream.source, 1)
    if (message.op === 'end') outbox.open.delete(pairOf(message))
  }
}

/** What may be sent now, in order. It counts as sent. */
export function takeSendable(stream: Stream, nowMs: number): readonly ActorMessage[] {
  if (nowMs < stream.restsUntilMs) return []
  const floor = floorOf(stream)
  const sendable: ActorMessage[] = []
  for (const message of stream.messages.values()) {
    const { number, op } = message
    // With the end its target forgets what came before, so that must be settled.
    if (number >= floor + limits.messagesInFlightMax || (op === 'end' && number > floor)) break
    if (number < stream.unsent) continue
    stream.unsent = number + 1
    if (!stream.refused.has(number)) sendable.push(message)
  }
  return sendable
}

export function floorOf({ messages, next }: Stream): number {
  for (const number of messages.keys()) return number
  return next
}

/** Its target has processed the message, or refused it for good. To be told in the next commit. */
export function settle(outbox: Outbox, id: string, number: number, nowMs: number): void {
  if (!remove(outbox, id, number)) return
  const stream = outbox.streams.get(id)
  if (stream !== undefined) {
    stream.failures = 0
    stream.quietSinceMs = nowMs
  }
  const numbers = outbox.settled.get(id)
  if (numbers === undefined) outbox.settled.set(id, new Set([number]))
  else numbers.add(number)
}

/** It could not be delivered in this attempt: everything from the floor on is sent again after a rest. */
export function putOff(stream: Stream, attempt: number, nowMs: number): void {
  if (attempt !== stream.attempt) return
  stream.attempt++
  stream.unsent = floorOf(stream)
  stream.restsUntilMs =
    nowMs + Math.min(limits.messageRestMsMax, limits.messageRestMsMin * 2 ** Math.min(stream.failures, 10))
  stream.failures++
}

/** What the next commit tells to be settled. */
export const settledOf = ({ settled }: Outbox): NonNullable<CommitRecord['settled']> =>
  [...settled].flatMap(([id, numbers]) => [...numbers].map((number) => [id, number] as const))

/** It has told it. */
export function forgetSettled({ settled }: Outbox, told: ReturnType<typeof settledOf>): void {
  for (const [id, number] of told) {
    const numbers = settled.get(id)
    if (numbers?.delete(number) && numbers.size === 0) settled.delete(id)
  }
}

/** Streams that have been empty for so long that they should end. */
export const quietStreams = ({ open }: Outbox, nowMs: number): readonly Stream[] =>
  [...open.values()].filter(
    ({ messages, quietSinceMs }) => messages.size === 0 && nowMs - quietSinceMs >= limits.streamLingerMs,
  )

/** The actor has so much under way that it should not be given more to do. */
export const isFull = ({ counts }: Outbox, actor: ActorKey): boolean =>
  (counts.get(actor) ?? 0) >= limits.messagesPerActorMax

/** All that a checkpoint or a package must carry. */
export const entriesOf = ({ streams }: Outbox): readonly StreamEntry[] =>
  [...streams.values()].map(({ id, source, target, next, messages }) => ({
    stream: id,
    source,
    target,
    next,
    messages: [...messages.values()],
  }))

/** Takes over what was logged or handed over. */
export function restoreStreams(outbox: Outbox, entries: readonly StreamEntry[], nowMs: number): void {
  for (const entry of entries) {
    const stream = begin(outbox, entry, nowMs)
    stream.next = entry.next
    stream.unsent = entry.messages[0]?.number ?? entry.next
    post(outbox, entry.messages, nowMs)
    stream.next = entry.next
  }
}

/** A commit as it was read from the log. */
export function replay(outbox: Outbox, { sent = [], settled = [] }: Pick<CommitRecord, 'sent' | 'settled'>): void {
  post(outbox, sent, 0)
  for (const { op, stream, number } of sent) if (op === 'end') settleBelow(outbox, stream, number)
  for (const [id, number] of settled) remove(outbox, id, number)
}

/** What comes before an end was settled when that was sent, also where no commit tells so: the shard may have moved before one did. */
function settleBelow(outbox: Outbox, id: string, end: number): void {
  for (const number of outbox.streams.get(id)!.messages.keys()) if (number < end) remove(outbox, id, number)
}

function begin(
  outbox: Outbox,
  { stream: id, source, target }: Pick<ActorMessage, 'stream' | 'source' | 'target'>,
  nowMs: number,
): Stream {
  const stream: Stream = {
    id,
    source,
    target,
    next: 1,
    messages: new Map(),
    refused: new Set(),
    unsent: 1,
    attempt: 0,
    failures: 0,
    restsUntilMs: 0,
    quietSinceMs: nowMs,
  }
  outbox.streams.set(id, stream)
  outbox.open.set(pairOf(stream), stream)
  return stream
}

/** False: it was settled before. */
function remove(outbox: Outbox, id: string, number: number): boolean {
  const stream = outbox.streams.get(id)
  const message = stream?.messages.get(number)
  if (stream === undefined || message === undefined) return false
  stream.messages.delete(number)
  stream.refused.delete(number)
  if (stream.messages.size === 0) outbox.busy.delete(stream)
  count(outbox, stream.source, -1)
  if (message.op === 'end') outbox.streams.delete(id)
  return true
}

function count({ counts }: Outbox, actor: ActorKey, more: number): void {
  const sum = (counts.get(actor) ?? 0) + more
  if (sum === 0) counts.delete(actor)
  else counts.set(actor, sum)
}

/** About what it adds to a record. */
export const bytesOf = ({ source, target, body }: Post): number =>
  100 + 2 * (source.length + target.length) + body.length

/** Keys hold any character. */
const pairOf = ({ source, target }: Pick<ActorMessage, 'source' | 'target'>): string =>
  `${source.length}/${source}/${target}`
