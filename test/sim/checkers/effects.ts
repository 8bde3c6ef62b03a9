/** Effects (E1): a plain action is performed once its commit is stored, and not before; at most once; and it is left out only where who
 *  committed it could not perform it any more. Nothing is performed that was refused by a node that says that it did not run (O1). */

import type { Input } from '../../../src/core/effects.ts'
import { type ActorShown, doneOf, isMortal, keyOf, type Ledger, type Wish } from '../ledger.ts'
import type { Process } from '../process.ts'
import type { Checker, Life, Observation, Witness } from '../witness.ts'
import type { Commit, Commits } from './commits.ts'
import type { Refusals } from './refusals.ts'

/** One life of a process. */
interface Span {
  /** Since when it can act, and when it could not any more; the last one may be open. */
  readonly able: { readonly fromMs: number; untilMs: number }[]
  /** It has a lease; it does not stand still. */
  isUp: boolean
  runs: boolean
  /** By shard: when it lost it, other than by handing it over. */
  readonly losses: Map<string, number[]>
  endMs: number
}

export class Effects implements Checker {
  /** By mark: when. */
  private readonly acted = new Map<string, number>()
  /** By token of a record: when it was sent first. */
  private readonly sentMs = new Map<string, number>()
  /** By token of a record: when its writer was told that it is stored. */
  private readonly toldMs = new Map<string, number>()
  private readonly spans = new Map<string, Span>()
  private readonly witness: Witness
  private readonly ledger: Ledger
  private readonly commits: Commits
  private readonly mayLose: (actor: string) => boolean

  /** `mayLose`: what the actor was told may be gone with a broker's disk, and is then asked again. */
  constructor(witness: Witness, ledger: Ledger, commits: Commits, mayLose: (actor: string) => boolean) {
    this.witness = witness
    this.ledger = ledger
    this.commits = commits
    this.mayLose = mayLose
  }

  /** A process is about to be told. */
  look({ life }: Process, input: Input, atMs: number): void {
    if (input.kind === 'appended' && input.result.kind === 'stored') this.tell(life, input.token, atMs)
    if (input.kind === 'tail read' && typeof input.result !== 'string') this.tell(life, input.result.record.token, atMs)
  }

  saw(seen: Observation, atMs: number): void {
    switch (seen.kind) {
      case 'acted':
        return this.judgeAct(seen.actor, seen.mark, atMs)
      case 'appends':
        if (!this.sentMs.has(seen.token)) this.sentMs.set(seen.token, atMs)
        return
      case 'heard':
        if (seen.event.kind === 'suspended') this.note(seen.life.boot, { isUp: false }, atMs)
        if (seen.event.kind === 'resumed') this.note(seen.life.boot, { isUp: true }, atMs)
        if (seen.event.kind === 'disowned' && !/^(handed over|released)/.test(seen.event.reason)) {
          const { losses } = this.of(seen.life.boot)
          losses.set(seen.event.shard, [...(losses.get(seen.event.shard) ?? []), atMs])
        }
        return
      case 'process':
        if (seen.what === 'starts' || seen.what === 'resumes') this.note(seen.life.boot, { runs: true }, atMs)
        if (seen.what === 'stands' || seen.what === 'sleeps') this.note(seen.life.boot, { runs: false }, atMs)
        if (seen.what === 'crashes' || seen.what === 'ends') this.of(seen.life.boot).endMs = atMs
    }
  }

  /** `finals`: the last looks; `atMs`: when they were asked for. What was on its way still may be done after them. */
  judge(finals: readonly Wish[], refusals: Refusals, atMs: number): void {
    const journals = new Map<string, readonly string[]>()
    for (const final of finals)
      if (final.type === 'journal')
        journals.set(final.actor, (doneOf(final)?.value as ActorShown | undefined)?.context.marks ?? [])
    for (const wish of this.ledger.wishes) {
      const { mark, type, actor } = wish
      const actedMs = this.acted.get(mark) ?? Infinity
      if (actedMs < Infinity && refusals.neverRan(wish) && !this.mayLose(keyOf(wish)))
        this.witness.violation(
          `O1: ${mark} was refused by ${keyOf(wish)}, which means that it did not run, and its action was performed`,
        )
      if (type !== 'journal' || isMortal(actor)) continue
      const isRemembered = journals.get(actor)?.includes(mark)
      if (actedMs < atMs && isRemembered === false)
        this.witness.violation(`E1: the action of ${mark} was performed, and journal/${actor} does not remember it`)
      if (actedMs === Infinity && isRemembered === true) this.judgeMissing(wish)
    }
  }

  private judgeAct(actor: string, mark: string, atMs: number): void {
    // A volatile actor that was lost in a crash is asked again.
    const isDurable = !actor.startsWith('cache/')
    // A relay of which a broker has forgotten something may send what has arrived once more.
    const mayRepeat = this.mayLose(actor) || (actor.startsWith('sink/') && this.mayLose(`relay/${mark.split(':')[0]}`))
    if (this.acted.has(mark) && isDurable && !mayRepeat)
      this.witness.violation(`E1: the action of ${mark} of ${actor} is performed twice`)
    this.acted.set(mark, atMs)
    const wish = this.ledger.of(mark)
    if (isDurable && wish !== undefined && this.commits.of(wish) === undefined)
      this.witness.violation(`E1: the action of ${mark} of ${actor} is performed, and no commit tells of it`)
  }

  private judgeMissing(wish: Wish): void {
    const commit = this.commits.of(wish)
    if (commit === undefined)
      return this.witness.violation(`S3: ${keyOf(wish)} remembers ${wish.mark}, which is in no commit`)
    const span = this.of(commit.boot)
    const shard = commit.name.slice('shard.'.length)
    const losses = [...(span.losses.get(shard) ?? []), span.endMs]
    // It may give the shard up while the commit is still on its way.
    const sentMs = this.sentMs.get(commit.token)!
    const lostMs = Math.min(...losses.filter((eachMs) => eachMs >= sentMs))
    if (lostMs < Infinity && this.idleMs(span, commit, lostMs) < idleMsMax) return
    const until = lostMs === Infinity ? 'is still there' : `was there until ${lostMs.toFixed(1)} ms`
    this.witness.violation(
      `E1: the action of ${wish.mark} of ${keyOf(wish)} is never performed, and who committed it at ${commit.atMs.toFixed(1)} ms ${until}`,
    )
  }

  /** How long its writer knew of the commit and could act. */
  private idleMs({ able }: Span, { token }: Commit, untilMs: number): number {
    const sinceMs = this.toldMs.get(token) ?? Infinity
    return able.reduce(
      (sumMs, span) => sumMs + Math.max(0, Math.min(untilMs, span.untilMs) - Math.max(sinceMs, span.fromMs)),
      0,
    )
  }

  private tell({ boot }: Life, token: string, atMs: number): void {
    if (token.startsWith(`${boot}-`) && !this.toldMs.has(token)) this.toldMs.set(token, atMs)
  }

  private note(boot: string, change: Partial<Pick<Span, 'isUp' | 'runs'>>, atMs: number): void {
    const span = Object.assign(this.of(boot), change)
    const last = span.able.at(-1)
    if (last !== undefined) last.untilMs = Math.min(last.untilMs, atMs)
    if (span.isUp && span.runs) span.able.push({ fromMs: atMs, untilMs: Infinity })
  }

  private of(boot: string): Span {
    let span = this.spans.get(boot)
    if (span === undefined)
      this.spans.set(boot, (span = { able: [], isUp: true, runs: true, losses: new Map(), endMs: Infinity }))
    return span
  }
}

/** Of so many committed turns one may be the last to have its effects performed, one in a turn of the event loop. */
const idleMsMax = 50
