/** Call: one request to one actor, checked. Clients build it from the arguments of the public API, nodes from the payloads of the
 *  public subjects; both refuse here, with one set of sentences, what cannot be a request. What the actor's type and
 *  machine think of it is for the owner to say. */

import { GodwitError } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import { type Address, checkId, checkName } from './address.ts'
import { checkDepth, encode } from './codec.ts'
import type { MessageHead, Operation } from './frames.ts'

export interface Call {
  readonly op: Operation
  readonly address: Address
  /** An encoded event or input; empty where the operation has none. */
  readonly body: Uint8Array
  /** The caller's own name for the request: sent again under the same name, it is processed once. */
  readonly request?: string
  readonly timeoutMs: number
  /** W3C `traceparent`. */
  readonly trace?: string
  /** It is a message of an actor. */
  readonly message?: MessageHead
}

/** Unchecked: what a caller may say about any call. */
export interface CallOptions {
  readonly requestId?: unknown
  readonly timeoutMs?: unknown
  readonly trace?: string | undefined
}

const nothing = new Uint8Array(0)

/** `get`, `stop` or `locate`. Throws `BAD_REQUEST`. */
export const plainCall = (op: 'get' | 'stop' | 'locate', type: unknown, id: unknown, options: CallOptions = {}): Call =>
  callOf(op, type, id, nothing, options)

/** Throws `BAD_REQUEST` or `TOO_LARGE`. */
export const spawnCall = (type: unknown, id: unknown, input: unknown, options: CallOptions = {}): Call =>
  callOf('spawn', type, id, encodePart('input', input), options)

/** Throws `BAD_REQUEST`, `TOO_LARGE`, or `EVENT_REJECTED` for an event type that no machine can have. */
export function eventCall(
  op: 'ask' | 'tell',
  type: unknown,
  id: unknown,
  event: unknown,
  options: CallOptions = {},
): Call {
  checkEvent(event)
  return callOf(op, type, id, encodePart('event', event), options)
}

/** The time that a caller gave, or the default. */
export function timeoutOf(timeoutMs: unknown): number {
  if (timeoutMs === undefined) return limits.timeoutMsDefault
  if (typeof timeoutMs === 'number' && timeoutMs > 0 && timeoutMs <= limits.timeoutMsMax) return timeoutMs
  const given = typeof timeoutMs === 'number' ? String(timeoutMs) : typeof timeoutMs
  throw new GodwitError('BAD_REQUEST', `timeoutMs must be above 0 and at most ${limits.timeoutMsMax} and is ${given}`)
}

function callOf(op: Operation, type: unknown, id: unknown, body: Uint8Array, options: CallOptions): Call {
  checkName("an actor's type", type)
  checkId(id)
  const { requestId, trace } = options
  checkRequestId(requestId)
  return {
    op,
    address: { type, id },
    body,
    timeoutMs: timeoutOf(options.timeoutMs),
    ...(requestId !== undefined && { request: requestId }),
    ...(trace !== undefined && { trace }),
  }
}

function checkEvent(event: unknown): void {
  if (typeof event !== 'object' || event === null || !('type' in event) || typeof event.type !== 'string')
    throw new GodwitError('BAD_REQUEST', "an event must be an object with a text as its 'type'")
  if (event.type.length > limits.eventTypeLengthMax)
    throw new GodwitError('EVENT_REJECTED', `an event's type may have ${limits.eventTypeLengthMax} characters`)
}

function checkRequestId(requestId: unknown): asserts requestId is string | undefined {
  if (requestId === undefined) return
  if (typeof requestId !== 'string' || requestId === '' || !requestId.isWellFormed())
    throw new GodwitError('BAD_REQUEST', 'a request id must be a well-formed text that is not empty')
  // Those name messages between actors (rule M3): a caller's would be taken for one.
  if (requestId.startsWith('\u0000'))
    throw new GodwitError('BAD_REQUEST', 'a request id must not begin with the character U+0000')
  const bytes = Buffer.byteLength(requestId)
  if (bytes > limits.requestIdBytesMax)
    throw new GodwitError('BAD_REQUEST', `a request id may have ${limits.requestIdBytesMax} bytes and has ${bytes}`)
}

function encodePart(what: string, value: unknown): Uint8Array {
  const bytes = encode(value)
  if (bytes.length > limits.payloadBytesMax)
    throw new GodwitError('TOO_LARGE', `the ${what} may have ${limits.payloadBytesMax} bytes and has ${bytes.length}`)
  // Only now: a value that holds itself has no depth, and was refused by the encoding.
  checkDepth(value)
  return bytes
}
