/** Book: all that was asked of one actor and what was answered, from its spawn to the last look at it. A book is closed after some
 *  hundred marks, judged and thrown away, so that a soak of hours needs no more memory than one of minutes. */

import type { Span } from './absences.ts'
import { monotonicMs } from './clock.ts'
import { judgeFirings, type TimerJournal } from './firing.ts'
import { judgeHistory, judgeMemory } from './history.ts'
import type { Journal } from './journal.ts'
import { type ActorType, doneOf, shownBy, type Wish } from './ledger.ts'

export type Phase = 'coming' | 'serving' | 'closing' | 'gone'

export class Book {
  phase: Phase = 'coming'
  /** Marks that it was sent. */
  marks = 0
  readonly key: string
  readonly type: ActorType
  readonly actor: string
  readonly marksMax: number
  readonly wishes: Wish[] = []
  /** Wishes that are pursued, by caller. */
  private readonly open = new Map<string, number>()
  /** Since when somebody waits for a sign of it; undefined while nobody does. */
  private waitingSinceMs: number | undefined
  private answeredMs = -Infinity

  constructor(type: ActorType, actor: string, marksMax: number) {
    this.type = type
    this.actor = actor
    this.key = `${type}/${actor}`
    this.marksMax = marksMax
  }

  begin(caller: string): void {
    this.open.set(caller, this.openOf(caller) + 1)
  }

  end(caller: string): void {
    this.open.set(caller, this.openOf(caller) - 1)
  }

  openOf(caller: string): number {
    return this.open.get(caller) ?? 0
  }

  isOpen(): boolean {
    return [...this.open.values()].some((count) => count > 0)
  }

  called(): void {
    this.waitingSinceMs ??= monotonicMs()
  }

  /** Returns for how long nobody had heard of it. */
  answered(): number {
    const silentMs = this.silentMs()
    this.waitingSinceMs = undefined
    this.answeredMs = monotonicMs()
    return silentMs
  }

  silentMs(): number {
    return this.waitingSinceMs === undefined ? 0 : monotonicMs() - this.waitingSinceMs
  }

  hasAnsweredSince(atMs: number): boolean {
    return this.answeredMs > atMs
  }

  /** What is wrong with this book, by its last page. */
  judge(journal: Journal): readonly string[] {
    if (this.type === 'cache') return judgeMemory(this.key, journal, this.wishes)
    const wrong = judgeHistory(this.key, journal, this.wishes)
    return this.type === 'timer' ? [...wrong, ...judgeFirings(this.key, journal as TimerJournal)] : wrong
  }

  /** When it was seen to have begun anew, between two looks: what a volatile actor does in a crash. */
  lapses(): readonly Span[] {
    const looks = this.wishes
      .flatMap((wish) => {
        const done = doneOf(wish)
        const shown = done && shownBy(wish, done)
        return done === undefined || shown === undefined ? [] : [{ atMs: done.settledMs, length: shown.length }]
      })
      .toSorted((a, b) => a.atMs - b.atMs)
    return looks.flatMap(({ atMs, length }, i) => {
      const before = looks[i - 1]
      // Answers that cross on the way differ by a few.
      return before !== undefined && length < 3 && before.length > length + 5
        ? [{ fromMs: before.atMs, toMs: atMs }]
        : []
    })
  }
}
