/** MemoryStore: the records of one in-process log, as a JetStream stream keeps them. It is plain state: every method takes
 *  effect at once, and the log in front of it decides when that is. */

import type { Clock } from '../base/clock.ts'
import type { AppendResult, LogEntry } from './port.ts'

interface Watcher {
  readonly prefix: string
  readonly stored: (entry: LogEntry) => void
}

export class MemoryStore {
  readonly created: string
  /** Sequence of the last record that was ever stored; a purge does not lower it. */
  lastSeq = 0
  private readonly clock: Clock
  /** The records of each name, oldest first; a name without records has no place here. */
  private readonly names = new Map<string, LogEntry[]>()
  private readonly watchers = new Set<Watcher>()

  constructor(clock: Clock) {
    this.clock = clock
    this.created = new Date(clock.now().wallMs).toISOString()
  }

  append(name: string, bytes: Uint8Array, expected: number, replace: boolean): AppendResult {
    const entries = this.names.get(name)
    if ((entries?.at(-1)?.seq ?? 0) !== expected) return { kind: 'refused' }
    const entry = { name, seq: ++this.lastSeq, timeMs: Math.floor(this.clock.now().wallMs), bytes }
    if (entries && !replace) entries.push(entry)
    else this.names.set(name, [entry])
    for (const watcher of this.watchers) if (isUnder(name, watcher.prefix)) watcher.stored(entry)
    return { kind: 'stored', seq: entry.seq }
  }

  tail(name: string): LogEntry | undefined {
    return this.names.get(name)?.at(-1)
  }

  read(name: string, from: number): LogEntry[] {
    return (this.names.get(name) ?? []).filter((entry) => entry.seq >= from)
  }

  /** `name` may end in `.>`, for all names under it. */
  purge(name: string, before: number | undefined): void {
    if (name.endsWith('.>')) {
      for (const other of [...this.names.keys()]) if (isUnder(other, name.slice(0, -2))) this.purge(other, before)
      return
    }
    const left = before === undefined ? [] : this.read(name, before)
    if (left.length > 0) this.names.set(name, left)
    else this.names.delete(name)
  }

  /** The last record of each name under the prefix, in order of sequence. */
  lasts(prefix: string): LogEntry[] {
    const lasts: LogEntry[] = []
    for (const [name, entries] of this.names) if (isUnder(name, prefix)) lasts.push(entries.at(-1)!)
    return lasts.toSorted((a, b) => a.seq - b.seq)
  }

  /** Calls `stored` inside each later append under the prefix. Returns what ends it. */
  watch(prefix: string, stored: (entry: LogEntry) => void): () => void {
    const watcher = { prefix, stored }
    this.watchers.add(watcher)
    return () => void this.watchers.delete(watcher)
  }
}

const isUnder = (name: string, prefix: string): boolean => prefix === '' || name.startsWith(`${prefix}.`)
