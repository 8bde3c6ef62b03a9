/** The memory twin of the log: the records live in a `MemoryStore` of the broker. Each call reaches the store in a turn of
 *  its own and is answered from there, as over a network that never fails; `timeoutMs` therefore never runs out. */

import type { MemoryBroker } from '../transport/memory-broker.ts'
import { guarded, type Report, reportWarning } from '../transport/report.ts'
import type { MemoryStore } from './memory-store.ts'
import type { AppendOptions, AppendResult, Log, LogEntry, LogIdentity, ReadResult, TailResult } from './port.ts'

export interface MemoryLogOptions {
  /** Logs of one stream share their records and their sequence. */
  readonly stream: string
  /** Hears what listeners throw. */
  readonly report?: Report
}

export const memoryLog = (broker: MemoryBroker, options: MemoryLogOptions): Log =>
  new MemoryLog(broker, options.stream, options.report ?? reportWarning)

const closedResult = { kind: 'unknown', reason: 'closed' } as const

class MemoryLog implements Log {
  private readonly broker: MemoryBroker
  private readonly store: MemoryStore
  private readonly report: Report
  private readonly watches = new Set<() => void>()
  private closed = false

  constructor(broker: MemoryBroker, stream: string, report: Report) {
    this.broker = broker
    this.store = broker.store(stream)
    this.report = report
  }

  get bytesMax(): number {
    return this.broker.bytesMax
  }

  append(name: string, record: Uint8Array, expected: number, options: AppendOptions): Promise<AppendResult> {
    if (record.length > this.bytesMax) return Promise.resolve({ kind: 'too large' })
    const bytes = new Uint8Array(record)
    return this.ask<AppendResult>(closedResult, () =>
      this.store.append(name, bytes, expected, options.replace === true),
    )
  }

  tail(name: string): Promise<TailResult> {
    return this.ask<TailResult>(closedResult, () => {
      const entry = this.store.tail(name)
      return entry ? { kind: 'entry', entry: copyOf(entry) } : { kind: 'empty' }
    })
  }

  read(name: string, from: number): Promise<ReadResult> {
    return this.ask<ReadResult>(closedResult, () => ({
      kind: 'entries',
      entries: this.store.read(name, from).map(copyOf),
    }))
  }

  purge(name: string, before: number | undefined): Promise<'done' | 'unknown'> {
    return this.ask<'done' | 'unknown'>('unknown', () => {
      this.store.purge(name, before)
      return 'done'
    })
  }

  watch(prefix: string, listener: (entry: LogEntry) => void): () => void {
    let ended = false
    let unwatch = (): void => {}
    const hear = guarded(listener, this.report)
    const deliver = (entry: LogEntry): void => {
      if (!ended) hear(copyOf(entry))
    }
    const end = (): void => {
      ended = true
      this.watches.delete(end)
      unwatch()
    }
    this.watches.add(end)
    this.broker.enqueue(() => {
      if (ended || this.closed) return
      // Both in one turn of the broker: nothing is stored between the last records and the later ones.
      unwatch = this.store.watch(prefix, (entry) => this.broker.enqueue(() => deliver(entry)))
      for (const entry of this.store.lasts(prefix)) deliver(entry)
    })
    return end
  }

  identity(): Promise<LogIdentity | 'unknown'> {
    return this.ask<LogIdentity | 'unknown'>('unknown', () => ({
      server: `memory:${this.broker.name}`,
      created: this.store.created,
      lastSeq: this.store.lastSeq,
      mayForget: false,
    }))
  }

  async close(): Promise<void> {
    this.closed = true
    for (const end of this.watches) end()
  }

  /** What `look` finds in a later turn; `closed` if the log is closed before the answer is given. */
  private ask<T>(closed: T, look: () => T): Promise<T> {
    if (this.closed) return Promise.resolve(closed)
    return new Promise((resolve) => {
      this.broker.enqueue(() => resolve(this.closed ? closed : look()))
    })
  }
}

const copyOf = (entry: LogEntry): LogEntry => ({ ...entry, bytes: new Uint8Array(entry.bytes) })
