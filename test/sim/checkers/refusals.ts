/** Refusals (O1): what was refused did not run, if its refusal says so. A node forgets what it refused when it ends: a copy of the frame
 *  that is under way for longer than that may run at the next owner (`src/README.md`). */

import { errorCodes } from '../../../src/base/errors.ts'
import type { Wish } from '../ledger.ts'
import type { Checker, Observation } from '../witness.ts'

interface Ran {
  readonly boot: string
  readonly atMs: number
}

export class Refusals implements Checker {
  /** By frame: the process. */
  private readonly refusers = new Map<string, string>()
  /** By process. */
  private readonly endsMs = new Map<string, number>()
  /** By request. */
  private readonly turns = new Map<string, Ran[]>()

  saw(seen: Observation, atMs: number): void {
    if (seen.kind === 'refused') this.refusers.set(seen.frame, seen.life.boot)
    if (seen.kind === 'process' && (seen.what === 'crashes' || seen.what === 'ends'))
      this.endsMs.set(seen.life.boot, atMs)
    if (seen.kind !== 'act' || seen.what !== 'turn') return
    const turns = this.turns.get(seen.cause) ?? []
    this.turns.set(seen.cause, turns)
    turns.push({ boot: seen.life.boot, atMs })
  }

  /** A node refused the frame. */
  has(frame: string): boolean {
    return this.refusers.has(frame)
  }

  /** Its callers were told that it did not run, by nodes that could know. */
  neverRan({ mark, attempts }: Wish): boolean {
    return attempts.every(
      ({ outcome, frame }) =>
        outcome?.kind === 'refused' &&
        !errorCodes[outcome.why.code].mayHaveRun &&
        ![`r.${mark}`, frame].some((request) => this.ranElsewhere(frame, request)),
    )
  }

  private ranElsewhere(frame: string, request: string): boolean {
    const refuser = this.refusers.get(frame)
    const endMs = this.endsMs.get(refuser ?? '') ?? Infinity
    return this.turns.get(request)?.some(({ boot, atMs }) => boot !== refuser && atMs > endMs) === true
  }
}
