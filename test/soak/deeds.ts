/** Deeds (E1): a plain action of a durable actor is performed at most once, only for what is committed, under an epoch of the owner who
 *  committed it and while it stood in the log, and under none that an owner after it has already left behind.
 *
 *  And it is performed, unless its owner had no time for it: it was killed, stopped, cut off or without its lease from the commit on,
 *  until its shard was taken over. Who releases a shard in good order has performed everything before. */

import type { Absences } from './absences.ts'
import type { Commit } from './commits.ts'
import type { Lives } from './lives.ts'

export interface Deed {
  readonly actor: string
  readonly mark: string
  readonly epoch: number
  readonly pid: number
  readonly atMs: number
}

/** A committed mark whose action nobody has heard of yet. */
interface Debt {
  readonly actor: string
  readonly commit: Commit
  /** It was overdue at the last look. What has arrived meanwhile is read before the next one. */
  isOverdue: boolean
}

/** Free for so long after a commit, a process has heard that it is stored, by asking again if it must, and has acted. */
const freeMsMax = 1_000
/** The broker's clock shows whole milliseconds, and is another one than that of the deeds. */
const clockMsMax = 5

export class Deeds {
  readonly wrong: string[] = []
  count = 0
  /** Actions that were lost with their process. */
  excused = 0
  private readonly deeds = new Map<string, Map<string, Deed>>()
  private readonly newest = new Map<string, { readonly epoch: number; readonly sinceMs: number }>()
  private readonly debts = new Map<string, Debt>()
  private readonly absences: Absences
  private readonly lives: Lives

  constructor(absences: Absences, lives: Lives) {
    this.absences = absences
    this.lives = lives
  }

  get owed(): number {
    return this.debts.size
  }

  note(deed: Deed): void {
    const { actor, mark, epoch, pid, atMs } = deed
    const debt = this.debts.get(mark)
    if (debt !== undefined) {
      this.count++
      this.debts.delete(mark)
      return this.judgeOwner(deed, debt.commit)
    }
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

  /** The last word on an actor: what it remembered when it was asked at `askedMs`. What its caller had given up may have come after that.
   *  `commitOf` knows the commit of each mark, as far as it was seen. */
  close(
    actor: string,
    marks: readonly string[],
    askedMs: number,
    commitOf: (mark: string) => Commit | 'unseen' | undefined,
  ): void {
    const remembered = new Set(marks)
    const deeds = this.deeds.get(actor) ?? new Map<string, Deed>()
    for (const [mark, { atMs }] of deeds)
      if (!remembered.has(mark) && atMs < askedMs)
        this.wrong.push(`E1: the action of ${mark} was performed, and ${actor} does not remember it`)
    for (const mark of marks) this.settle(actor, mark, deeds.get(mark), commitOf(mark))
    this.deeds.delete(actor)
    this.newest.delete(actor)
  }

  /** What is still owed, and may not be owed any longer. */
  judge(nowMs: number): void {
    for (const [mark, debt] of this.debts) {
      const standing = this.standingOf(debt.commit, nowMs)
      if (standing === 'overdue' && debt.isOverdue) {
        this.debts.delete(mark)
        this.wrong.push(`E1: the action of ${mark} of ${debt.actor} was not performed: ${shown(debt.commit)}`)
      }
      if (standing === 'excused') {
        this.debts.delete(mark)
        this.excused++
      }
      debt.isOverdue = standing === 'overdue'
    }
  }

  private settle(actor: string, mark: string, deed: Deed | undefined, commit: Commit | 'unseen' | undefined): void {
    if (commit === 'unseen') return
    if (commit === undefined) this.wrong.push(`I2: ${actor} remembers ${mark}, which is in no commit of its log`)
    else if (deed === undefined) this.debts.set(mark, { actor, commit, isOverdue: false })
    else this.judgeOwner(deed, commit)
  }

  private judgeOwner({ mark, actor, pid, epoch, atMs }: Deed, commit: Commit): void {
    const { tenure } = commit
    const { end } = tenure
    if (end !== undefined && this.lateMs(pid, end, atMs) > clockMsMax)
      this.wrong.push(
        `I1: process ${pid} performs the action of ${mark} of ${actor} at ${atMs.toFixed(0)} ms: ${shown(commit)}`,
      )
    const owner = this.lives.pidOf(tenure.owner, tenure.inc)
    if (tenure.epochs.has(epoch) && (owner === undefined || owner === pid)) return
    this.wrong.push(
      `E1: the action of ${mark} of ${actor} is performed by process ${pid} under epoch ${epoch}: ${shown(commit)}`,
    )
  }

  /** For how long its time had been over; a process that stood still could not know. */
  private lateMs(pid: number, end: NonNullable<Commit['tenure']['end']>, atMs: number): number {
    const span = { fromMs: end.atMs, toMs: atMs }
    return end.how === 'released' ? atMs - end.atMs : this.absences.unexcusedMs(span, [pid], atMs)
  }

  private standingOf({ atMs, tenure }: Commit, nowMs: number): 'overdue' | 'excused' | 'open' {
    const { owner, inc, end } = tenure
    if (end?.how === 'released') return nowMs > end.atMs + freeMsMax ? 'overdue' : 'open'
    const freeMs = this.lives.freeMs(owner, inc, { fromMs: atMs, toMs: end?.atMs ?? nowMs }, nowMs)
    if (freeMs >= freeMsMax) return 'overdue'
    return end === undefined ? 'open' : 'excused'
  }
}

const shown = ({ seq, atMs, tenure: { owner, inc, shard, epochs, end } }: Commit): string =>
  `${owner}.${inc} committed it at ${atMs.toFixed(0)} ms as ${seq} of ${shard}, under epoch ${[...epochs].join(' or ')}${end === undefined ? '' : `, and its shard was ${end.how} ${(end.atMs - atMs).toFixed(0)} ms later`}`
