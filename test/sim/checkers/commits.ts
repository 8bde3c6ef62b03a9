/** Commits (I3, S3): what each log says was processed, and by whom. A request lies in one commit that is there, of whichever life of
 *  whichever node. Who says that something is done says it of what is stored. */

import type { CommitRecord } from '../../../src/protocol/records.ts'
import { doneOf, isLogged, keyOf, requestsOf, type Wish } from '../ledger.ts'
import type { Checker, Observation, Witness } from '../witness.ts'

export interface Commit {
  readonly name: string
  readonly seq: number
  readonly atMs: number
  readonly token: string
  /** The process that wrote it. */
  readonly boot: string
}

export class Commits implements Checker {
  /** By actor and request: the first one that ever was. */
  private readonly first = new Map<string, Commit>()
  /** And the one that is there. */
  private readonly standing = new Map<string, Commit>()
  private readonly witness: Witness

  constructor(witness: Witness) {
    this.witness = witness
  }

  saw(seen: Observation, atMs: number): void {
    if (seen.kind === 'forgotten') return this.forget(seen.tailOf)
    if (seen.kind !== 'stored' || seen.record.kind !== 'commit') return
    this.note(seen.name, seen.seq, seen.record, atMs)
  }

  /** Of the turn that the wish asked for. */
  of(wish: Wish): Commit | undefined {
    for (const request of requestsOf(wish)) {
      const commit = this.first.get(idOf(keyOf(wish), request))
      if (commit !== undefined) return commit
    }
    return undefined
  }

  /** S3: nobody was told of what was not stored then. */
  judge(wishes: readonly Wish[]): void {
    for (const wish of wishes) {
      const done = doneOf(wish)
      if (done === undefined || !isLogged(wish) || wish.attempts.length > 1) continue
      const { handled = true, created = true, stopped = true } = done.value as Record<string, boolean | undefined>
      if (!handled || !created || !stopped) continue
      const commit = this.of(wish)
      if (commit !== undefined && commit.atMs <= done.settledMs) continue
      const committed = commit === undefined ? 'is in no commit' : `was committed at ${commit.atMs.toFixed(1)} ms`
      const answered = `was answered at ${done.settledMs.toFixed(1)} ms`
      this.witness.violation(`S3: ${wish.mark} ${wish.op} ${keyOf(wish)} ${answered}, and ${committed}`)
    }
  }

  private note(name: string, seq: number, { requests, token }: CommitRecord, atMs: number): void {
    const commit = { name, seq, atMs, token, boot: token.split('-')[0]! }
    for (const { actor, request, answer } of requests) {
      // Its answer comes with a later one.
      if (answer === 'open') continue
      const id = idOf(actor, request)
      const before = this.standing.get(id)
      if (before !== undefined)
        this.witness.violation(
          `I3: ${request} of ${actor} is in the commit at ${before.seq} of ${before.name}, and again in the one at ${seq} of ${name}`,
        )
      this.standing.set(id, commit)
      if (!this.first.has(id)) this.first.set(id, commit)
    }
  }

  private forget(tailOf: (name: string) => number): void {
    for (const [id, { name, seq }] of this.standing) if (seq > tailOf(name)) this.standing.delete(id)
  }
}

const idOf = (actor: string, request: string): string => `${actor} ${request}`
