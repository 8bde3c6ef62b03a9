/** Calls: every wait ends: each call is settled by its deadline. */

import type { Wish } from '../ledger.ts'
import type { Witness } from '../witness.ts'

/** Alarms are as coarse as 5 ms, and timers ring a little late. */
const slackMs = 10

/** `untilMs`: when everything was over. Who called just before may still wait. */
export function judgeCalls(witness: Witness, wishes: readonly Wish[], drift: number, untilMs: number): void {
  for (const { mark, op, type, actor, attempts } of wishes)
    for (const { calledMs, settledMs, timeoutMs } of attempts) {
      const tookMs = Math.min(settledMs, untilMs) - calledMs
      if (tookMs > (timeoutMs * (1 + drift)) / (1 - drift) + slackMs)
        witness.violation(
          `${mark} ${op} ${type}/${actor} might take ${timeoutMs.toFixed(0)} ms and took ${tookMs.toFixed(0)} ms`,
        )
    }
}
