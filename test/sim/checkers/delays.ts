/** Delays (T1): a delayed transition fires once, not before its time by any clock that drifts as far as clocks may, and soon after
 *  it: within a tick, as soon as its shard can take turns.
 *
 *  What a shard could do is looked at while a transition is overdue, whenever its node is told something. Some time is counted by
 *  nobody, and makes delays longer: from the sending of the record that an actor is restored from until it was stored, on the way of a
 *  package, and from a claim to its acknowledgement. */

import { isUp } from '../../../src/core/membership.ts'
import type { Input } from '../../../src/core/effects.ts'
import type { Shard } from '../../../src/core/state.ts'
import { type CheckpointRecord, type CommitRecord } from '../../../src/protocol/records.ts'
import { addressOf, shardOf } from '../../../src/protocol/address.ts'
import type { ActorShown, Wish } from '../ledger.ts'
import { doneOf, keyOf } from '../ledger.ts'
import type { Plan } from '../plan.ts'
import type { Process } from '../process.ts'
import type { Checker, Observation, Witness } from '../witness.ts'

interface Armed {
  readonly actor: string
  readonly firstMs: number
  /** Turns may be undone and taken again. */
  readonly lastMs: number
  readonly delayMs: number
  /** What was not counted before. */
  readonly uncountedMs: number
}

/** What is known of a shard. */
interface Known {
  /** The process that took it last, and the one that has its package, or has claimed it. */
  owner: string
  heir: string
  ownedMs: number
  /** It was last seen unable to take turns. */
  unableMs: number
  claimedMs: number
  /** Who claimed it knew that it had. */
  toldMs: number
  transitMs: number
  readonly actors: Map<string, Counted>
}

/** What is known of an actor. */
interface Counted {
  /** Not counted so far, by anybody. */
  uncountedMs: number
  /** The last record of it alone, and how long the one that it would be restored from was under way. */
  seq: number
  lagMs: number
}

export class Delays implements Checker {
  private readonly armed = new Map<string, Armed>()
  /** By actor: what is to fire, and what was before: turns may be undone. */
  private readonly waiting = new Map<string, readonly string[]>()
  private soonestMs = Infinity
  private readonly known = new Map<string, Known>()
  /** By process: when it was last told something and did not stand in the middle of a turn: what it sends it looked at no earlier. */
  private readonly lookedMs = new Map<string, number>()
  /** By token: when the record was sent first. */
  private readonly sentMs = new Map<string, number>()
  /** By token: when the package was made. */
  private readonly packedMs = new Map<string, number>()
  /** By process: since when it runs. */
  private readonly wellMs = new Map<string, number>()
  /** With faults over, and everything whole again: nothing delays anything any more. */
  private wholeMs = Infinity
  private readonly asleepSinceMs = new Map<string, number>()
  private readonly shards = new Map<string, string>()
  private readonly witness: Witness
  private readonly plan: Plan
  private readonly slackMs: number

  constructor(witness: Witness, plan: Plan) {
    this.witness = witness
    this.plan = plan
    this.slackMs = 100 + plan.timing.tickMs
  }

  /** A process is about to be told. */
  look(process: Process, input: Input, atMs: number): void {
    const { node, clock } = process
    // By its own clock, also where it stands in the middle of a turn.
    const nowMs = atMs + clock.heldMs
    if (clock.heldMs === 0) this.lookedMs.set(process.life.boot, nowMs)
    switch (input.kind) {
      case 'appended':
        // It is certainly not stored, unless an earlier sending is.
        const append = node.shards.get(input.shard)?.append
        if (input.result.kind === 'full' && append?.clean === true) this.sentMs.delete(append.record.token)
        this.noteClaim(process, input.shard, nowMs)
        break
      case 'tail read':
        this.noteClaim(process, input.shard, nowMs)
        break
      case 'released':
        this.packedMs.set(input.token, nowMs)
        break
      case 'asked':
        if (input.request.kind === 'package' && input.request.index === 0)
          Object.assign(this.of(input.request.shard), {
            heir: process.life.boot,
            transitMs: nowMs - (this.packedMs.get(input.request.token) ?? nowMs),
          })
        break
    }
    if (atMs < this.soonestMs) return
    this.soonestMs = Infinity
    for (const [actor, marks] of this.waiting) {
      const dueMs = Math.min(...marks.map((mark) => this.dueMsOf(this.armed.get(mark)!)))
      this.soonestMs = Math.min(this.soonestMs, dueMs)
      if (dueMs > atMs) continue
      const name = this.shardOf(actor)
      const shard = node.shards.get(name)
      if (shard !== undefined && (!isUp(node) || !isAble(shard) || node.nowMs < shard.restsUntilMs))
        this.of(name).unableMs = atMs
    }
  }

  /** From `atMs` on no shard is without an owner, and no time goes uncounted. */
  becomeCalm(atMs: number): void {
    this.wholeMs = atMs
  }

  saw(seen: Observation, atMs: number): void {
    switch (seen.kind) {
      case 'armed': {
        const { delayMs, actor, heldMs } = seen
        const lastMs = atMs + heldMs
        const firstMs = Math.min(lastMs, this.armed.get(seen.mark)?.firstMs ?? Infinity)
        const { uncountedMs } = this.actor(actor)
        const armed = { actor, firstMs, lastMs, delayMs, uncountedMs }
        this.armed.set(seen.mark, armed)
        this.wait(actor, seen.mark)
        this.soonestMs = Math.min(this.soonestMs, this.dueMsOf(armed))
        return
      }
      case 'fired':
        this.judgeFiring(seen, atMs + seen.heldMs)
        return
      case 'cancelled':
        return
      case 'heard':
        if (seen.event.kind === 'owned') this.own(seen.event.shard, seen.life.boot, atMs)
        if (seen.event.kind === 'resumed') this.wellMs.set(seen.life.boot, atMs)
        return
      case 'appends': {
        if (!this.sentMs.has(seen.token)) this.sentMs.set(seen.token, this.lookedMs.get(seen.life.boot) ?? atMs)
        return
      }
      case 'stored': {
        const { record, name, seq } = seen
        if (record.kind !== 'claim' && record.kind !== 'commit' && record.kind !== 'checkpoint') return
        const lagMs = atMs - (this.sentMs.get(record.token) ?? atMs)
        if (record.kind === 'claim') this.of(name.slice('shard.'.length)).claimedMs = atMs
        else this.note(name.slice('shard.'.length), seq, record, lagMs)
        return
      }
      case 'process':
        if (seen.what === 'sleeps') this.asleepSinceMs.set(seen.life.boot, atMs)
        if (seen.what === 'resumes') {
          this.noteSleep(seen.life.boot, atMs - (this.asleepSinceMs.get(seen.life.boot) ?? atMs))
          this.asleepSinceMs.delete(seen.life.boot)
        }
        this.wellMs.set(seen.life.boot, atMs)
    }
  }

  /** What an actor remembers as armed was cancelled or has fired, once, unless it is the last and not due yet. */
  judge(finals: readonly Wish[], atMs: number): void {
    for (const final of finals) {
      const shown = doneOf(final)?.value as ActorShown | undefined
      if (final.type !== 'timer' || shown === undefined) continue
      const { marks, fired, cancelled } = shown.context
      const last = this.armed.get(marks.at(-1) ?? '')
      const isDue = last === undefined || Math.min(this.ableMsOf(last), this.latestMsOf(last)) + this.slackMs < atMs
      const over = new Set([...fired, ...cancelled])
      const open = marks.filter((mark) => !over.has(mark))
      const mayBeOpen = isDue ? [] : marks.slice(-1)
      if (
        over.size !== fired.length + cancelled.length ||
        open.some((mark) => !mayBeOpen.includes(mark)) ||
        [...over].some((mark) => !marks.includes(mark))
      )
        this.witness.violation(`T1: ${keyOf(final)} armed ${marks}, cancelled ${cancelled}, and fired ${fired}`)
    }
  }

  private judgeFiring({ life, actor, mark, heldMs }: Extract<Observation, { kind: 'fired' }>, atMs: number): void {
    const armed = this.armed.get(mark)
    if (armed === undefined) return this.witness.violation(`T1: ${mark} of ${actor} fires and was never armed`)
    this.wait(actor, mark)
    const { drift } = this.plan.faults
    const { firstMs, delayMs } = armed
    if (atMs < firstMs + delayMs * (1 - 2 * drift) - 1)
      this.witness.violation(
        `T1: ${mark} of ${actor} fires ${(atMs - firstMs).toFixed(1)} ms after it was armed for ${delayMs.toFixed(1)} ms`,
      )
    // Its process stood still until now.
    if (heldMs > 0) return
    const ableMs = Math.min(Math.max(this.ableMsOf(armed), this.wellMs.get(life.boot) ?? 0), this.latestMsOf(armed))
    if (atMs > ableMs + this.slackMs)
      this.witness.violation(
        `T1: ${mark} of ${actor} could fire at ${ableMs.toFixed(1)} ms and fires at ${atMs.toFixed(1)} ms`,
      )
  }

  private wait(actor: string, mark: string): void {
    const others = (this.waiting.get(actor) ?? []).filter((other) => other !== mark)
    this.waiting.set(actor, [...others.slice(-waitingMax), mark])
  }

  /** Whoever folds the log restores an actor from its own last record, or from the checkpoint that covers that. */
  private note(shard: string, seq: number, record: CommitRecord | CheckpointRecord, lagMs: number): void {
    if (record.kind === 'commit') {
      for (const [actor] of record.actors) Object.assign(this.actor(actor), { seq, lagMs })
      return
    }
    for (const counted of this.of(shard).actors.values()) if (counted.seq <= record.covers) counted.lagMs = lagMs
  }

  private noteClaim({ node, life }: Process, name: string, nowMs: number): void {
    if (node.shards.get(name)?.phase.kind !== 'claiming') return
    Object.assign(this.of(name), { heir: life.boot, toldMs: nowMs })
  }

  /** Its clock stood still, and what it holds is due as much later. */
  private noteSleep(boot: string, sleptMs: number): void {
    if (sleptMs === 0) return
    for (const known of this.known.values())
      if (known.owner === boot) for (const counted of known.actors.values()) counted.uncountedMs += sleptMs
      else if (known.heir === boot) known.transitMs += sleptMs
  }

  private own(shard: string, boot: string, atMs: number): void {
    const known = this.of(shard)
    known.owner = boot
    known.ownedMs = atMs
    for (const counted of known.actors.values())
      counted.uncountedMs += counted.lagMs + known.transitMs + Math.max(0, known.toldMs - known.claimedMs)
    known.heir = ''
    known.transitMs = 0
  }

  private dueMsOf({ actor, lastMs, delayMs, uncountedMs }: Armed): number {
    const lateMs = this.actor(actor).uncountedMs - uncountedMs
    return lastMs + delayMs * (1 + 2 * this.plan.faults.drift) + lateMs
  }

  /** Whatever excuses it happened before everything was whole. */
  private latestMsOf({ lastMs, delayMs }: Armed): number {
    return Math.max(lastMs, this.wholeMs) + delayMs * (1 + 2 * this.plan.faults.drift)
  }

  private ableMsOf(armed: Armed): number {
    const { ownedMs, unableMs } = this.of(this.shardOf(armed.actor))
    return Math.max(this.dueMsOf(armed), ownedMs, unableMs)
  }

  private shardOf(actor: string): string {
    let shard = this.shards.get(actor)
    if (shard === undefined) this.shards.set(actor, (shard = shardOf(addressOf(actor), 'main', this.plan.shards)))
    return shard
  }

  private of(shard: string): Known {
    let known = this.known.get(shard)
    if (known !== undefined) return known
    known = { owner: '', heir: '', ownedMs: 0, unableMs: 0, claimedMs: 0, toldMs: 0, transitMs: 0, actors: new Map() }
    this.known.set(shard, known)
    return known
  }

  private actor(actor: string): Counted {
    const { actors } = this.of(this.shardOf(actor))
    let counted = actors.get(actor)
    if (counted !== undefined) return counted
    counted = { uncountedMs: 0, seq: 0, lagMs: 0 }
    actors.set(actor, counted)
    return counted
  }
}

/** How many turns that arm one may be undone one after the other. */
const waitingMax = 8

/** Nothing is between it and its next turn. */
const isAble = ({ phase, append, inFlight, batch, waitsForCommit }: Shard): boolean =>
  phase.kind === 'owned' && append === undefined && inFlight === undefined && batch.turns === 0 && !waitsForCommit
