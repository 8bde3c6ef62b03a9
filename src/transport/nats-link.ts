/** NatsLink: requests over one NATS connection, and the word whether that connection is up.
 *
 *  The client library neither fails what is in flight when a connection breaks nor refuses what is published while it is
 *  down: the one waits for its own timeout, the other is dropped without a word. Both would be read as "slow broker". So
 *  this link follows the connection's status: at a disconnect every open request settles as 'unknown' at once, and until
 *  the reconnect nothing is sent. All answers come to one inbox of the link's own, found again by a number.
 *  A link belongs to one transport or one log; several may stand on the same connection. */

import {
  createInbox,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type NatsConnectionImpl,
  PermissionViolationError,
  type QueuedIterator,
  type Status,
} from '@nats-io/transport-node'
import { type Cancel, systemClock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { ConnectionListener } from './port.ts'

export type Answer =
  | { readonly kind: 'reply'; readonly bytes: Uint8Array }
  /** Nobody subscribes to the subject: certainly not received. */
  | { readonly kind: 'nobody' }
  /** No answer in time, or the connection broke. */
  | { readonly kind: 'unknown'; readonly reason: string }
  /** The user lacks the permission to send this, or to hear the answer. */
  | { readonly kind: 'forbidden'; readonly reason: string }
  | { readonly kind: 'too large' }

interface Request {
  readonly subject: string
  readonly resolve: (answer: Answer) => void
  readonly cancelTimeout: Cancel
}

export interface NatsLinkOptions {
  /** Hears the errors of the connection that no request waits for. */
  readonly onError?: (error: Error) => void
}

export class NatsLink {
  readonly connection: NatsConnection
  connected: boolean
  private readonly onError: (error: Error) => void
  private readonly answersTo: string
  private readonly open = new Map<string, Request>()
  private readonly listeners = new Set<ConnectionListener>()
  private readonly endOfAnswers: () => void
  private readonly status: QueuedIterator<Status>
  private requests = 0
  private closed: boolean
  /** Why no answer can ever arrive here, once the broker has said so. */
  private deaf: string | undefined
  private maxPayload = 2 ** 20

  constructor(connection: NatsConnection, options: NatsLinkOptions = {}) {
    this.connection = connection
    this.onError = options.onError ?? (() => {})
    // While it dials, a connection has no server and so no `info`.
    this.connected = !connection.isClosed() && connection.info !== undefined
    this.closed = connection.isClosed()
    this.answersTo = drawInbox(connection)
    this.status = connection.status() as QueuedIterator<Status>
    this.endOfAnswers = this.subscribe(`${this.answersTo}.*`, (message) => this.takeAnswer(message))
    void this.follow()
  }

  /** The largest payload that the broker takes, headers included. */
  get bytesMax(): number {
    return (this.maxPayload = this.connection.info?.max_payload ?? this.maxPayload)
  }

  /** Sends at most once and settles by `timeoutMs`; never throws. */
  request(subject: string, bytes: Uint8Array, timeoutMs: number, headers?: MsgHdrs): Promise<Answer> {
    if (!this.connected) return Promise.resolve({ kind: 'unknown', reason: this.closed ? 'closed' : 'disconnected' })
    if (this.deaf !== undefined) return Promise.resolve({ kind: 'forbidden', reason: this.deaf })
    return new Promise((resolve) => {
      const token = (++this.requests).toString(36)
      const cancelTimeout = systemClock.after(timeoutMs, () => {
        this.settle(token, { kind: 'unknown', reason: `no answer within ${timeoutMs} ms` })
      })
      this.open.set(token, { subject, resolve, cancelTimeout })
      const sent = this.publish(subject, bytes, `${this.answersTo}.${token}`, headers)
      if (sent === 'too large') this.settle(token, { kind: 'too large' })
      if (sent === 'closed') this.settle(token, { kind: 'unknown', reason: 'closed' })
    })
  }

  publish(subject: string, bytes: Uint8Array, reply?: string, headers?: MsgHdrs): 'sent' | 'too large' | 'closed' {
    if (!this.connected) return 'closed'
    if (bytes.length > this.bytesMax) return 'too large'
    try {
      this.connection.publish(subject, bytes, { ...(reply && { reply }), ...(headers && { headers }) })
      return 'sent'
    } catch (thrown) {
      // The size with headers is known to the library alone.
      if (messageOf(thrown).includes('max_payload')) return 'too large'
      this.onError(thrown as Error)
      return 'closed'
    }
  }

  /** `receive` must not throw: that would end the library's reader. The message's bytes are a view on the socket's buffer.
   *  Returns what ends the subscription, for all that the broker has not sent yet. */
  subscribe(subject: string, receive: (message: Msg) => void, queue?: string): () => void {
    if (this.closed || this.connection.isClosed() || this.connection.isDraining()) return () => {}
    const callback = (error: Error | null, message: Msg): void => {
      if (!error) return receive(message)
      if (subject === `${this.answersTo}.*`) return this.becomeDeaf(error)
      this.onError(error)
    }
    const subscription = this.connection.subscribe(subject, { callback, ...(queue !== undefined && { queue }) })
    return () => {
      // Unlike `unsubscribe`, which drops what is on its way, and of a queue group that is lost.
      if (!subscription.isClosed()) subscription.drain().catch(() => {})
    }
  }

  /** A new listener hears the present state at once. */
  onConnection(listener: ConnectionListener): () => void {
    this.listeners.add(listener)
    listener(this.connected)
    return () => void this.listeners.delete(listener)
  }

  /** Resolves once the broker has everything sent so far, or the connection is gone. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.connected) return resolve()
      const done = (): void => {
        forget()
        resolve()
      }
      const forget = this.onConnection((connected) => void (connected || done()))
      this.connection.flush().then(done, done)
    })
  }

  /** Settles what is open and lets go of the connection, which stays as it is. */
  close(): void {
    this.endOfAnswers()
    this.status.stop()
    this.becomeClosed()
  }

  private async follow(): Promise<void> {
    for await (const status of this.status) {
      if (status.type === 'reconnect') this.becomeConnected()
      else if (status.type === 'disconnect') this.becomeDisconnected('disconnected')
      else if (status.type === 'staleConnection') this.becomeStale()
      else if (status.type === 'error') this.takeError(status.error)
    }
    this.becomeClosed()
  }

  private becomeConnected(): void {
    if (this.connected || this.closed) return
    this.connected = true
    this.tellListeners()
  }

  private becomeDisconnected(reason: string): void {
    if (!this.connected) return
    this.connected = false
    for (const token of this.open.keys()) this.settle(token, { kind: 'unknown', reason })
    this.tellListeners()
  }

  /** The peer has not answered for too long. Before it dials again, the library waits for a last write, which on a dead
   *  connection with a full buffer ends with TCP's own patience, after a quarter of an hour: so the socket is destroyed. */
  private becomeStale(): void {
    this.becomeDisconnected('stale connection')
    const internals = this.connection as unknown as { protocol?: { transport?: { socket?: { destroy?(): void } } } }
    internals.protocol?.transport?.socket?.destroy?.()
  }

  private becomeClosed(): void {
    this.closed = true
    this.becomeDisconnected('closed')
    this.listeners.clear()
  }

  private becomeDeaf(error: Error): void {
    this.deaf = error.message
    for (const token of this.open.keys()) this.settle(token, { kind: 'forbidden', reason: this.deaf })
  }

  private tellListeners(): void {
    for (const listener of this.listeners) listener(this.connected)
  }

  private takeAnswer(message: Msg): void {
    const token = message.subject.slice(this.answersTo.length + 1)
    if (message.data.length === 0 && message.headers?.code === 503) this.settle(token, { kind: 'nobody' })
    else this.settle(token, { kind: 'reply', bytes: new Uint8Array(message.data) })
  }

  private takeError(error: Error): void {
    if (!(error instanceof PermissionViolationError)) return this.onError(error)
    // Refused subscriptions reach their own callback.
    if (error.operation === 'subscription') return
    let waited = false
    for (const [token, request] of this.open) {
      if (request.subject !== error.subject) continue
      waited = true
      this.settle(token, { kind: 'forbidden', reason: error.message })
    }
    if (!waited) this.onError(error)
  }

  private settle(token: string, answer: Answer): void {
    const request = this.open.get(token)
    if (!request) return
    this.open.delete(token)
    request.cancelTimeout()
    request.resolve(answer)
  }
}

/** A subject of this connection's own, under the prefix that the caller's permissions may ask for. */
export const drawInbox = (connection: NatsConnection): string =>
  createInbox((connection as Partial<NatsConnectionImpl>).options?.inboxPrefix)
