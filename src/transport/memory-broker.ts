/** MemoryBroker: what nats-server is to a real cluster, for one inside a process: subjects, queue groups and the stores of
 *  the logs. Everything that reaches it takes effect at once or in a later turn of the clock, never inside the caller's own,
 *  and in the order of arrival; so a fake clock drives a whole cluster. It never loses anything: faults are for the wrappers
 *  of the simulator. */

import { type Clock, systemClock } from '../base/clock.ts'
import { MemoryStore } from '../log/memory-store.ts'
import type { Message } from './port.ts'

export interface MemoryBrokerOptions {
  readonly clock?: Clock
  /** The largest message; NATS's own default where it is left out. */
  readonly bytesMax?: number
}

interface Subscription {
  readonly tokens: readonly string[]
  readonly queue: string | undefined
  readonly deliver: (message: Message) => void
}

export class MemoryBroker {
  readonly name: string
  readonly clock: Clock
  readonly bytesMax: number
  /** Subscriptions without wildcards by their subject: nearly all of them, found without a search. */
  private readonly exact = new Map<string, Set<Subscription>>()
  private readonly wild = new Set<Subscription>()
  /** Messages that each queue group had so far: its members take turns. */
  private readonly queueTurns = new Map<string, number>()
  private readonly stores = new Map<string, MemoryStore>()
  private waiting: (() => void)[] = []
  private inboxes = 0

  constructor(name: string, options: MemoryBrokerOptions = {}) {
    this.name = name
    this.clock = options.clock ?? systemClock
    this.bytesMax = options.bytesMax ?? 2 ** 20
  }

  /** Hands the message to everyone whose subscription matches, each with bytes of their own. False: there is nobody. */
  publish(subject: string, bytes: Uint8Array, replyTo: string | undefined): boolean {
    const receivers = this.receiversOf(subject)
    for (const subscription of receivers) {
      const message = { subject, replyTo, bytes: new Uint8Array(bytes) }
      this.enqueue(() => subscription.deliver(message))
    }
    return receivers.length > 0
  }

  /** `deliver` must not throw. Returns what ends the subscription: what was published before still arrives. */
  subscribe(subject: string, deliver: (message: Message) => void, queue?: string): () => void {
    const subscription: Subscription = { tokens: subject.split('.'), queue, deliver }
    const place = isWild(subscription.tokens) ? this.wild : this.exactPlace(subject)
    place.add(subscription)
    return () => {
      place.delete(subscription)
      if (place.size === 0 && this.exact.get(subject) === place) this.exact.delete(subject)
    }
  }

  /** Runs `turn` after everything that reached the broker before it, and not inside the present turn. */
  enqueue(turn: () => void): void {
    this.waiting.push(turn)
    if (this.waiting.length === 1) this.clock.soon(() => this.drain())
  }

  /** The store of this name: what a stream is to NATS. */
  store(name: string): MemoryStore {
    let store = this.stores.get(name)
    if (!store) this.stores.set(name, (store = new MemoryStore(this.clock)))
    return store
  }

  /** A subject that nobody else was given. */
  drawInbox(): string {
    return `_INBOX.${++this.inboxes}`
  }

  private drain(): void {
    // What these turns cause waits for the next drain: the event loop must get a word in between.
    const turns = this.waiting
    this.waiting = []
    for (const turn of turns) turn()
  }

  private exactPlace(subject: string): Set<Subscription> {
    let place = this.exact.get(subject)
    if (!place) this.exact.set(subject, (place = new Set()))
    return place
  }

  private receiversOf(subject: string): Subscription[] {
    const receivers: Subscription[] = []
    const queues = new Map<string, Subscription[]>()
    const take = (subscription: Subscription): void => {
      if (subscription.queue === undefined) return void receivers.push(subscription)
      const members = queues.get(subscription.queue)
      if (members) members.push(subscription)
      else queues.set(subscription.queue, [subscription])
    }
    this.exact.get(subject)?.forEach(take)
    if (this.wild.size > 0) {
      const tokens = subject.split('.')
      for (const subscription of this.wild) if (matches(subscription.tokens, tokens)) take(subscription)
    }
    for (const [queue, members] of queues) {
      const turn = this.queueTurns.get(queue) ?? 0
      this.queueTurns.set(queue, turn + 1)
      receivers.push(members[turn % members.length]!)
    }
    return receivers
  }
}

const isWild = (tokens: readonly string[]): boolean => tokens.includes('*') || tokens.at(-1) === '>'

/** `*` stands for one token, a last `>` for one or more. */
function matches(pattern: readonly string[], subject: readonly string[]): boolean {
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === '>' && i === pattern.length - 1) return subject.length > i
    if (i >= subject.length || (pattern[i] !== '*' && pattern[i] !== subject[i])) return false
  }
  return pattern.length === subject.length
}

const brokers = new Map<string, MemoryBroker>()

/** The process's own broker of this name: where `servers: 'memory:'` leads. It lives as long as the process. */
export function memoryBroker(name: string): MemoryBroker {
  let broker = brokers.get(name)
  if (!broker) brokers.set(name, (broker = new MemoryBroker(name)))
  return broker
}
