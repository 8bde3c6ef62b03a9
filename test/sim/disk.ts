/** Disk: what the broker of a simulated world has stored. A broker that acknowledges before its disk has it may start again without
 *  its newest records, and gives their sequences out anew. */

import type { LogEntry } from '../../src/log/port.ts'
import type { MemoryStore } from '../../src/log/memory-store.ts'

type Names = Map<string, LogEntry[]>

interface Copy {
  readonly lastSeq: number
  readonly names: Names
}

export class Disk {
  /** How often the broker was started. */
  starts = 1
  private readonly stores: readonly MemoryStore[]
  private readonly onRestored: () => void

  constructor(stores: readonly MemoryStore[], onRestored: () => void) {
    this.stores = stores
    this.onRestored = onRestored
  }

  copy(): readonly Copy[] {
    return this.stores.map((store) => ({ lastSeq: store.lastSeq, names: copyOf(namesOf(store)) }))
  }

  /** The broker starts again, and this is what it finds. */
  restore(copies: readonly Copy[]): void {
    this.starts++
    for (const [i, store] of this.stores.entries()) {
      const { lastSeq, names } = copies[i]!
      store.lastSeq = lastSeq
      const kept = namesOf(store)
      kept.clear()
      for (const [name, entries] of copyOf(names)) kept.set(name, entries)
    }
    this.onRestored()
  }

  /** Sequence of the last record of `name`. */
  tailOf(name: string): number {
    return Math.max(0, ...this.stores.map((store) => store.tail(name)?.seq ?? 0))
  }
}

/** The product has no use for a store that forgets, so it offers no way to make one. */
const namesOf = (store: MemoryStore): Names => (store as unknown as { readonly names: Names }).names

const copyOf = (names: Names): Names => new Map([...names].map(([name, entries]) => [name, [...entries]]))
