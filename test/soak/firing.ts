/** Firing: a delayed transition as the actor itself remembers it, and the judge of it (T1): each one that was armed fires once, in
 *  order, and not before its time. How late it may be is a matter of who was there, and 'lateness.ts' judges it. */

import type { Journal } from './journal.ts'

export interface Firing {
  readonly mark: string
  readonly delayMs: number
  /** By the machine's monotonic clock, in the process that took the turn. */
  readonly armedAtMs: number
  readonly firedAtMs: number
  /** The process in which it fired. */
  readonly pid: number
}

export interface TimerJournal extends Journal {
  readonly armed: string
  readonly delayMs: number
  readonly armedAtMs: number
  readonly firings: readonly Firing[]
}

/** After a crash the delay is counted by the broker's wall clock, which may be corrected by a little meanwhile. */
const earlyShare = 0.01
const earlyMs = 5

/** What is wrong with the firings of an actor that arms nothing more. */
export function judgeFirings(actor: string, { marks, firings }: TimerJournal): readonly string[] {
  const wrong: string[] = []
  const fired = firings.map(({ mark }) => mark)
  if (fired.join() !== marks.join()) wrong.push(`T1: ${actor} armed ${marks}, and fired ${fired}`)
  for (const { mark, delayMs, armedAtMs, firedAtMs } of firings) {
    const afterMs = firedAtMs - armedAtMs
    if (afterMs < delayMs * (1 - earlyShare) - earlyMs)
      wrong.push(
        `T1: ${mark} of ${actor} fired ${afterMs.toFixed(1)} ms after it was armed for ${delayMs.toFixed(1)} ms`,
      )
  }
  return wrong
}

export const latenessMsOf = ({ firings }: TimerJournal): number =>
  Math.max(0, ...firings.map(({ delayMs, armedAtMs, firedAtMs }) => firedAtMs - armedAtMs - delayMs))
