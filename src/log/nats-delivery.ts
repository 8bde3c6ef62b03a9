/** NatsDelivery: what JetStream tells about a record beside its bytes, when it hands it to a consumer or to a reader. */

import type { Msg } from '@nats-io/transport-node'
import type { LogEntry } from './port.ts'

export interface Delivery {
  readonly entry: LogEntry
  /** Place among the consumer's deliveries, from 1: a gap means that one was lost on the way. */
  readonly place: number
}

/** `namesAt` is the length of the stream's prefix with its dot. Undefined for what is no delivery: a status. */
export function parseDelivery(message: Msg, namesAt: number): Delivery | undefined {
  // $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>, in newer servers with domain
  // and account before the stream.
  const tokens = message.reply?.split('.') ?? []
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined
  const at = tokens.length < 11 ? 5 : 7
  return {
    entry: {
      name: message.subject.slice(namesAt),
      seq: Number(tokens[at]),
      // Nanoseconds do not fit a number, milliseconds do.
      timeMs: Number(tokens[at + 2]!.slice(0, -6)),
      bytes: new Uint8Array(message.data),
    },
    place: Number(tokens[at + 1]),
  }
}

/** The answer of `STREAM.MSG.GET`. */
export interface StoredMessage {
  readonly message: { readonly subject: string; readonly seq: number; readonly time: string; readonly data?: string }
}

export const entryOf = ({ message }: StoredMessage, namesAt: number): LogEntry => ({
  name: message.subject.slice(namesAt),
  seq: message.seq,
  timeMs: Date.parse(message.time),
  bytes: new Uint8Array(Buffer.from(message.data ?? '', 'base64')),
})
