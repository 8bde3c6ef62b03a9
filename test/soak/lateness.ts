/** Lateness (T1): a delayed transition fires soon after it is due. What delays it must be known: its process stood still, or the cluster
 *  was in trouble, and not for longer than it may need to get over it. Planned moves are no trouble: they may delay it by one move
 *  that begins anew. */

import { type Absences, restMs, type Span } from './absences.ts'
import type { RoundKind } from './fate.ts'
import type { Firing } from './firing.ts'

export interface LatenessRules {
  /** Beyond its excuses a transition may be so late: there is a commit before it, and a process stands still unnoticed for a while. */
  readonly lateMs: number
  /** What survivors need to notice a death and to take everything over. */
  readonly takeOverMs: number
  /** After so long a move begins anew. */
  readonly moveMs: number
}

/** Older troubles excuse nothing that is still to be judged. */
const keptMs = 600_000

interface Trouble extends Span {
  readonly kind: RoundKind
}

interface Late {
  readonly actor: string
  readonly firing: Firing
}

export class Lateness {
  readonly wrong: string[] = []
  /** The longest that one was late without an excuse. */
  lateMsMax = 0
  private troubles: Trouble[] = []
  private late: Late[] = []
  private readonly absences: Absences
  private readonly rules: LatenessRules

  constructor(absences: Absences, rules: LatenessRules) {
    this.absences = absences
    this.rules = rules
  }

  begins(kind: RoundKind, atMs: number): void {
    if (kind === 'cut callers') return
    const toMs = hitsOne(kind) ? atMs + this.rules.takeOverMs : Infinity
    this.troubles = [...this.troubles.filter((old) => old.toMs > atMs - keptMs), { kind, fromMs: atMs, toMs }]
  }

  /** Nothing more is done to anybody, and every process is there: where several were hit, or all, their time begins now. */
  isThere(atMs: number): void {
    this.endBy(atMs + this.rules.takeOverMs)
  }

  /** All is as it should be. */
  isWhole(atMs: number): void {
    this.endBy(atMs)
  }

  note(actor: string, firings: readonly Firing[]): void {
    this.late.push(...firings.filter((firing) => lateMsOf(firing) > 0).map((firing) => ({ actor, firing })))
  }

  /** While the end of a trouble is not known, nothing is judged. */
  judge(nowMs: number): void {
    if (this.troubles.at(-1)?.toMs === Infinity) return
    for (const { actor, firing } of this.late.splice(0)) {
      const { mark, pid, firedAtMs } = firing
      const span = { fromMs: firedAtMs - lateMsOf(firing), toMs: firedAtMs }
      const excuses = this.troubles.filter(({ kind }) => !isPlanned(kind))
      const lateMs = restMs(span, [...excuses, ...this.absences.spansOf(pid, nowMs)])
      this.lateMsMax = Math.max(this.lateMsMax, lateMs)
      const moves = this.troubles.some(
        ({ kind, fromMs, toMs }) => isPlanned(kind) && fromMs < span.toMs && toMs > span.fromMs,
      )
      if (lateMs > this.rules.lateMs + (moves ? this.rules.moveMs : 0))
        this.wrong.push(
          `T1: ${mark} of ${actor} was due at ${span.fromMs.toFixed(0)} ms, and process ${pid} fired it ${lateMsOf(firing).toFixed(0)} ms later, ${lateMs.toFixed(0)} ms of it without an excuse`,
        )
    }
  }

  private endBy(atMs: number): void {
    const last = this.troubles.at(-1)
    if (last !== undefined && last.toMs > atMs) this.troubles.splice(-1, 1, { ...last, toMs: atMs })
  }
}

const lateMsOf = ({ delayMs, armedAtMs, firedAtMs }: Firing): number => firedAtMs - armedAtMs - delayMs

/** Nodes come and go in good order. */
const isPlanned = (kind: RoundKind): boolean => kind === 'join' || kind === 'drain'

const hitsOne = (kind: RoundKind): boolean =>
  kind === 'kill' || kind === 'freeze' || kind === 'cut reset' || kind === 'cut silent' || kind === 'cut append'
