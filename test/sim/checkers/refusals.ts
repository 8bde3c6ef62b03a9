/** Refusals (O1): what was refused did not run, if its refusal says so. Only who refused it knows: an earlier sending of the frame that is
 *  under way, or parked at another node, until that one owns the shard may run there (`src/README.md`); and a node remembers only
 *  so many. What it refuses at the first sending is certainly in no record of its own, under the claim that it then had. */

import { limits } from '../../../src/base/limits.ts'
import { errorCodes } from '../../../src/base/errors.ts'
import type { Input } from '../../../src/core/effects.ts'
import type { Frame } from '../../../src/protocol/frames.ts'
import type { CommitRecord } from '../../../src/protocol/records.ts'
import { requestsOf, type Wish } from '../ledger.ts'
import type { Process } from '../process.ts'
import type { Checker, Observation, Witness } from '../witness.ts'

export class Refusals implements Checker {
  /** By frame: the process and its claim, how many frames that had refused, and the last sending that anybody did. */
  private readonly refusers = new Map<
    string,
    { readonly boot: string; readonly epoch: number | undefined; readonly place: number; readonly lane: number }
  >()
  /** By frame and process: the first sending that came there. */
  private readonly sendings = new Map<string, number>()
  /** By process: how many frames it has refused. */
  private readonly counts = new Map<string, number>()
  /** By request: who ran it. */
  private readonly runners = new Map<string, { readonly boot: string; readonly epoch: number }[]>()
  /** And until when anybody waits for their answers. */
  private readonly frames = new Map<string, { readonly frame: Frame; readonly untilMs: number }>()
  /** By process and shard: the claim. */
  private readonly epochs = new Map<string, number>()
  /** Frames without an id of their caller's: the claims under which they were refused at the first sending, and committed. */
  private readonly denied = new Map<string, string>()
  private readonly committed = new Map<string, string>()
  private readonly witness: Witness

  constructor(witness: Witness) {
    this.witness = witness
  }

  /** A process is about to be told. */
  look({ life: { boot } }: Process, input: Input, atMs: number): void {
    if (input.kind !== 'frames') return
    for (const frame of input.batch.frames) {
      if (!this.frames.has(frame.id)) this.frames.set(frame.id, { frame, untilMs: atMs + frame.leftMs })
      const key = `${boot} ${frame.id}`
      this.sendings.set(key, Math.min(frame.lane, this.sendings.get(key) ?? Infinity))
    }
  }

  saw(seen: Observation, atMs: number): void {
    if (seen.kind === 'refused') {
      const { boot } = seen.life
      const place = (this.counts.get(boot) ?? 0) + 1
      this.counts.set(boot, place)
      const lane = Math.max(seen.lane ?? Infinity, this.refusers.get(seen.frame)?.lane ?? 0)
      const shard = this.frames.get(seen.frame)?.frame.shard
      this.refusers.set(seen.frame, { boot, epoch: this.epochs.get(`${boot} ${shard}`), place, lane })
      this.noteDenial(seen, atMs)
    }
    if (seen.kind === 'heard' && seen.event.kind === 'owned')
      this.epochs.set(`${seen.life.boot} ${seen.event.shard}`, seen.event.epoch)
    if (seen.kind === 'stored' && seen.record.kind === 'commit') this.noteCommit(seen.record)
    if (seen.kind !== 'act' || seen.what !== 'turn') return
    const runners = this.runners.get(seen.cause) ?? []
    this.runners.set(seen.cause, [...runners, { boot: seen.life.boot, epoch: seen.epoch }])
  }

  /** An owner refused it, and another one, or the same under a later claim, ran it: its caller did not hear of the refusal, and sent it
   *  again. */
  ranElsewhere(wish: Wish): boolean {
    const runners = requestsOf(wish).flatMap((request) => this.runners.get(request) ?? [])
    return wish.attempts.some(({ frame }) => {
      const refuser = this.refusers.get(frame)
      return (
        refuser !== undefined && runners.some(({ boot, epoch }) => boot !== refuser.boot || epoch !== refuser.epoch)
      )
    })
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

  private noteDenial({ life, frame: id, lane, code }: Extract<Observation, { kind: 'refused' }>, atMs: number): void {
    const { frame, untilMs } = this.frames.get(id)!
    if (lane !== frame.first || atMs > untilMs || errorCodes[code].mayHaveRun) return
    const epoch = this.epochs.get(`${life.boot} ${frame.shard}`)
    if (epoch === undefined) return
    this.denied.set(id, `${life.node} ${epoch}`)
    this.compare(id)
  }

  private noteCommit({ owner, epoch, requests }: CommitRecord): void {
    for (const { request } of requests) {
      this.committed.set(request, `${owner} ${epoch}`)
      this.compare(request)
    }
  }

  private compare(frame: string): void {
    const by = this.denied.get(frame)
    if (by === undefined || by !== this.committed.get(frame) || this.isForgotten(this.refusers.get(frame)!)) return
    this.witness.violation(`O1: ${by.split(' ')[0]} says that ${frame} did not run, and committed it`)
  }

  private isForgotten({ boot, place }: { readonly boot: string; readonly place: number }): boolean {
    return this.counts.get(boot)! - place >= limits.parkedFramesMax
  }

  private mayHaveRun(frame: string, request: string): boolean {
    const refuser = this.refusers.get(frame)
    if (refuser === undefined) return false
    if (this.isForgotten(refuser)) return true
    // A caller believes the refusal of its last sending, and made none after that.
    return (this.runners.get(request) ?? []).some(
      ({ boot }) => boot !== refuser.boot && (this.sendings.get(`${boot} ${frame}`) ?? 0) <= refuser.lane,
    )
  }
}
