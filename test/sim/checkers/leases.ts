/** Leases (N1, N3, N4, C4, D1): judged from outside, by the rows that were stored. A lease ends at the latest L after the sending of the
 *  newest of them, by the slowest clock there may be; then nobody acts, and G later nothing is held. Who stood still for longer
 *  than L/3 acts no more before a beat is stored that it sent since. A row must stand still for W before its node is declared dead, and
 *  whoever declares it must have been UP for as long, by the fastest clock. */

import type { Timing } from '../../../src/core/timing.ts'
import type { Row } from '../../../src/protocol/records.ts'
import type { Checker, Hold, Life, Observation, Witness } from '../witness.ts'

/** One life of a process. */
interface Seen {
  /** When the newest of its rows that were stored was sent. */
  beatMs: number
  /** Since when it stands still. */
  stillSinceMs: number | undefined
  /** It went on after a gap in its attention, and nothing that it sent since was stored. */
  gap: { readonly stoodMs: number; readonly endMs: number } | undefined
  /** It may be late with everything until then. */
  excusedMs: number
  upSinceMs: number
  readonly holds: Set<number>
}

export class Leases implements Checker {
  private readonly lives = new Map<string, Seen>()
  /** By its token: when a row was first sent. */
  private readonly sentMs = new Map<string, number>()
  /** By its beat: when a row was stored. A sequence would not do: a broker that forgets gives it to another's. */
  private readonly rowMs = new Map<string, number>()
  /** By node: when the newest row was stored in which it lives. */
  private readonly aliveMs = new Map<string, number>()
  private readonly witness: Witness
  private readonly timing: Timing
  private readonly drift: number

  constructor(witness: Witness, timing: Timing, drift: number) {
    this.witness = witness
    this.timing = timing
    this.drift = drift
  }

  saw(seen: Observation, atMs: number): void {
    switch (seen.kind) {
      case 'stored': {
        const { record } = seen
        if (record.kind !== 'row') return
        if (record.state === 'dead') return this.judgeDead(record, atMs)
        this.rowMs.set(beatOf(record), atMs)
        if (record.state === 'left') return
        this.aliveMs.set(record.profile.id, atMs)
        return this.beat(record.boot, this.sentMs.get(record.token) ?? atMs, atMs)
      }
      case 'beats':
        if (!this.sentMs.has(seen.row.token)) this.sentMs.set(seen.row.token, atMs + seen.heldMs)
        return
      case 'process':
        return this.note(seen, atMs)
      case 'act':
        return seen.frozen ? undefined : this.judgeAct(seen, atMs)
      case 'held':
        return void this.of(seen.life, atMs).holds.add(seen.id)
      case 'let go':
        return this.letGo(seen, atMs)
      case 'heard':
        if (seen.event.kind === 'suspended') this.of(seen.life, atMs).upSinceMs = Infinity
        if (seen.event.kind === 'resumed') this.of(seen.life, atMs).upSinceMs = atMs
        return
      case 'declares':
        return this.judgeDeclaring(seen, atMs)
    }
  }

  private of({ boot }: Pick<Life, 'boot'>, atMs: number): Seen {
    let seen = this.lives.get(boot)
    if (seen !== undefined) return seen
    seen = {
      beatMs: atMs,
      stillSinceMs: undefined,
      gap: undefined,
      excusedMs: 0,
      upSinceMs: atMs,
      holds: new Set(),
    }
    this.lives.set(boot, seen)
    return seen
  }

  private beat(boot: string, sentMs: number, atMs: number): void {
    const seen = this.of({ boot }, atMs)
    if (seen.holds.size > 0) this.judgeHolds(boot, seen, atMs)
    seen.beatMs = Math.max(seen.beatMs, sentMs)
    if (seen.gap !== undefined && sentMs >= seen.gap.endMs) seen.gap = undefined
  }

  private note({ life, what }: Extract<Observation, { kind: 'process' }>, atMs: number): void {
    const seen = this.of(life, atMs)
    if (what === 'crashes' || what === 'ends') this.lives.delete(life.boot)
    if (what === 'stands' || what === 'sleeps') {
      seen.stillSinceMs = atMs
      seen.excusedMs = Infinity
    }
    if (what === 'resumes' && seen.stillSinceMs !== undefined) {
      const stoodMs = atMs - seen.stillSinceMs
      if (stoodMs * (1 - this.drift) > 1.01 * this.timing.gapMs) seen.gap = { stoodMs, endMs: atMs }
      seen.stillSinceMs = undefined
      seen.excusedMs = atMs + this.longest(this.timing.tickMs + this.timing.stopMs) + slackMs
    }
  }

  private judgeAct({ life, what, actor }: Extract<Observation, { kind: 'act' }>, atMs: number): void {
    const { beatMs, gap } = this.of(life, atMs)
    if (gap !== undefined)
      this.witness.violation(
        `C4: ${life.node} begins a ${what} of ${actor} after it stood still for ${gap.stoodMs.toFixed(0)} ms and before it beats`,
      )
    else if (atMs - beatMs > this.longest(this.timing.leaseMs) + slackMs)
      this.witness.violation(
        `N3: ${life.node} begins a ${what} of ${actor} ${(atMs - beatMs).toFixed(0)} ms after its last beat`,
      )
  }

  private letGo({ life, id }: Hold, atMs: number): void {
    const seen = this.of(life, atMs)
    this.judgeHolds(life.boot, seen, atMs)
    seen.holds.delete(id)
  }

  /** N4: noticed within a tick, all of it is down G later. */
  private judgeHolds(boot: string, { beatMs, excusedMs }: Seen, atMs: number): void {
    const { leaseMs, tickMs, stopMs } = this.timing
    if (atMs > Math.max(excusedMs, beatMs + this.longest(leaseMs + tickMs + stopMs) + slackMs))
      this.witness.violation(
        `N4: ${boot.slice(0, 4)} still holds something ${(atMs - beatMs).toFixed(0)} ms after its last beat`,
      )
  }

  private judgeDeclaring({ life, node, row, heldMs }: Extract<Observation, { kind: 'declares' }>, atMs: number): void {
    const { waitMs } = this.timing
    const nowMs = atMs + heldMs
    const leastMs = waitMs / (1 + this.drift) - 1
    const upMs = nowMs - this.of(life, atMs).upSinceMs
    if (upMs < leastMs)
      this.witness.violation(
        `D1: ${life.node} declares ${node} dead and has been up for ${upMs.toFixed(0)} of ${waitMs} ms itself`,
      )
    const stoodMs = nowMs - (this.rowMs.get(beatOf(row)) ?? -Infinity)
    if (stoodMs < leastMs)
      this.witness.violation(
        `D1: ${life.node} declares ${node} dead, whose row was stored only ${stoodMs.toFixed(0)} of ${waitMs} ms before`,
      )
  }

  /** The row that a declaration replaces stood for W, whatever was forgotten before. */
  private judgeDead({ profile: { id } }: Row, atMs: number): void {
    const stoodMs = atMs - (this.aliveMs.get(id) ?? -Infinity)
    if (stoodMs < this.timing.waitMs / (1 + this.drift) - 1)
      this.witness.violation(`D1: ${id} is dead ${stoodMs.toFixed(0)} of ${this.timing.waitMs} ms after its last row`)
  }

  /** By the slowest clock. */
  private longest(ms: number): number {
    return ms / (1 - this.drift)
  }
}

const beatOf = ({ boot, inc, beat }: Pick<Row, 'boot' | 'inc' | 'beat'>): string => `${boot} ${inc} ${beat}`

/** Timers ring a little late. */
const slackMs = 3
