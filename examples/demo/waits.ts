/** Waits: how long asks waited for their answers, over some stretch of time. */

import { createHistogram } from 'node:perf_hooks'

export interface Summary {
  readonly answered: number
  readonly asksPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly gapMs: number
}

export class Waits {
  readonly #sinceMs = performance.now()
  /** Microseconds: Node's histogram (an HDR one) takes whole numbers from 1. */
  readonly #histogram = createHistogram()
  #longestMs = 0

  note(waitMs: number): void {
    this.#histogram.record(Math.max(1, Math.round(waitMs * 1_000)))
    this.#longestMs = Math.max(this.#longestMs, waitMs)
  }

  summary(): Summary {
    const answered = this.#histogram.count
    const percentileMs = (percent: number): number => (answered === 0 ? 0 : this.#histogram.percentile(percent) / 1_000)
    return {
      answered,
      asksPerSecond: (answered * 1_000) / (performance.now() - this.#sinceMs),
      p50Ms: percentileMs(50),
      p99Ms: percentileMs(99),
      gapMs: this.#longestMs,
    }
  }
}
