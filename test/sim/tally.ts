/** Tally: the sum of the verdicts on many seeds. */

import { addCounts } from './coverage.ts'
import type { Verdict } from './trial.ts'

export class Tally {
  readonly failures: Verdict[] = []
  readonly coverage: Record<string, number> = {}
  seeds = 0
  calls = 0
  answered = 0
  simulatedMs = 0
  /** Who took longest to become whole, beyond 2W + T. */
  slowest = { seed: 0, excessMs: -Infinity }

  add(verdict: Verdict): void {
    this.seeds++
    this.calls += verdict.calls
    this.answered += verdict.answered
    this.simulatedMs += verdict.simulatedMs
    addCounts(this.coverage, verdict.coverage)
    if (verdict.violations.length > 0) this.failures.push(verdict)
    else if (verdict.wholeExcessMs > this.slowest.excessMs)
      this.slowest = { seed: verdict.seed, excessMs: verdict.wholeExcessMs }
  }
}
