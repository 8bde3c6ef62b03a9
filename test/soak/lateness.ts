/** Lateness (T1): a delayed transition fires soon after it is due. What delays it must be known: its process stood still, or the cluster
 *  was in trouble, and not for longer than it may need to get over it. Planned moves are no trouble. */

import { type Absences, restMs, type Span } from './absences.ts'
import type { RoundKind } from './fate.ts'
import type { Firing } from './firing.ts'

/** Beyond its excuses a transition may be so late: a commit before it, and a move of its shard. */
const lateMsMax = 1_000
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
  /** What survivors need to notice a death and to take everything over. */
  private readonly takeOverMs: number

  constructor(absences: Absences, takeOverMs: number) {
    this.absences = absences
    this.takeOverMs = takeOverMs
  }

  begins(kind: RoundKind, atMs: number): void {
    const toMs = isHarmless(kind) ? atMs : hitsOne(kind) ? atMs + this.takeOverMs : Infinity
    this.troubles = [...this.troubles.filter((old) => old.toMs > atMs - keptMs), { kind, fromMs: atMs, toMs }]
  }

  /** Nothing more is done to anybody, and every process is there: where several were hit, or all, their time begins now. */
  isThere(atMs: number): void {
    this.endBy(atMs + this.takeOverMs)
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
      const lateMs = restMs(span, [...this.troubles, ...this.absences.spansOf(pid, nowMs)])
      this.lateMsMax = Math.max(this.lateMsMax, lateMs)
      if (lateMs > lateMsMax)
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

/** Nodes come and go in good order, or only callers are hit. */
const isHarmless = (kind: RoundKind): boolean => kind === 'join' || kind === 'drain' || kind === 'cut callers'

const hitsOne = (kind: RoundKind): boolean =>
  kind === 'kill' || kind === 'freeze' || kind === 'cut reset' || kind === 'cut silent' || kind === 'cut append'
