/** Pending: the calls of one sender that have no answer yet, in lanes: one lane for each actor, its calls in the order in which
 *  they were made. It numbers the frames by which lanes are kept in order at the other side (rule O1; `lanes.ts`).
 *
 *  Numbers within a lane have no gaps, because the owner waits for the ones that it misses. When a lane is sent again, some of its
 *  calls may have been settled in the middle, and a new owner never heard of those; so the lane is then numbered anew.
 *  And numbers never come twice, or the owner would take a new frame for an old one: one counter stands behind all lanes, it
 *  grows with every number given out, and a lane starts or is numbered anew at the counter. So every number of a lane stays
 *  below it, and a lane can be forgotten as soon as it is empty. */

import { type ActorKey, type Address, keyOf, type ShardName } from '../protocol/address.ts'
import type { Call } from '../protocol/call.ts'
import type { Frame } from '../protocol/frames.ts'
import type { Alarmed } from './alarms.ts'

export interface Pending {
  readonly calls: Map<string, PendingCall>
  readonly lanes: Map<ActorKey, Lane>
  numbers: number
}

/** One call. Its alarm is its deadline. */
export interface PendingCall extends Alarmed {
  readonly kind: 'call'
  readonly id: string
  readonly call: Call
  readonly lane: Lane
  readonly calledMs: number
  readonly deadlineMs: number
  /** The node that it was last sent to, when, and under which number. */
  sentTo: string | undefined
  sentMs: number
  sendings: number
  number: number
  /** The number of its first sending. */
  first: number
  before: PendingCall | undefined
  after: PendingCall | undefined
}

/** The calls to one actor. Its alarm is the time to send them again. */
export interface Lane extends Alarmed {
  readonly kind: 'lane'
  readonly key: ActorKey
  readonly address: Address
  /** Undefined while no view says where actors of its type live. Changed by router.ts. */
  shard: ShardName | undefined
  next: number
  /** How often it was sent again since it had an answer. */
  repeats: number
  first: PendingCall | undefined
  last: PendingCall | undefined
}

export const createPending = (): Pending => ({ calls: new Map(), lanes: new Map(), numbers: 0 })

/** Puts a call at the end of its lane. */
export function addCall(pending: Pending, id: string, call: Call, nowMs: number): PendingCall {
  const lane = laneOf(pending, call.address)
  const added: PendingCall = {
    kind: 'call',
    alarm: undefined,
    id,
    call,
    lane,
    calledMs: nowMs,
    deadlineMs: nowMs + call.timeoutMs,
    sentTo: undefined,
    sentMs: -Infinity,
    sendings: 0,
    number: -1,
    first: -1,
    before: lane.last,
    after: undefined,
  }
  if (lane.last === undefined) lane.first = added
  else lane.last.after = added
  lane.last = added
  pending.calls.set(id, added)
  return added
}

/** Takes a call out. 'empty': it was the last of its lane, which is forgotten. */
export function removeCall(pending: Pending, call: PendingCall): 'empty' | 'others wait' {
  const { lane, before, after } = call
  if (before === undefined) lane.first = after
  else before.after = after
  if (after === undefined) lane.last = before
  else after.before = before
  pending.calls.delete(call.id)
  if (lane.first !== undefined) return 'others wait'
  pending.lanes.delete(lane.key)
  return 'empty'
}

/** The frame of the last call of the lane. All others must be on their way to the same node. */
export const frameOfLast = (pending: Pending, lane: Lane, node: string, view: number, nowMs: number): Frame =>
  frameOf(pending, lane.last!, node, view, nowMs)

/** The frames of all calls of the lane, numbered anew. */
export function framesOfAll(pending: Pending, lane: Lane, node: string, view: number, nowMs: number): readonly Frame[] {
  lane.next = pending.numbers
  const frames: Frame[] = []
  for (let call = lane.first; call !== undefined; call = call.after)
    frames.push(frameOf(pending, call, node, view, nowMs))
  return frames
}

function laneOf(pending: Pending, address: Address): Lane {
  const key = keyOf(address)
  const known = pending.lanes.get(key)
  if (known !== undefined) return known
  const lane: Lane = {
    kind: 'lane',
    alarm: undefined,
    key,
    address,
    shard: undefined,
    next: pending.numbers,
    repeats: 0,
    first: undefined,
    last: undefined,
  }
  pending.lanes.set(key, lane)
  return lane
}

/** Gives the call the next number of its lane and notes that it is sent. */
function frameOf(pending: Pending, sent: PendingCall, node: string, view: number, nowMs: number): Frame {
  const { lane } = sent
  sent.number = lane.next++
  pending.numbers++
  sent.sentTo = node
  sent.sentMs = nowMs
  if (sent.sendings++ === 0) sent.first = sent.number
  const { op, address, body, request, trace, message } = sent.call
  return {
    id: sent.id,
    op,
    type: address.type,
    actor: address.id,
    shard: lane.shard!,
    body,
    leftMs: Math.max(1, Math.ceil(sent.deadlineMs - nowMs)),
    view,
    lane: sent.number,
    base: lane.first!.number,
    first: sent.first,
    ...(request !== undefined && { request }),
    ...(trace !== undefined && { trace }),
    ...(message !== undefined && { message }),
  }
}
