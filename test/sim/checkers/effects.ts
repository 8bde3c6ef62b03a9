/** Effects (E1): a plain action is performed at most once, and only for what is committed; so never for what was refused by a node that
 *  says that it did not run (O1). */

import { keyOf, type ActorShown, doneOf, isMortal, type Wish } from '../ledger.ts'
import type { Refusals } from './refusals.ts'
import type { Checker, Observation, Witness } from '../witness.ts'

export class Effects implements Checker {
  /** By mark: when. */
  private readonly acted = new Map<string, number>()
  private readonly witness: Witness
  private readonly mayLose: (actor: string) => boolean

  /** `mayLose`: what the actor was told may be gone with a broker's disk, and is then asked again. */
  constructor(witness: Witness, mayLose: (actor: string) => boolean) {
    this.witness = witness
    this.mayLose = mayLose
  }

  saw(seen: Observation, atMs: number): void {
    if (seen.kind !== 'acted') return
    // A volatile actor that was lost in a crash is asked again.
    if (this.acted.has(seen.mark) && seen.actor.startsWith('journal/') && !this.mayLose(seen.actor))
      this.witness.violation(`E1: the action of ${seen.mark} of ${seen.actor} is performed twice`)
    this.acted.set(seen.mark, atMs)
  }

  /** `atMs`: when the last looks were asked for. What was on its way still may be done after them. */
  judge(wishes: readonly Wish[], finals: readonly Wish[], refusals: Refusals, atMs: number): void {
    const journals = new Map<string, readonly string[]>()
    for (const final of finals)
      if (final.type === 'journal')
        journals.set(final.actor, (doneOf(final)?.value as ActorShown | undefined)?.context.marks ?? [])
    for (const { mark, type, actor } of wishes)
      if (
        type === 'journal' &&
        !isMortal(actor) &&
        (this.acted.get(mark) ?? Infinity) < atMs &&
        journals.get(actor)?.includes(mark) === false
      )
        this.witness.violation(`E1: the action of ${mark} was performed, and journal/${actor} does not remember it`)
    for (const wish of wishes)
      if (this.acted.has(wish.mark) && refusals.neverRan(wish) && !this.mayLose(keyOf(wish)))
        this.witness.violation(
          `O1: ${wish.mark} was refused by ${keyOf(wish)}, which means that it did not run, and its action was performed`,
        )
  }
}
