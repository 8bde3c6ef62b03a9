/** Pace: nothing goes in circles: at one moment an actor takes no more turns than callers and its own children can have asked for. */

import type { Checker, Observation, Witness } from '../witness.ts'

export class Pace implements Checker {
  private sinceMs = 0
  private readonly acts = new Map<string, number>()
  private readonly witness: Witness

  constructor(witness: Witness) {
    this.witness = witness
  }

  saw(seen: Observation, atMs: number): void {
    if (seen.kind !== 'act') return
    if (atMs !== this.sinceMs) this.acts.clear()
    this.sinceMs = atMs
    const acts = (this.acts.get(seen.actor) ?? 0) + 1
    this.acts.set(seen.actor, acts)
    if (acts === actsMax)
      this.witness.violation(`${seen.actor} takes ${acts} turns at one moment, the last for ${seen.cause}`)
  }
}

const actsMax = 1_000
