/** Calls: every wait ends: each call is settled by its deadline, and not given up before it. Nobody is refused for what somebody else
 *  wanted; and who uses the id of a request that was answered for something else is told so (M2). */

import { keyOf, type Wish } from '../ledger.ts'
import type { Witness } from '../witness.ts'

/** Alarms are as coarse as 5 ms, and timers ring a little late. */
const slackMs = 10

/** `untilMs`: when everything was over. Who called just before may still wait. */
export function judgeCalls(
  witness: Witness,
  wishes: readonly Wish[],
  drift: number,
  untilMs: number,
  mayLose: (actor: string) => boolean,
): void {
  for (const wish of wishes) if (wish.conflicts && !mayLose(keyOf(wish))) judgeConflict(witness, wish)
  for (const { mark, op, type, actor, attempts } of wishes)
    for (const { calledMs, settledMs, timeoutMs, outcome } of attempts) {
      if (op === 'get' && outcome?.kind === 'refused' && ofChanges.has(outcome.why.code))
        witness.violation(`${mark} only looked at ${type}/${actor}, and was refused with ${outcome.why.code}`)
      const tookMs = Math.min(settledMs, untilMs) - calledMs
      if (
        outcome?.kind === 'refused' &&
        outcome.why.code === 'DEADLINE' &&
        isForTime.test(outcome.why.message) &&
        tookMs < (timeoutMs * (1 - drift)) / (1 + drift) - slackMs
      )
        witness.violation(
          `${mark} might take ${timeoutMs.toFixed(0)} ms and was given up after ${tookMs.toFixed(0)} ms`,
        )
      if (tookMs > (timeoutMs * (1 + drift)) / (1 - drift) + slackMs)
        witness.violation(
          `${mark} ${op} ${type}/${actor} might take ${timeoutMs.toFixed(0)} ms and took ${tookMs.toFixed(0)} ms`,
        )
    }
}

function judgeConflict(witness: Witness, { mark, request, attempts: [attempt] }: Wish): void {
  const { outcome } = attempt!
  if (outcome?.kind !== 'refused' || (outcome.why.code !== 'BAD_REQUEST' && !outcome.why.retryable))
    witness.violation(
      `M2: ${mark} came as ${request}, which is another, and was not refused for that: ${outcome?.kind}`,
    )
}

/** The caller's own word. A node does not know how long a message was under way, and counts what it may have been (M1). */
const isForTime = /and its time is over/

/** Codes that tell what became of a change. */
const ofChanges: ReadonlySet<string> = new Set(['STORAGE_FULL', 'TOO_LARGE'])
