/** Holds (I1, N4): what is held outside is held by one process at a time. A process that is paused cannot let go; from its
 *  resuming on it has G for that. What it overlaps with meanwhile is what no protocol prevents (E1). */

import type { Checker, Hold, Observation, Witness } from '../witness.ts'

interface OpenHold extends Hold {
  readonly sinceMs: number
}

export class Holds implements Checker {
  private readonly open = new Map<string, OpenHold[]>()
  /** Until when a process is excused. */
  private readonly excused = new Map<string, number>()
  private readonly graceMs: number
  private readonly witness: Witness
  private readonly mayOverlap: boolean
  private excusesEndMs = Infinity

  /** `mayOverlap`: clocks are wild, so two may hold the same until one of them learns of it. */
  constructor(witness: Witness, graceMs: number, mayOverlap: boolean) {
    this.witness = witness
    this.graceMs = graceMs
    this.mayOverlap = mayOverlap
  }

  saw(seen: Observation, atMs: number): void {
    if (atMs > this.excusesEndMs) {
      this.excusesEndMs = Infinity
      this.judge(atMs)
    }
    if (seen.kind === 'process') return this.note(seen, atMs)
    if (seen.kind === 'held') this.begin(seen, atMs)
    else if (seen.kind === 'let go') this.end(seen)
  }

  /** The nodes that have a grip of the actor's. */
  gripsOf(actor: string): readonly string[] {
    return (this.open.get(`grip of ${actor}`) ?? []).map(({ life }) => life.node)
  }

  /** Nobody holds anything against the rules at this moment: excuses are over. */
  judge(atMs: number): void {
    for (const [thing, holds] of this.open) for (const hold of holds) this.judgePair(thing, hold, holds, atMs)
  }

  private note({ life, what }: Extract<Observation, { kind: 'process' }>, atMs: number): void {
    if (what === 'stands' || what === 'sleeps') this.excused.set(life.boot, Infinity)
    if (what === 'resumes') {
      this.excused.set(life.boot, atMs + this.graceMs)
      this.excusesEndMs = Math.min(this.excusesEndMs, atMs + this.graceMs)
      this.judge(atMs)
    }
    if (what === 'crashes' || what === 'ends')
      for (const [thing, holds] of this.open)
        this.open.set(
          thing,
          holds.filter((hold) => hold.life.boot !== life.boot),
        )
  }

  private begin(begun: Hold, atMs: number): void {
    const thing = thingOf(begun)
    const holds = this.open.get(thing) ?? []
    const hold = { ...begun, sinceMs: atMs }
    this.open.set(thing, [...holds, hold])
    this.judgePair(thing, hold, holds, atMs)
  }

  private end(over: Hold): void {
    const thing = thingOf(over)
    this.open.set(
      thing,
      (this.open.get(thing) ?? []).filter(({ id, life }) => id !== over.id || life !== over.life),
    )
  }

  private judgePair(thing: string, hold: OpenHold, others: readonly OpenHold[], atMs: number): void {
    for (const other of others) {
      if (other === hold || this.mayOverlap) continue
      // Work that was aborted on one node may still run out there; only a grip waits for its predecessor.
      if (other.life === hold.life && thing.startsWith('work')) continue
      // Who holds it under the older claim cannot let go while it stands still, nor tell when it goes on that it is too late to
      // begin. Who has the newer claim must have waited for that.
      const older = other.epoch <= hold.epoch ? other : hold
      if ((this.excused.get(older.life.boot) ?? 0) >= atMs) continue
      this.witness.violation(
        `I1: ${thing} is held by ${shown(hold)} and by ${shown(other)} since ${other.sinceMs.toFixed(1)} ms`,
      )
    }
  }
}

const thingOf = ({ what, actor }: Hold): string => `${what} of ${actor}`

const shown = ({ life, epoch }: Hold): string => `${life.node}/${life.boot.slice(0, 4)} under epoch ${epoch}`
