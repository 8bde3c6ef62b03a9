/** NatsPull: what an ephemeral consumer delivers from its start up to a record that is known to be the last one, window by
 *  window: fifty megabytes at once would hold up everything else on the connection. It ends early, with 'again', when a
 *  delivery was lost or that last record is no longer there, and as 'unknown' with the connection or the time. */

import { JsHeaders } from '@nats-io/jetstream'
import type { Msg } from '@nats-io/transport-node'
import { systemClock } from '../base/clock.ts'
import { drawInbox } from '../transport/nats-link.ts'
import type { JetStreamApi } from './jetstream-api.ts'
import { type Delivery, parseDelivery } from './nats-delivery.ts'
import type { LogEntry, ReadResult } from './port.ts'

export type PullResult = ReadResult | { readonly kind: 'again' }

export interface NatsPullOptions {
  readonly api: JetStreamApi
  readonly consumer: string
  /** Length of the prefix with its dot: names begin here. */
  readonly namesAt: number
  /** Sequence of the last record. */
  readonly last: number
  readonly timeoutMs: number
  /** Asks the leader whether the last record still stands. */
  readonly lastStands: () => Promise<boolean | 'unknown'>
}

export function pullUpTo(options: NatsPullOptions): Promise<PullResult> {
  if (!options.api.link.connected) return Promise.resolve({ kind: 'unknown', reason: 'disconnected' })
  return new Promise((resolve) => new NatsPull(options, resolve).start())
}

const windowBytes = 8 * 2 ** 20
const windowRecords = 5_000
/** After so long without a record it is looked at whether the rest can still come. */
const stallMs = 500

class NatsPull {
  private readonly options: NatsPullOptions
  private readonly resolve: (result: PullResult) => void
  private readonly inbox: string
  private readonly entries: LogEntry[] = []
  private readonly ends: (() => void)[] = []
  private cancelStall = (): void => {}
  private windowEnd = 0
  private settled = false

  constructor(options: NatsPullOptions, resolve: (result: PullResult) => void) {
    this.options = options
    this.resolve = resolve
    this.inbox = drawInbox(options.api.link.connection)
  }

  start(): void {
    const { api, timeoutMs } = this.options
    this.ends.push(
      systemClock.after(timeoutMs, () => this.settle({ kind: 'unknown', reason: 'not complete in time' })),
      api.link.subscribe(this.inbox, (message) => this.take(message)),
      api.link.onConnection((connected) => {
        if (!connected) this.settle({ kind: 'unknown', reason: 'disconnected' })
      }),
    )
    this.ask()
    this.listenForStall()
  }

  /** Asks for the next window. */
  private ask(): void {
    const { api, consumer } = this.options
    this.windowEnd = this.entries.length + windowRecords
    // No expiry: 2.9 drops a request that expires in the middle of its answer without a word.
    const window = { batch: windowRecords, max_bytes: Math.max(windowBytes, 2 * api.link.bytesMax) }
    api.send('CONSUMER.MSG.NEXT', window, consumer, this.inbox)
  }

  private take(message: Msg): void {
    const delivery = parseDelivery(message, this.options.namesAt)
    if (delivery) this.takeEntry(delivery)
    else this.takeStatus(message)
  }

  private takeEntry({ entry, place }: Delivery): void {
    const { entries } = this
    const { last } = this.options
    // A gap, or the last record was removed before it could come.
    if (place !== entries.length + 1 || entry.seq > last) return this.settle({ kind: 'again' })
    entries.push(entry)
    if (entry.seq === last) this.settle({ kind: 'entries', entries })
    else if (entries.length === this.windowEnd) this.ask()
  }

  private takeStatus(message: Msg): void {
    if (message.headers?.code === 100) return
    // A window that is full says how much of it is left; anything else ends the consumer.
    if (message.headers?.has(JsHeaders.PendingMessagesHdr)) this.ask()
    else this.settle({ kind: 'again' })
  }

  private listenForStall(): void {
    const before = this.entries.length
    this.cancelStall = systemClock.after(stallMs, () => {
      if (this.entries.length > before) this.listenForStall()
      else void this.askIfLastStands()
    })
  }

  private async askIfLastStands(): Promise<void> {
    const stands = await this.options.lastStands()
    if (this.settled) return
    if (stands === 'unknown') return this.settle({ kind: 'unknown', reason: 'the leader does not answer' })
    if (!stands) return this.settle({ kind: 'again' })
    // A follower that is behind, or a request that got lost in the server: another one does no harm.
    this.ask()
    this.listenForStall()
  }

  private settle(result: PullResult): void {
    if (this.settled) return
    this.settled = true
    this.cancelStall()
    for (const end of this.ends) end()
    this.resolve(result)
  }
}
