/** Calls: every wait ends: each call is settled by its deadline. And nobody is refused for what somebody else wanted. */

import type { Wish } from '../ledger.ts'
import type { Witness } from '../witness.ts'

/** Alarms are as coarse as 5 ms, and timers ring a little late. */
const slackMs = 10

/** `untilMs`: when everything was over. Who called just before may still wait. */
export function judgeCalls(witness: Witness, wishes: readonly Wish[], drift: number, untilMs: number): void {
  for (const { mark, op, type, actor, attempts } of wishes)
    for (const { calledMs, settledMs, timeoutMs, outcome } of attempts) {
      if (op === 'get' && outcome?.kind === 'refused' && ofChanges.has(outcome.why.code))
        witness.violation(`${mark} only looked at ${type}/${actor}, and was refused with ${outcome.why.code}`)
      const tookMs = Math.min(settledMs, untilMs) - calledMs
      if (tookMs > (timeoutMs * (1 + drift)) / (1 - drift) + slackMs)
        witness.violation(
          `${mark} ${op} ${type}/${actor} might take ${timeoutMs.toFixed(0)} ms and took ${tookMs.toFixed(0)} ms`,
        )
    }
}

/** Codes that tell what became of a change. */
const ofChanges: ReadonlySet<string> = new Set(['STORAGE_FULL', 'TOO_LARGE'])
