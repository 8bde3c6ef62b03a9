/** Promptness: where nothing goes wrong, nodes that come and go are non-events for the callers: each call of an actor that is there
 *  is answered before its sender would have to send it again, so no step of a move relies on that. */

import { limits } from '../../../src/base/limits.ts'
import { doneOf, isMortal, keyOf, type Wish } from '../ledger.ts'
import type { Plan } from '../plan.ts'
import type { Checker, Observation, Witness } from '../witness.ts'

export class Promptness implements Checker {
  /** The cluster was whole for the first time. */
  sinceMs = Infinity
  /** When views were stored: each may end the moves under way, which then begin anew. */
  private readonly viewsMs: number[] = []
  private readonly witness: Witness
  private readonly stopMs: number
  private readonly boundMs: number

  constructor(witness: Witness, { timing }: Plan) {
    this.witness = witness
    this.stopMs = timing.stopMs
    this.boundMs = Math.min(2 * timing.stopMs + 400, 0.9 * limits.resendMs)
  }

  saw(seen: Observation, atMs: number): void {
    if (seen.kind === 'stored' && seen.record.kind === 'view') this.viewsMs.push(atMs)
  }

  /** I6: with faults over, whoever asks is answered, as promptly as where nothing ever went wrong. */
  judgeLast(wish: Wish): void {
    const { outcome, calledMs, settledMs } = wish.attempts[0]!
    const tookMs = settledMs - calledMs
    if (outcome?.kind !== 'done' || tookMs > this.boundMs)
      this.witness.violation(
        `I6: ${wish.mark} ${wish.op} ${keyOf(wish)} took ${tookMs.toFixed(0)} ms: ${JSON.stringify(outcome)}`,
      )
  }

  judge(wishes: readonly Wish[], untilMs: number): void {
    const bornMs = new Map<string, number>()
    for (const wish of wishes) {
      const settledMs = doneOf(wish)?.settledMs ?? Infinity
      bornMs.set(keyOf(wish), Math.min(settledMs, bornMs.get(keyOf(wish)) ?? Infinity))
    }
    for (const wish of wishes)
      for (const { calledMs, settledMs, timeoutMs, outcome } of wish.attempts) {
        if (isMortal(wish.actor) || wish.conflicts || timeoutMs <= timeoutMsMin || calledMs >= untilMs) continue
        if (calledMs < Math.max(this.sinceMs, bornMs.get(keyOf(wish)) ?? Infinity)) continue
        const tookMs = settledMs - calledMs
        const views = this.viewsMs.filter((viewMs) => calledMs < viewMs && viewMs < settledMs).length
        const boundMs = this.boundMs + Math.max(0, views - 1) * this.stopMs
        if (outcome?.kind === 'done' && tookMs <= boundMs) continue
        const said = outcome?.kind === 'refused' ? outcome.why.message : 'done'
        const took = `${tookMs.toFixed(0)} of ${boundMs.toFixed(0)} ms`
        this.witness.violation(`prompt: ${wish.mark} ${wish.op} ${keyOf(wish)} took ${took}: ${said}`)
      }
  }
}

const timeoutMsMin = 2_000
