/** Transport: messages between processes by subject, as NATS core gives them.
 *
 *  What an implementation promises:
 *  - at most once: a message may be lost when a connection breaks, and nobody is told;
 *  - messages of one publisher to one subscription arrive in order while both stay connected;
 *  - of the subscriptions of one `queue` each message reaches one;
 *  - a handler is called in a turn of its own, never from inside `publish`; what it throws is reported, not spread;
 *  - bytes are the receiver's own: they stay valid after the handler returns. */

export interface Message {
  readonly subject: string
  /** Where an answer goes, if one is wanted. */
  readonly replyTo: string | undefined
  readonly bytes: Uint8Array
}

export type RequestResult =
  | { readonly kind: 'reply'; readonly bytes: Uint8Array }
  /** Nobody subscribes to the subject: certainly not received. */
  | { readonly kind: 'nobody' }
  /** No answer in time, or the connection broke: it may have been received. */
  | { readonly kind: 'unknown'; readonly reason: string }

/** Called when the connection comes and goes. A new listener hears the present state at once. */
export type ConnectionListener = (connected: boolean) => void

export interface Transport {
  /** The largest message in bytes. */
  readonly bytesMax: number
  /** A subject of this connection's own, for answers: `${inbox}.x` reaches nobody else. */
  readonly inbox: string
  publish(subject: string, bytes: Uint8Array, options?: { readonly replyTo?: string }): 'sent' | 'too large' | 'closed'
  /** `subject` may end in `>` or hold `*` as NATS has them. Returns what ends the subscription: what the broker has sent by
   *  then still arrives, up to the end of the next `flush`; nobody else would get it. */
  subscribe(subject: string, handler: (message: Message) => void, options?: { readonly queue?: string }): () => void
  request(subject: string, bytes: Uint8Array, timeoutMs: number): Promise<RequestResult>
  onConnection(listener: ConnectionListener): () => void
  /** Resolves once everything published so far has reached the broker, or the connection is gone. */
  flush(): Promise<void>
  close(): Promise<void>
}
