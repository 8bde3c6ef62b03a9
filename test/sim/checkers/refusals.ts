/** Refusals (O1): what was refused did not run, if its refusal says so. Only who refused it knows: a copy of the frame that is under way, or
 *  parked at another node, until that one owns the shard may run there (`src/README.md`); and a node remembers only so many. */

import { limits } from '../../../src/base/limits.ts'
import { errorCodes } from '../../../src/base/errors.ts'
import type { Wish } from '../ledger.ts'
import type { Checker, Observation } from '../witness.ts'

export class Refusals implements Checker {
  /** By frame: the process, and how many frames that had refused. */
  private readonly refusers = new Map<string, { readonly boot: string; readonly place: number }>()
  /** By process: how many frames it has refused. */
  private readonly counts = new Map<string, number>()
  /** By request: the processes. */
  private readonly runners = new Map<string, Set<string>>()

  saw(seen: Observation): void {
    if (seen.kind === 'refused') {
      const { boot } = seen.life
      const place = (this.counts.get(boot) ?? 0) + 1
      this.counts.set(boot, place)
      this.refusers.set(seen.frame, { boot, place })
    }
    if (seen.kind !== 'act' || seen.what !== 'turn') return
    const runners = this.runners.get(seen.cause) ?? new Set()
    this.runners.set(seen.cause, runners.add(seen.life.boot))
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
        ![`r.${mark}`, frame].some((request) => this.mayHaveRun(frame, request)),
    )
  }

  private mayHaveRun(frame: string, request: string): boolean {
    const refuser = this.refusers.get(frame)
    if (refuser === undefined) return false
    const isForgotten = this.counts.get(refuser.boot)! - refuser.place >= limits.parkedFramesMax
    return isForgotten || [...(this.runners.get(request) ?? [])].some((boot) => boot !== refuser.boot)
  }
}
