/** Lease: a node's right to act, on its own clock. It is renewed by acknowledged beats, counted from the moment a beat was sent
 *  (rule N1), and it is void after any gap in the node's attention (rule C4).
 *
 *  The lease clock is the monotonic clock plus whatever the wall clock jumped forward beyond it (rule C1): where the
 *  monotonic clock stands still while a machine sleeps, the wall clock tells how long it slept. A wall clock that is set
 *  forward by hand costs one renewal; one that is set back changes nothing. */

import type { Now } from '../base/clock.ts'
import type { Timing } from './timing.ts'

export interface Lease {
  /** The lease clock at the last entry into the core. */
  nowMs: number
  /** What runs outside must be down by then, G at most later (rule N4); infinitely long ago before the first beat. */
  endMs: number
  /** When the beat that reaches farthest was sent. */
  sentMs: number
  /** Beats sent before this count for nothing: a gap lies behind them. */
  validFromMs: number
  last: Now
}

/** Smaller differences between the two clocks are their resolution and the slewing of the wall clock. */
const wallJumpMsMin = 50

export const createLease = (now: Now): Lease => ({
  nowMs: now.monoMs,
  endMs: -Infinity,
  sentMs: -Infinity,
  validFromMs: now.monoMs,
  last: now,
})

/** Reads the clocks at an entry into the core. 'gap': the node was away for so long that its lease is void. */
export function observe(lease: Lease, now: Now, timing: Timing): 'attentive' | 'gap' {
  const monoMs = Math.max(0, now.monoMs - lease.last.monoMs)
  const beyondMs = now.wallMs - lease.last.wallMs - monoMs
  const passedMs = monoMs + (beyondMs > wallJumpMsMin ? beyondMs : 0)
  lease.last = now
  lease.nowMs += passedMs
  if (passedMs <= timing.gapMs) return 'attentive'
  lease.validFromMs = lease.nowMs
  return 'gap'
}

/** N1: a beat that was sent at `sentMs` is acknowledged. One sent before a gap gives nothing. */
export function renew(lease: Lease, sentMs: number, timing: Timing): void {
  if (sentMs < lease.validFromMs || sentMs <= lease.sentMs) return
  lease.sentMs = sentMs
  lease.endMs = sentMs + timing.leaseMs
}

/** Only a beat sent from now on counts (a new incarnation, a connection that came back). */
export const beginAnew = (lease: Lease): void => {
  lease.validFromMs = lease.nowMs
}

/** The node may act: its lease runs, and no gap lies between the beat that gave it and now. */
export const holds = (lease: Lease): boolean => lease.nowMs < lease.endMs && lease.sentMs >= lease.validFromMs
