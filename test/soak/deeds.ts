/** Deeds (E1): a plain action of a durable actor is performed at most once, only for what is committed, and under no epoch that an
 *  owner after it has already left behind. */

import type { Absences } from './absences.ts'

export interface Deed {
  readonly actor: string
  readonly mark: string
  readonly epoch: number
  readonly pid: number
  readonly atMs: number
}

export class Deeds {
  readonly wrong: string[] = []
  count = 0
  private readonly deeds = new Map<string, Map<string, Deed>>()
  private readonly newest = new Map<string, { readonly epoch: number; readonly sinceMs: number }>()
  private readonly absences: Absences

  constructor(absences: Absences) {
    this.absences = absences
  }

  note(deed: Deed): void {
    const { actor, mark, epoch, pid, atMs } = deed
    const deeds = this.deeds.get(actor) ?? new Map<string, Deed>()
    this.deeds.set(actor, deeds)
    const before = deeds.get(mark)
    if (before !== undefined)
      this.wrong.push(
        `E1: the action of ${mark} of ${actor} is performed by process ${before.pid} under epoch ${before.epoch} and by process ${pid} under epoch ${epoch}`,
      )
    deeds.set(mark, deed)
    this.count++
    const newest = this.newest.get(actor)
    if (newest === undefined || epoch > newest.epoch) this.newest.set(actor, { epoch, sinceMs: atMs })
    else if (epoch < newest.epoch && atMs > newest.sinceMs) {
      const unexcusedMs = this.absences.unexcusedMs({ fromMs: newest.sinceMs, toMs: atMs }, [pid], atMs)
      if (unexcusedMs > 1)
        this.wrong.push(
          `E1: process ${pid} performs ${mark} of ${actor} under epoch ${epoch}, ${(atMs - newest.sinceMs).toFixed(0)} ms after epoch ${newest.epoch} had begun to act`,
        )
    }
  }

  /** The last word on an actor: what it remembered when it was asked at `askedMs`. What its caller had given up may have come after that. */
  close(actor: string, marks: readonly string[], askedMs: number): void {
    const remembered = new Set(marks)
    for (const [mark, { atMs }] of this.deeds.get(actor) ?? [])
      if (!remembered.has(mark) && atMs < askedMs)
        this.wrong.push(`E1: the action of ${mark} was performed, and ${actor} does not remember it`)
    this.deeds.delete(actor)
    this.newest.delete(actor)
  }
}
