/** The memory twin of the transport: a connection to a `MemoryBroker` of the same process. It is connected until it is
 *  closed; a wrapper may take that away. */

import type { MemoryBroker } from './memory-broker.ts'
import type { ConnectionListener, Message, RequestResult, Transport } from './port.ts'
import { guarded, type Report, reportWarning } from './report.ts'

export interface MemoryTransportOptions {
  /** Hears what handlers throw. */
  readonly report?: Report
}

export const memoryTransport = (broker: MemoryBroker, options: MemoryTransportOptions = {}): Transport =>
  new MemoryTransport(broker, options.report ?? reportWarning)

class MemoryTransport implements Transport {
  readonly inbox: string
  private readonly broker: MemoryBroker
  private readonly report: Report
  private readonly answersTo: string
  private readonly listeners = new Set<ConnectionListener>()
  private readonly subscriptions = new Set<() => void>()
  /** Settles a request that has no answer yet. */
  private readonly open = new Set<(result: RequestResult) => void>()
  private requests = 0
  private closed = false

  constructor(broker: MemoryBroker, report: Report) {
    this.broker = broker
    this.report = report
    this.inbox = broker.drawInbox()
    this.answersTo = broker.drawInbox()
  }

  get bytesMax(): number {
    return this.broker.bytesMax
  }

  publish(
    subject: string,
    bytes: Uint8Array,
    options?: { readonly replyTo?: string },
  ): 'sent' | 'too large' | 'closed' {
    if (this.closed) return 'closed'
    if (bytes.length > this.bytesMax) return 'too large'
    const replyTo = options?.replyTo
    const received = this.broker.publish(subject, bytes, replyTo)
    // As NATS says that nobody is there.
    if (!received && replyTo !== undefined)
      this.broker.enqueue(() => this.broker.publish(replyTo, new Uint8Array(0), undefined))
    return 'sent'
  }

  subscribe(subject: string, handler: (message: Message) => void, options?: { readonly queue?: string }): () => void {
    if (this.closed) return () => {}
    const hear = guarded(handler, this.report)
    const unsubscribe = this.broker.subscribe(subject, (message) => this.closed || hear(message), options?.queue)
    const end = (): void => {
      this.subscriptions.delete(end)
      unsubscribe()
    }
    this.subscriptions.add(end)
    return end
  }

  request(subject: string, bytes: Uint8Array, timeoutMs: number): Promise<RequestResult> {
    if (this.closed) return Promise.resolve({ kind: 'unknown', reason: 'closed' })
    if (bytes.length > this.bytesMax) return Promise.resolve({ kind: 'unknown', reason: 'too large' })
    return new Promise((resolve) => {
      const settle = (result: RequestResult): void => {
        if (!this.open.delete(settle)) return
        cancel()
        unsubscribe()
        resolve(result)
      }
      const replyTo = `${this.answersTo}.${++this.requests}`
      const unsubscribe = this.broker.subscribe(replyTo, (message) => settle({ kind: 'reply', bytes: message.bytes }))
      const cancel = this.broker.clock.after(timeoutMs, () => {
        settle({ kind: 'unknown', reason: `no answer within ${timeoutMs} ms` })
      })
      this.open.add(settle)
      const received = this.broker.publish(subject, bytes, replyTo)
      if (!received) this.broker.enqueue(() => settle({ kind: 'nobody' }))
    })
  }

  onConnection(listener: ConnectionListener): () => void {
    this.listeners.add(listener)
    listener(!this.closed)
    return () => void this.listeners.delete(listener)
  }

  flush(): Promise<void> {
    return new Promise((resolve) => this.broker.enqueue(resolve))
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    for (const end of this.subscriptions) end()
    for (const settle of this.open) settle({ kind: 'unknown', reason: 'closed' })
    for (const listener of this.listeners) listener(false)
    this.listeners.clear()
  }
}
