/** Follower: every record of one stream, once and in the order of the store. It stands on a connection of its own to the broker, which
 *  no fault of the network befalls, and goes on behind the last record that came whenever the consumer may be gone: after a
 *  reconnect, at a gap in its deliveries, and when its heartbeats stay away. A gap in the sequences is filled from the store, except
 *  for what a checkpoint or a beat has replaced before it came: the one who listens sees that, and judges accordingly. */

import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  JsHeaders,
  ReplayPolicy,
  type StreamInfo,
} from '@nats-io/jetstream'
import { connect, type Msg, type NatsConnection, nanos, nuid } from '@nats-io/transport-node'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { apiCodes, JetStreamApi } from '../../src/log/jetstream-api.ts'
import { entryOf, parseDelivery, type StoredMessage } from '../../src/log/nats-delivery.ts'
import type { LogEntry } from '../../src/log/port.ts'
import { messageOf } from '../../src/base/errors.ts'
import { subjects } from '../../src/protocol/subjects.ts'
import { drawInbox, NatsLink } from '../../src/transport/nats-link.ts'
import { until } from '../support/until.ts'
import type { Chronicle, StreamName } from './chronicle.ts'

const heartbeatMs = 500
const heartbeatsMissedMax = 3
const createMsMax = 2_000
const retryMs = 100

export interface StoreFollower {
  /** Resolves when everything that is stored by now was told; with what is missing, when it does not come. */
  complete(): Promise<string | undefined>
  end(): Promise<void>
}

/** Longer than the broker needs for a consumer of the whole store. */
const completeMsMax = 10_000

/** Tells the chronicle what is stored in both streams of a cluster, from the first record on. */
export async function followStore(port: number, cluster: string, chronicle: Chronicle): Promise<StoreFollower> {
  const { controlStream, controlPrefix, logStream, logPrefix } = subjects(cluster)
  const connection = await connectFollower(port)
  const follow = (name: StreamName, stream: string, prefix: string): Follower =>
    new Follower({ connection, stream, prefix, deliver: (entry) => chronicle.take(name, entry) })
  const followers = [follow('control', controlStream, controlPrefix), follow('log', logStream, logPrefix)]
  return {
    async complete() {
      try {
        await until('all that is stored was read', () => isComplete(followers), completeMsMax)
      } catch (thrown) {
        return messageOf(thrown)
      }
      chronicle.finish()
      return undefined
    },
    async end() {
      for (const follower of followers) follower.end()
      await connection.close()
    },
  }
}

async function isComplete(followers: readonly Follower[]): Promise<boolean> {
  const ends = await Promise.all(followers.map((follower) => follower.lastSeq()))
  return ends.every((end, i) => end !== undefined && followers[i]!.seq >= end)
}

interface FollowerOptions {
  readonly connection: NatsConnection
  readonly stream: string
  /** Names stand behind it. */
  readonly prefix: string
  readonly deliver: (entry: LogEntry) => void
}

/** To the broker itself, and back there as soon as it is: the less is replaced unseen. */
const connectFollower = (port: number): Promise<NatsConnection> =>
  connect({
    servers: `127.0.0.1:${port}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 20,
    reconnectJitter: 0,
    name: 'the soak itself',
  })

class Follower {
  /** Of the last record that was told. */
  seq = 0
  private readonly arrived: LogEntry[] = []
  private arrivedSeq = 0
  private isTelling = false
  private readonly options: FollowerOptions
  private readonly link: NatsLink
  private readonly api: JetStreamApi
  private consumer: string | undefined
  private unsubscribe = (): void => {}
  private timer: NodeJS.Timeout | undefined
  private places = 0
  private missed = 0
  private ended = false

  constructor(options: FollowerOptions) {
    this.options = options
    this.link = new NatsLink(options.connection)
    this.api = new JetStreamApi(this.link, options.stream)
    this.link.onConnection((connected) => {
      if (connected) this.renew()
      else this.drop()
    })
  }

  /** Where the stream ends by now; undefined while nobody can say. */
  async lastSeq(): Promise<number | undefined> {
    const answer = await this.api.call<StreamInfo>('STREAM.INFO', undefined, createMsMax)
    return answer.kind === 'done' ? answer.value.state.last_seq : undefined
  }

  end(): void {
    this.ended = true
    this.drop()
    this.link.close()
  }

  private renew(): void {
    this.drop()
    if (!this.ended) void this.create()
  }

  private drop(): void {
    clearTimeout(this.timer)
    this.unsubscribe()
    this.unsubscribe = () => {}
    this.consumer = undefined
  }

  private async create(): Promise<void> {
    const { api, link } = this
    const { connection, stream, prefix } = this.options
    const consumer = (this.consumer = nuid.next())
    const inbox = drawInbox(connection)
    this.places = 0
    this.missed = 0
    this.unsubscribe = link.subscribe(inbox, (message) => {
      if (consumer === this.consumer) this.take(message)
    })
    const body = { stream_name: stream, config: consumerConfig(consumer, `${prefix}.>`, inbox, this.arrivedSeq + 1) }
    const created = await api.call('CONSUMER.CREATE', body, createMsMax, `${consumer}.${prefix}.>`)
    if (consumer !== this.consumer) return
    if (created.kind === 'done') return this.listenForSilence()
    // The stream is not there before the first node is; without a connection, the reconnect renews.
    if (link.connected) this.timer = setTimeout(() => this.renew(), retryMs)
  }

  private take(message: Msg): void {
    this.missed = 0
    const delivery = parseDelivery(message, this.options.prefix.length + 1)
    if (delivery === undefined) return this.takeStatus(message)
    if (delivery.place !== this.places + 1) return this.renew()
    this.places = delivery.place
    this.arrivedSeq = delivery.entry.seq
    this.arrived.push(delivery.entry)
    if (!this.isTelling) void this.tell()
  }

  private async tell(): Promise<void> {
    this.isTelling = true
    for (let entry = this.arrived.shift(); entry !== undefined; entry = this.arrived.shift()) {
      while (this.seq + 1 < entry.seq && !this.ended) await this.tellSkipped(this.seq + 1)
      this.seq = entry.seq
      this.options.deliver(entry)
    }
    this.isTelling = false
  }

  /** nats-server 2.9 takes its consumers beyond what they have not delivered yet when a record of any name is replaced. */
  private async tellSkipped(seq: number): Promise<void> {
    const answer = await this.api.call<StoredMessage>('STREAM.MSG.GET', { seq }, createMsMax)
    if (answer.kind === 'done') this.options.deliver(entryOf(answer.value, this.options.prefix.length + 1))
    if (answer.kind === 'done' || (answer.kind === 'refused' && answer.error.err_code === apiCodes.NoMessageFound))
      this.seq = seq
    else await sleep(systemClock, retryMs)
  }

  private takeStatus(message: Msg): void {
    const delivered = Number(message.headers?.get(JsHeaders.LastConsumerSeqHdr) ?? 0)
    if (message.headers?.code !== 100 || delivered > this.places) this.renew()
  }

  private listenForSilence(): void {
    this.timer = setTimeout(() => {
      if (++this.missed > heartbeatsMissedMax) this.renew()
      else this.listenForSilence()
    }, heartbeatMs)
  }
}

const consumerConfig = (name: string, filter: string, inbox: string, from: number): Partial<ConsumerConfig> => ({
  name,
  deliver_subject: inbox,
  filter_subject: filter,
  deliver_policy: DeliverPolicy.StartSequence,
  opt_start_seq: from,
  ack_policy: AckPolicy.None,
  replay_policy: ReplayPolicy.Instant,
  max_deliver: 1,
  idle_heartbeat: nanos(heartbeatMs),
  mem_storage: true,
  num_replicas: 1,
  inactive_threshold: nanos(5_000),
})
