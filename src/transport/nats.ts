/** The NATS twin of the transport. What it adds to NATS core is honesty about a connection that is down: see `NatsLink`. */

import type { NatsConnection } from '@nats-io/transport-node'
import { systemClock } from '../base/clock.ts'
import { drawInbox, NatsLink } from './nats-link.ts'
import type { ConnectionListener, Message, RequestResult, Transport } from './port.ts'
import { guarded, type Report, reportWarning } from './report.ts'

export { connectNats, isNatsConnection, type NatsOptions } from './nats-connect.ts'

export interface NatsTransportOptions {
  /** Closes the connection with the transport. Leave it out for a connection that others use as well. */
  readonly owned?: boolean
  /** Hears what handlers throw and what the broker refuses. */
  readonly report?: Report
}

export const natsTransport = (connection: NatsConnection, options: NatsTransportOptions = {}): Transport =>
  new NatsTransport(connection, options.owned === true, options.report ?? reportWarning)

/** A close waits this long for what was published before. */
const lastFlushMsMax = 1_000

class NatsTransport implements Transport {
  readonly inbox: string
  private readonly link: NatsLink
  private readonly owned: boolean
  private readonly report: Report
  private readonly subscriptions = new Set<() => void>()

  constructor(connection: NatsConnection, owned: boolean, report: Report) {
    this.inbox = drawInbox(connection)
    this.link = new NatsLink(connection, { onError: report })
    this.owned = owned
    this.report = report
  }

  get bytesMax(): number {
    return this.link.bytesMax
  }

  publish(
    subject: string,
    bytes: Uint8Array,
    options?: { readonly replyTo?: string },
  ): 'sent' | 'too large' | 'closed' {
    return this.link.publish(subject, bytes, options?.replyTo)
  }

  subscribe(subject: string, handler: (message: Message) => void, options?: { readonly queue?: string }): () => void {
    const deliver = guarded(handler, this.report)
    const unsubscribe = this.link.subscribe(
      subject,
      // `data` is a view on the socket's buffer, `reply` an empty text where there is none.
      (msg) => deliver({ subject: msg.subject, replyTo: msg.reply || undefined, bytes: new Uint8Array(msg.data) }),
      options?.queue,
    )
    const end = (): void => {
      this.subscriptions.delete(end)
      unsubscribe()
    }
    this.subscriptions.add(end)
    return end
  }

  async request(subject: string, bytes: Uint8Array, timeoutMs: number): Promise<RequestResult> {
    const answer = await this.link.request(subject, bytes, timeoutMs)
    if (answer.kind === 'too large') return { kind: 'unknown', reason: 'too large' }
    if (answer.kind === 'forbidden') return { kind: 'unknown', reason: answer.reason }
    return answer
  }

  onConnection(listener: ConnectionListener): () => void {
    return this.link.onConnection(listener)
  }

  flush(): Promise<void> {
    return this.link.flush()
  }

  async close(): Promise<void> {
    for (const end of this.subscriptions) end()
    await new Promise<void>((resolve) => {
      const cancel = systemClock.after(lastFlushMsMax, resolve)
      void this.link.flush().then(cancel).then(resolve)
    })
    this.link.close()
    if (this.owned) await this.link.connection.close()
  }
}
