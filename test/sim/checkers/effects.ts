/** Effects (E1): a plain action is performed at most once, and only for what is committed. */

import { type ActorShown, doneOf, isMortal, type Wish } from '../ledger.ts'
import type { Checker, Observation, Witness } from '../witness.ts'

export class Effects implements Checker {
  private readonly acted = new Map<string, string>()
  private readonly witness: Witness

  constructor(witness: Witness) {
    this.witness = witness
  }

  saw(seen: Observation): void {
    if (seen.kind !== 'acted') return
    // A volatile actor that was lost in a crash is asked again.
    if (this.acted.has(seen.mark) && seen.actor.startsWith('journal/'))
      this.witness.violation(`E1: the action of ${seen.mark} of ${seen.actor} is performed twice`)
    this.acted.set(seen.mark, seen.actor)
  }

  judge(wishes: readonly Wish[], finals: readonly Wish[]): void {
    const journals = new Map<string, readonly string[]>()
    for (const final of finals)
      if (final.type === 'journal')
        journals.set(final.actor, (doneOf(final)?.value as ActorShown | undefined)?.context.marks ?? [])
    for (const { mark, type, actor } of wishes)
      if (
        type === 'journal' &&
        !isMortal(actor) &&
        this.acted.has(mark) &&
        journals.get(actor)?.includes(mark) === false
      )
        this.witness.violation(`E1: the action of ${mark} was performed, and journal/${actor} does not remember it`)
  }
}
