/** Frames: what a sender (a client, or a node that serves the public subjects) sends to the owner of a shard, and what comes
 *  back. Frames that are due in the same turn of the event loop travel in one message, and so do answers.
 *
 *  Order (rule O1): a lane is all that one sender sends to one actor. Its frames are numbered; `base` is the lowest number that was
 *  unsettled when the frame was sent. An owner that sees a lane for the first time begins at `base`, processes the numbers in
 *  order, and holds a frame back while one between `base` and it is missing: so neither a lost frame nor a change of route
 *  can let a later one overtake. A lane that is sent again gets new, higher numbers each time. */

import type { Refusal } from '../base/errors.ts'
import { decode, encode } from './codec.ts'
import type { ShardName } from './address.ts'

/** 'end': of a stream between two actors (rule M3). */
export type Operation = 'spawn' | 'ask' | 'tell' | 'get' | 'stop' | 'locate' | 'end'

/** What a frame says of the message between actors that it brings. */
export interface MessageHead {
  readonly source: string
  readonly stream: string
  readonly number: number
  /** The lowest number of the stream that is not settled. */
  readonly floor: number
  /** Of an ask: type of the event that brings the reply. */
  readonly onReply?: string
}

export interface Frame {
  /** Made once by the sender, the same in every sending (rule M1). */
  readonly id: string
  readonly op: Operation
  readonly type: string
  readonly actor: string
  readonly shard: ShardName
  /** An encoded event or input. */
  readonly body: Uint8Array
  /** The caller's request id; left out, `id` serves as one for the retries of this sender. */
  readonly request?: string
  /** Time that remains when the frame is sent. */
  readonly leftMs: number
  /** Number of the view by which the sender chose this node. */
  readonly view: number
  readonly lane: number
  readonly base: number
  /** `lane` of the first sending. */
  readonly first: number
  /** W3C `traceparent`. */
  readonly trace?: string
  readonly message?: MessageHead
}

export interface FrameBatch {
  /** Names the sender for as long as it lives: client or node with incarnation. */
  readonly from: string
  /** Subject for the answers. */
  readonly replyTo: string
  readonly frames: readonly Frame[]
}

export type Answer =
  /** `body` is the encoded result of the operation (see `results.ts`). Settles the frame. */
  | { readonly id: string; readonly kind: 'done'; readonly body: Uint8Array }
  /** Settles the frame, if it is its last sending that is refused: the number `lane` tells. Left out where every sending is. */
  | { readonly id: string; readonly kind: 'refused'; readonly why: Refusal; readonly lane?: number }
  /** The node does not own the shard under view `view`. The sender refreshes its view and sends all that is unsettled again. */
  | { readonly id: string; readonly kind: 'moved'; readonly view: number }

export interface AnswerBatch {
  readonly from: string
  readonly answers: readonly Answer[]
}

type FrameTuple = [
  string,
  Operation,
  string,
  string,
  string,
  Uint8Array,
  string | null,
  number,
  number,
  number,
  number,
  number,
  string | null,
  MessageHead | null,
]

export const encodeFrames = (batch: FrameBatch): Uint8Array =>
  encode([batch.from, batch.replyTo, batch.frames.map(frameTuple)])

/** `undefined` for bytes that are no batch: the caller counts and drops them. */
export function decodeFrames(bytes: Uint8Array): FrameBatch | undefined {
  try {
    const [from, replyTo, tuples] = decode(bytes) as [string, string, FrameTuple[]]
    if (typeof from !== 'string' || typeof replyTo !== 'string') return undefined
    return { from, replyTo, frames: tuples.map(frameOf) }
  } catch {
    return undefined
  }
}

const answerKinds = ['done', 'refused', 'moved'] as const

type AnswerTuple = [string, number, unknown, number?]

export const encodeAnswers = (batch: AnswerBatch): Uint8Array => encode([batch.from, batch.answers.map(answerTuple)])

export function decodeAnswers(bytes: Uint8Array): AnswerBatch | undefined {
  try {
    const [from, tuples] = decode(bytes) as [string, AnswerTuple[]]
    return { from, answers: tuples.map(answerOf) }
  } catch {
    return undefined
  }
}

/** About what a frame adds to a message, for filling messages up to their limit. */
export const frameBytes = (frame: Frame): number =>
  frame.body.length +
  3 * (frame.id.length + frame.actor.length + frame.type.length + (frame.request?.length ?? 0)) +
  160

const frameTuple = (f: Frame): FrameTuple => [
  f.id,
  f.op,
  f.type,
  f.actor,
  f.shard,
  f.body,
  f.request ?? null,
  f.leftMs,
  f.view,
  f.lane,
  f.base,
  f.first,
  f.trace ?? null,
  f.message ?? null,
]

function frameOf(tuple: FrameTuple): Frame {
  const [id, op, type, actor, shard, body, request, leftMs, view, lane, base, first, trace, message] = tuple
  return {
    id,
    op,
    type,
    actor,
    shard,
    body,
    leftMs,
    view,
    lane,
    base,
    first,
    ...(request !== null && { request }),
    ...(trace !== null && { trace }),
    ...(message !== null && { message }),
  }
}

function answerTuple(answer: Answer): AnswerTuple {
  const head = [answer.id, answerKinds.indexOf(answer.kind)] as const
  if (answer.kind !== 'refused') return [...head, answer.kind === 'done' ? answer.body : answer.view]
  return answer.lane === undefined ? [...head, answer.why] : [...head, answer.why, answer.lane]
}

function answerOf([id, index, content, lane]: AnswerTuple): Answer {
  const kind = answerKinds[index]
  if (kind === 'done') return { id, kind, body: content as Uint8Array }
  if (kind === 'refused') return { id, kind, why: content as Refusal, ...(lane !== undefined && { lane }) }
  return { id, kind: 'moved', view: content as number }
}
