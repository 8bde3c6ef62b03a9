/** Holds (I1, N4): what is held outside is held by one process at a time. Held against each other are the times that the holders
 *  themselves state, on a clock that they share, so that the order in which their words arrive does not matter; a holder that
 *  dies holds until its connection breaks. What overlaps while one of them was absent is what no protocol prevents (E1). */

import type { Absences } from './absences.ts'

export interface Hold {
  readonly actor: string
  readonly pid: number
  readonly epoch: number
  readonly fromMs: number
  /** Infinity while it is held. */
  toMs: number
}

/** Words that are under way for so long have arrived. */
const settleMs = 1_000
/** Longer than anything that one hold could overlap with unseen. */
const keptMs = 60_000

export class Holds {
  readonly wrong: string[] = []
  private readonly holds = new Map<string, Hold[]>()
  private readonly judged = new WeakMap<Hold, WeakSet<Hold>>()
  private readonly absences: Absences

  constructor(absences: Absences) {
    this.absences = absences
  }

  begin(hold: Omit<Hold, 'toMs'>): Hold {
    const begun = { ...hold, toMs: Infinity }
    this.holds.set(hold.actor, [...(this.holds.get(hold.actor) ?? []), begun])
    return begun
  }

  end(hold: Hold, atMs: number): void {
    hold.toMs = Math.min(hold.toMs, atMs)
  }

  holdersOf(actor: string): readonly Hold[] {
    return (this.holds.get(actor) ?? []).filter(({ toMs }) => toMs === Infinity)
  }

  /** Judges all that is settled by now, and forgets what is over. */
  judge(nowMs: number): void {
    for (const [actor, holds] of this.holds) {
      const settled = holds.filter(({ fromMs }) => fromMs < nowMs - settleMs)
      for (const [i, a] of settled.entries()) for (const b of settled.slice(i + 1)) this.judgePair(a, b, nowMs)
      const kept = holds.filter(({ toMs }) => toMs > nowMs - keptMs)
      if (kept.length === 0) this.holds.delete(actor)
      else if (kept.length < holds.length) this.holds.set(actor, kept)
    }
  }

  private judgePair(a: Hold, b: Hold, nowMs: number): void {
    const span = {
      fromMs: Math.max(a.fromMs, b.fromMs),
      toMs: Math.min(a.toMs, b.toMs, nowMs - settleMs),
    }
    if (span.toMs <= span.fromMs || this.judged.get(a)?.has(b)) return
    const unexcusedMs = this.absences.unexcusedMs(span, [a.pid, b.pid], nowMs)
    if (unexcusedMs < 1) return
    this.judged.set(a, (this.judged.get(a) ?? new WeakSet()).add(b))
    this.wrong.push(
      `I1: ${a.actor} is held by ${shown(a)} and by ${shown(b)}, both from ${span.fromMs.toFixed(0)} to ${span.toMs.toFixed(0)} ms, ${unexcusedMs.toFixed(0)} ms of it without an excuse`,
    )
  }
}

const shown = ({ pid, epoch }: Hold): string => `process ${pid} under epoch ${epoch}`
