/** Mailbox: the frames that wait at one shard, because it cannot take turns now or its commit is full.
 *  Order is the order of arrival. Bounded by count and by bytes; when full it refuses, so that the sender knows that nothing ran.
 *  It drops nothing silently: what waited too long is handed back to be answered. */

import { limits } from '../base/limits.ts'
import { type Frame, frameBytes } from '../protocol/frames.ts'

/** A frame with where its answer goes and the moment, on the node's lease clock (rules M1, C1), at which nobody waits for it any more. */
export interface Delivery extends Frame {
  readonly from: string
  readonly replyTo: string
  readonly deadlineMs: number
}

export interface Mailbox {
  readonly waiting: Delivery[]
  /** Index of the oldest: taking from the front moves it instead of the whole array. */
  head: number
  bytes: number
}

export const createMailbox = (): Mailbox => ({ waiting: [], head: 0, bytes: 0 })

export const lengthOf = (mailbox: Mailbox): number => mailbox.waiting.length - mailbox.head

export function put(mailbox: Mailbox, delivery: Delivery): 'waits' | 'full' {
  const bytes = frameBytes(delivery)
  if (lengthOf(mailbox) >= limits.parkedFramesMax || mailbox.bytes + bytes > limits.parkedBytesMax) return 'full'
  mailbox.waiting.push(delivery)
  mailbox.bytes += bytes
  return 'waits'
}

export function take(mailbox: Mailbox): Delivery | undefined {
  const delivery = mailbox.waiting[mailbox.head]
  if (delivery === undefined) return undefined
  mailbox.head++
  mailbox.bytes -= frameBytes(delivery)
  if (mailbox.head === mailbox.waiting.length) reset(mailbox)
  else if (mailbox.head >= 1_024) {
    mailbox.waiting.splice(0, mailbox.head)
    mailbox.head = 0
  }
  return delivery
}

/** The frame that was taken last is the first again. */
export function putBack(mailbox: Mailbox, delivery: Delivery): void {
  mailbox.bytes += frameBytes(delivery)
  if (mailbox.head > 0) mailbox.waiting[--mailbox.head] = delivery
  else mailbox.waiting.unshift(delivery)
}

/** Everything that waits, in order; the mailbox is empty afterwards. */
export function takeAll(mailbox: Mailbox): readonly Delivery[] {
  const all = mailbox.waiting.slice(mailbox.head)
  reset(mailbox)
  return all
}

/** Removes and returns what nobody waits for any more. */
export function takeExpired(mailbox: Mailbox, nowMs: number): readonly Delivery[] {
  if (lengthOf(mailbox) === 0) return []
  const all = takeAll(mailbox)
  const expired: Delivery[] = []
  for (const delivery of all)
    if (delivery.deadlineMs <= nowMs) expired.push(delivery)
    else put(mailbox, delivery)
  return expired
}

function reset(mailbox: Mailbox): void {
  mailbox.waiting.length = 0
  mailbox.head = 0
  mailbox.bytes = 0
}
