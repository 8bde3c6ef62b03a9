/** Sending: the messages of a shard's outbox on their way (rule M3). The loop makes a call of each, which finds the owner of its target and
 *  repeats itself until it has an answer or its time is over; what comes of it is told here. */

import type { ErrorCode, Refusal } from '../base/errors.ts'
import { encode } from '../protocol/codec.ts'
import { type ActorKey, addressOf } from '../protocol/address.ts'
import type { ActorMessage } from '../protocol/actor-message.ts'
import { markDirty } from './commit.ts'
import type { Input } from './effects.ts'
import { floorOf, putOff, quietStreams, settle, type Stream, takeSendable } from './outbox.ts'
import type { NodeState, Shard } from './state.ts'

/** Sends what may be sent now. */
export function sendMessages(node: NodeState, shard: Shard): void {
  if (shard.phase.kind !== 'owned') return
  for (const stream of shard.outbox.busy)
    for (const message of takeSendable(stream, node.nowMs))
      node.out.push({
        kind: 'send message',
        shard: shard.name,
        message,
        floor: floorOf(stream),
        attempt: stream.attempt,
      })
}

/** Ends what has been empty for a while, and sends what has rested. */
export function tickSending(node: NodeState, shard: Shard): void {
  if (shard.phase.kind !== 'owned') return
  for (const { source, target } of quietStreams(shard.outbox, node.nowMs)) {
    if (isPosting(shard, source, target)) continue
    shard.batch.posts.push({ source, target, op: 'end', body: new Uint8Array(0) })
    markDirty(node, shard)
  }
  sendMessages(node, shard)
}

/** Its end is on its way into the log, or a message: what is sent after an end is in another stream, and would overtake that. */
const isPosting = ({ batch, inFlight }: Shard, source: ActorKey, target: ActorKey): boolean =>
  [...batch.posts, ...(inFlight?.posts ?? [])].some((post) => post.source === source && post.target === target)

/** What its target, or nobody, said. */
export function onMessageAnswered(
  node: NodeState,
  shard: Shard,
  { message: { stream: id, number }, attempt, outcome, final }: Extract<Input, { kind: 'message answered' }>,
): void {
  const stream = shard.outbox.streams.get(id)
  const message = stream?.messages.get(number)
  if (stream === undefined || message === undefined) return
  if (outcome === 'done') settle(shard.outbox, id, number, node.nowMs)
  else if (final || hopeless.has(outcome.code)) onRefused(node, shard, stream, message, outcome)
  else putOff(stream, attempt, node.nowMs)
  sendMessages(node, shard)
}

/** Refusals that no attempt can change: no broker takes it; or its target has processed another one of that number, because the broker
 *  of its source has forgotten that this was used. */
const hopeless: ReadonlySet<ErrorCode> = new Set(['TOO_LARGE', 'BAD_REQUEST'])

/** For good. Its source hears of it where it asked for that; the message is settled by the commit in which it does. */
function onRefused(
  node: NodeState,
  shard: Shard,
  stream: Stream,
  { source, target, number, op, onError }: ActorMessage,
  why: Refusal,
): void {
  if (stream.refused.has(number)) return
  if (op !== 'end') node.out.push({ kind: 'notify', event: { kind: 'undeliverable', actor: source, target, op, why } })
  if (onError === undefined || shard.actors.get(source)?.status !== 'active')
    return settle(shard.outbox, stream.id, number, node.nowMs)
  stream.refused.add(number)
  const { code, message: text } = why
  const event = encode({ type: onError, error: { code, message: text }, to: addressOf(target) })
  shard.failures.push({ actor: source, event, stream: stream.id, number })
  node.work.ready.add(shard.name)
}
