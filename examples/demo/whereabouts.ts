/** Whereabouts: where each actor was seen last, by the cluster's own list, to count how many have moved. */

import type { ListRow } from '../../src/index.ts'

export class Whereabouts {
  readonly #nodes = new Map<string, string>()

  /** Tells `onMove` of each that is elsewhere than it was; also if the list breaks off later. */
  async look(rows: AsyncIterable<ListRow>, onMove: () => void): Promise<void> {
    for await (const { type, id, node } of rows) {
      const key = `${type}/${id}`
      const before = this.#nodes.get(key)
      if (before !== undefined && before !== node) onMove()
      this.#nodes.set(key, node)
    }
  }
}
