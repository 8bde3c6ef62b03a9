/** Delays (T1): a delayed transition fires once, not before its time by any clock that drifts as far as clocks may, and soon after
 *  it: once its shard is owned, by a node that nothing disturbs. */

import { limits } from '../../../src/base/limits.ts'
import { addressOf, shardOf } from '../../../src/protocol/address.ts'
import { blowKinds } from '../faults.ts'
import type { ActorShown, Wish } from '../ledger.ts'
import { doneOf, keyOf } from '../ledger.ts'
import type { Plan } from '../plan.ts'
import type { Checker, Life, Observation, Witness } from '../witness.ts'

interface Armed {
  readonly firstMs: number
  /** Turns may be undone and taken again. */
  readonly lastMs: number
  readonly delayMs: number
}

export class Delays implements Checker {
  private readonly armed = new Map<string, Armed>()
  /** By shard. */
  private readonly ownedMs = new Map<string, number>()
  /** By process: since when it does what it should; and since when the logs do. */
  private readonly wellMs = new Map<string, number>()
  private logsWellMs = 0
  /** Clocks that stand still while their machine sleeps make delays longer. */
  private sleptMs = 0
  private readonly asleepSinceMs = new Map<string, number>()
  private readonly witness: Witness
  private readonly plan: Plan
  private readonly slackMs: number

  constructor(witness: Witness, plan: Plan) {
    this.witness = witness
    this.plan = plan
    this.slackMs = slackOf(plan)
  }

  saw(seen: Observation, atMs: number): void {
    switch (seen.kind) {
      case 'armed': {
        const firstMs = this.armed.get(seen.mark)?.firstMs ?? atMs
        this.armed.set(seen.mark, { firstMs, lastMs: atMs, delayMs: seen.delayMs })
        return
      }
      case 'fired':
        return this.judgeFiring(seen, atMs)
      case 'cancelled':
        return
      case 'heard':
        if (seen.event.kind === 'owned') this.ownedMs.set(seen.event.shard, atMs)
        if (seen.event.kind === 'resumed') this.wellMs.set(seen.life.boot, atMs)
        return
      case 'process':
        if (seen.what === 'sleeps') this.asleepSinceMs.set(seen.life.boot, atMs)
        if (seen.what === 'resumes') {
          this.sleptMs += atMs - (this.asleepSinceMs.get(seen.life.boot) ?? atMs)
          this.asleepSinceMs.delete(seen.life.boot)
        }
        this.wellMs.set(seen.life.boot, atMs)
        return
      case 'world':
        this.logsWellMs = atMs
    }
  }

  /** What an actor remembers as armed was cancelled or has fired, once, unless it is the last and not due yet. */
  judge(finals: readonly Wish[], atMs: number): void {
    for (const final of finals) {
      const shown = doneOf(final)?.value as ActorShown | undefined
      if (final.type !== 'timer' || shown === undefined) continue
      const { marks, fired, cancelled } = shown.context
      const { lastMs = 0, delayMs = 0 } = this.armed.get(marks.at(-1) ?? '') ?? {}
      const isDue = lastMs + delayMs * (1 + 2 * this.plan.faults.drift) + this.sleptMs + this.slackMs < atMs
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

  private judgeFiring(
    { life, actor, mark }: { readonly life: Life; readonly actor: string; readonly mark: string },
    atMs: number,
  ): void {
    const armed = this.armed.get(mark)
    if (armed === undefined) return this.witness.violation(`T1: ${mark} of ${actor} fires and was never armed`)
    const { drift } = this.plan.faults
    const { firstMs, lastMs, delayMs } = armed
    if (atMs < firstMs + delayMs * (1 - 2 * drift) - 1)
      this.witness.violation(
        `T1: ${mark} of ${actor} fires ${(atMs - firstMs).toFixed(1)} ms after it was armed for ${delayMs.toFixed(1)} ms`,
      )
    const ownedMs = this.ownedMs.get(shardOf(addressOf(actor), 'main', this.plan.shards)) ?? 0
    const ableMs = Math.max(
      lastMs + delayMs * (1 + 2 * drift),
      ownedMs,
      this.wellMs.get(life.boot) ?? 0,
      this.logsWellMs,
    )
    if (atMs > ableMs + this.sleptMs + this.slackMs)
      this.witness.violation(
        `T1: ${mark} of ${actor} could fire at ${ableMs.toFixed(1)} ms and fires at ${atMs.toFixed(1)} ms`,
      )
  }
}

/** A tick, and the commit before; a move that was begun and given up; a log that is slow or lost. */
const stalling = new Set(blowKinds.filter((kind) => !['join', 'leave', 'drain', 'list', 'wall jump'].includes(kind)))

function slackOf({ timing, faults, blows }: Plan): number {
  const { log, lost, late } = faults
  const movesMayStall = lost + late > 0 || blows.some(({ kind }) => stalling.has(kind))
  const logsMayStall = log.lost + log.unanswered + log.slow > 0
  return (
    100 + timing.tickMs + (movesMayStall || logsMayStall ? 2.5 * limits.handoffStepMs : 0) + (logsMayStall ? 6_000 : 0)
  )
}
