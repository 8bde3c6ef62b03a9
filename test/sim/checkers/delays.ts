/** Delays (T1): a delayed transition fires once, not before its time by any clock that drifts as far as clocks may, and soon after
 *  it: within a tick, as soon as its shard can take turns.
 *
 *  What a shard could do is looked at while a transition is overdue, whenever its node is told something. Some time is counted by
 *  nobody, and makes delays longer: between the moment at which an actor was looked at and that at which its record was stored, on the
 *  way of a package, and from a claim to its acknowledgement. */

import { isUp } from '../../../src/core/membership.ts'
import type { Input } from '../../../src/core/effects.ts'
import type { Shard } from '../../../src/core/state.ts'
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
  ownedMs: number
  /** It was last seen unable to take turns. */
  unableMs: number
  /** Not counted so far, by anybody. */
  uncountedMs: number
  collectedMs: number
  /** Nothing of it was on its way to the log. */
  idleMs: number
  claimedMs: number
  lagMs: number
  transitMs: number
}

export class Delays implements Checker {
  private readonly armed = new Map<string, Armed>()
  /** By actor: what is to fire, and what was before: turns may be undone. */
  private readonly waiting = new Map<string, readonly string[]>()
  private soonestMs = Infinity
  private readonly known = new Map<string, Known>()
  /** By token: when the package was made. */
  private readonly packedMs = new Map<string, number>()
  /** By process: since when it runs. */
  private readonly wellMs = new Map<string, number>()
  /** Clocks that stand still while their machine sleeps make delays longer. */
  private sleptMs = 0
  private readonly asleepSinceMs = new Map<string, number>()
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
    switch (input.kind) {
      case 'tick':
        for (const [name, shard] of node.shards) if (isIdle(shard)) this.of(name).idleMs = nowMs
        break
      case 'collected':
        if (input.purpose === 'commit') this.of(input.shard).collectedMs = nowMs
        break
      case 'released':
        this.packedMs.set(input.token, nowMs)
        break
      case 'asked':
        if (input.request.kind === 'package' && input.request.index === 0)
          this.of(input.request.shard).transitMs = nowMs - (this.packedMs.get(input.request.token) ?? nowMs)
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

  saw(seen: Observation, atMs: number): void {
    switch (seen.kind) {
      case 'armed': {
        const { delayMs, actor, heldMs } = seen
        const lastMs = atMs + heldMs
        const firstMs = this.armed.get(seen.mark)?.firstMs ?? lastMs
        const { uncountedMs } = this.of(this.shardOf(actor))
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
        if (seen.event.kind === 'owned') this.own(seen.event.shard, atMs)
        if (seen.event.kind === 'resumed') this.wellMs.set(seen.life.boot, atMs)
        return
      case 'stored': {
        const { record, name } = seen
        if (record.kind !== 'claim' && record.kind !== 'commit' && record.kind !== 'checkpoint') return
        const known = this.of(name.slice('shard.'.length))
        if (record.kind === 'claim') known.claimedMs = atMs
        else known.lagMs = Math.max(known.lagMs, atMs - (record.kind === 'commit' ? known.collectedMs : known.idleMs))
        return
      }
      case 'process':
        if (seen.what === 'sleeps') this.asleepSinceMs.set(seen.life.boot, atMs)
        if (seen.what === 'resumes') {
          this.sleptMs += atMs - (this.asleepSinceMs.get(seen.life.boot) ?? atMs)
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
      const isDue = last === undefined || this.ableMsOf(last) + this.slackMs < atMs
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
    const ableMs = Math.max(this.ableMsOf(armed), this.wellMs.get(life.boot) ?? 0)
    if (atMs > ableMs + this.slackMs)
      this.witness.violation(
        `T1: ${mark} of ${actor} could fire at ${ableMs.toFixed(1)} ms and fires at ${atMs.toFixed(1)} ms`,
      )
  }

  private wait(actor: string, mark: string): void {
    const others = (this.waiting.get(actor) ?? []).filter((other) => other !== mark)
    this.waiting.set(actor, [...others.slice(-waitingMax), mark])
  }

  private own(shard: string, atMs: number): void {
    const known = this.of(shard)
    known.ownedMs = atMs
    known.uncountedMs += known.lagMs + known.transitMs + (atMs - known.claimedMs)
    known.transitMs = 0
  }

  private dueMsOf({ actor, lastMs, delayMs, uncountedMs }: Armed): number {
    const lateMs = this.of(this.shardOf(actor)).uncountedMs - uncountedMs
    return lastMs + delayMs * (1 + 2 * this.plan.faults.drift) + lateMs + this.sleptMs
  }

  private ableMsOf(armed: Armed): number {
    const { ownedMs, unableMs } = this.of(this.shardOf(armed.actor))
    return Math.max(this.dueMsOf(armed), ownedMs, unableMs)
  }

  private shardOf(actor: string): string {
    return shardOf(addressOf(actor), 'main', this.plan.shards)
  }

  private of(shard: string): Known {
    let known = this.known.get(shard)
    if (known !== undefined) return known
    known = {
      ownedMs: 0,
      unableMs: 0,
      uncountedMs: 0,
      collectedMs: 0,
      idleMs: 0,
      claimedMs: 0,
      lagMs: 0,
      transitMs: 0,
    }
    this.known.set(shard, known)
    return known
  }
}

/** How many turns that arm one may be undone one after the other. */
const waitingMax = 8

/** It is held, and nothing of it is on its way to the log. */
const isIdle = ({ epoch, append, inFlight }: Shard): boolean =>
  epoch > 0 && append === undefined && inFlight === undefined

/** Nothing is between it and its next turn. */
const isAble = ({ phase, append, inFlight, batch, waitsForCommit }: Shard): boolean =>
  phase.kind === 'owned' && append === undefined && inFlight === undefined && batch.turns === 0 && !waitsForCommit
