/** Streams: the target's side of rule M3: of the messages that other actors send, which may be processed now.
 *
 *  A message is a request whose id is its stream and number, and the shard's memory of requests (rule M2) tells which ones were
 *  processed. The memory of a message is kept until its source says, by the floor in a later one, that it will not send it again,
 *  however long that takes; that of the last one of a stream for the horizon. Hence, with what is known of a stream:
 *
 *        below the lowest known: settled, nobody waits for it     known: answered again
 *        unknown, below the highest known: it was refused for good, and that is settled
 *        one above the highest known, or the floor: the next one     else: an earlier one must come first */

import type { ActorKey } from '../protocol/address.ts'
import type { MessageHead } from '../protocol/frames.ts'

/** By target and stream: the numbers that are known, lowest first. */
export type Streams = Map<string, Set<number>>

type StreamPlace = Pick<MessageHead, 'stream' | 'number' | 'floor'>

export const placeOf = (
  streams: Streams,
  target: ActorKey,
  { stream, number, floor }: StreamPlace,
): 'next' | 'known' | 'settled' | 'early' => {
  const known = streams.get(keyOf(target, stream))
  if (known === undefined) return number === floor ? 'next' : 'early'
  if (known.has(number)) return 'known'
  const highest = Math.max(...known)
  if (number < highest) return 'settled'
  return number === highest + 1 || number === floor ? 'next' : 'early'
}

/** It is being processed. */
export function note(streams: Streams, target: ActorKey, { stream, number }: Omit<StreamPlace, 'floor'>): void {
  const key = keyOf(target, stream)
  const known = streams.get(key)
  if (known === undefined) streams.set(key, new Set([number]))
  else known.add(number)
}

/** Its turn was undone, or its horizon is over. */
export function unnote(streams: Streams, target: ActorKey, { stream, number }: Omit<StreamPlace, 'floor'>): void {
  const key = keyOf(target, stream)
  const known = streams.get(key)
  if (known?.delete(number) && known.size === 0) streams.delete(key)
}

/** The source will not send these again. The highest one is kept, as the place where the stream stands. */
export function settledBelow(
  streams: Streams,
  target: ActorKey,
  { stream, floor }: Omit<StreamPlace, 'number'>,
): readonly number[] {
  const known = streams.get(keyOf(target, stream))
  if (known === undefined) return []
  const highest = Math.max(...known)
  return [...known].filter((number) => number < floor && number < highest)
}

/** The request id of a message. No caller's id begins so. */
export const requestOf = ({ stream, number }: Omit<StreamPlace, 'floor'>): string => `\u0000${stream}.${number}`

/** And back. */
export function messageOf(request: string): Omit<StreamPlace, 'floor'> | undefined {
  if (!request.startsWith('\u0000')) return undefined
  const dot = request.lastIndexOf('.')
  return { stream: request.slice(1, dot), number: Number(request.slice(dot + 1)) }
}

/** What a machine that keeps a request open holds of it: where the answer of an actor's ask goes is part of it. */
export const tokenOf = (request: string, message: MessageHead | undefined): string =>
  message?.onReply === undefined ? request : [request, message.onReply, message.source].join('\u0000')

/** To whom, and as what event, an answer under this token goes; undefined where a caller waits for it. */
export function askerOf(token: string): { readonly source: ActorKey; readonly onReply: string } | undefined {
  if (!token.startsWith('\u0000')) return undefined
  const [, , onReply, ...source] = token.split('\u0000')
  return onReply === undefined ? undefined : { onReply, source: source.join('\u0000') }
}

const keyOf = (target: ActorKey, stream: string): string => `${stream} ${target}`
