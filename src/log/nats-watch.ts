/** NatsWatch: the last record of each name under a prefix and every later one, for as long as it is wanted.
 *
 *  An ephemeral push consumer delivers them. It is made anew, from the last records on, whenever something may have been
 *  missed: after a reconnect, at a gap in its deliveries, and when its heartbeats stay away, because the server that held
 *  it is gone or the stream is. Starting from the last records, not from where it stood, is what survives a stream that was
 *  restored to an earlier state. There is no flow control: a watcher that sleeps too long is cut off by the server and
 *  comes back through the reconnect. */

import { AckPolicy, type ConsumerConfig, DeliverPolicy, JsHeaders, ReplayPolicy } from '@nats-io/jetstream'
import { type Msg, nanos, nuid } from '@nats-io/transport-node'
import { systemClock } from '../base/clock.ts'
import { drawInbox } from '../transport/nats-link.ts'
import type { Report } from '../transport/report.ts'
import { type JetStreamApi, reasonOf } from './jetstream-api.ts'
import { parseDelivery } from './nats-delivery.ts'
import type { LogEntry } from './port.ts'

const heartbeatMs = 500
/** Heartbeats in a row that stay away before the consumer counts as gone. They are counted, not timed: a process that
 *  stood still for a while itself must look at what has arrived before it judges. */
const heartbeatsMissedMax = 3
const createMsMax = 2_000
const retryMs = 500

export interface NatsWatchOptions {
  readonly api: JetStreamApi
  /** `prefix.>` */
  readonly subjects: string
  readonly namesAt: number
  /** Must not throw. */
  readonly deliver: (entry: LogEntry) => void
  /** Hears why there is no consumer, if the server refuses one: each reason once. */
  readonly report: Report
}

export class NatsWatch {
  private readonly options: NatsWatchOptions
  /** The consumer of now; undefined while there is none. Events of an earlier one are recognised by it and ignored. */
  private consumer: string | undefined
  private unsubscribe = (): void => {}
  private cancelTimer = (): void => {}
  private readonly forgetConnection: () => void
  private missed = 0
  private places = 0
  private ended = false
  private reported: string | undefined

  constructor(options: NatsWatchOptions) {
    this.options = options
    this.forgetConnection = options.api.link.onConnection((connected) => {
      if (connected) this.renew()
      else this.drop()
    })
  }

  end(): void {
    this.ended = true
    this.forgetConnection()
    this.drop()
  }

  /** Lets go of the present consumer and asks for the next. */
  private renew(): void {
    this.drop()
    if (!this.ended) void this.create()
  }

  private drop(): void {
    const { api } = this.options
    this.cancelTimer()
    this.unsubscribe()
    this.unsubscribe = () => {}
    // Without this the server would find out by itself within `inactive_threshold`.
    if (this.consumer !== undefined) api.send('CONSUMER.DELETE', undefined, this.consumer)
    this.consumer = undefined
  }

  private async create(): Promise<void> {
    const { api, subjects } = this.options
    const consumer = (this.consumer = nuid.next())
    const inbox = drawInbox(api.link.connection)
    this.places = 0
    this.missed = 0
    this.unsubscribe = api.link.subscribe(inbox, (message) => {
      if (consumer === this.consumer) this.take(message)
    })
    const body = { stream_name: api.stream, config: consumerConfig(consumer, subjects, inbox) }
    const created = await api.call('CONSUMER.CREATE', body, createMsMax, `${consumer}.${subjects}`)
    if (consumer !== this.consumer) return
    if (created.kind === 'done') return this.listenForSilence()
    if (created.kind !== 'unknown') this.reportOnce(reasonOf(created))
    // While the connection is down the reconnect renews; before that there is nobody to ask.
    if (api.link.connected) this.cancelTimer = systemClock.after(retryMs, () => this.renew())
  }

  private reportOnce(reason: string): void {
    if (reason === this.reported) return
    this.reported = reason
    this.options.report(new Error(`stream ${this.options.api.stream} cannot be watched: ${reason}`))
  }

  private take(message: Msg): void {
    this.missed = 0
    const delivery = parseDelivery(message, this.options.namesAt)
    if (!delivery) return this.takeStatus(message)
    if (delivery.place !== this.places + 1) return this.renew()
    this.places = delivery.place
    this.options.deliver(delivery.entry)
  }

  private takeStatus(message: Msg): void {
    const isHeartbeat = message.headers?.code === 100
    const delivered = Number(message.headers?.get(JsHeaders.LastConsumerSeqHdr) ?? 0)
    // A heartbeat counts what was sent: more than has come means that something is lost.
    if (!isHeartbeat || delivered > this.places) this.renew()
  }

  private listenForSilence(): void {
    this.cancelTimer = systemClock.after(heartbeatMs, () => {
      if (++this.missed > heartbeatsMissedMax) this.renew()
      else this.listenForSilence()
    })
  }
}

const consumerConfig = (name: string, subjects: string, inbox: string): Partial<ConsumerConfig> => ({
  name,
  deliver_subject: inbox,
  filter_subject: subjects,
  deliver_policy: DeliverPolicy.LastPerSubject,
  ack_policy: AckPolicy.None,
  replay_policy: ReplayPolicy.Instant,
  max_deliver: 1,
  idle_heartbeat: nanos(heartbeatMs),
  mem_storage: true,
  num_replicas: 1,
  inactive_threshold: nanos(5_000),
})
