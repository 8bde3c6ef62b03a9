/** Ledger: what the caller itself knows of each actor: what it was answered, and what became of asks that nobody answered. It
 *  stands against what the actors say, in each answer and when they are read afterwards. Nothing in it comes from
 *  Godwit's own counters. */

/** One actor that counts what it is asked. Each has one ask under way at most, so each answer says one more than the one before. */
export interface Account {
  readonly kind: 'counter' | 'websocket'
  readonly id: string
  /** Where the actor stands, by its own word and the asks it answered since. */
  count: number
  /** Asks that ended without an answer: each may have been counted or not. */
  open: number
  lost: number
  doubled: number
}

export const openAccount = (kind: Account['kind'], id: string): Account => ({
  kind,
  id,
  count: 0,
  open: 0,
  lost: 0,
  doubled: 0,
})

export function noteAnswer(account: Account, count: number): void {
  account.count += 1
  noteStanding(account, count)
}

/** The actor says that it stands at `count`. */
export function noteStanding(account: Account, count: number): void {
  const over = count - account.count
  account.lost += Math.max(0, -over)
  account.doubled += Math.max(0, over - account.open)
  account.open -= Math.min(account.open, Math.max(0, over))
  account.count = count
}

/** It was spawned and answered, and now there is no such actor. */
export function noteMissing(account: Account): void {
  account.lost += Math.max(1, account.count)
}

/** One reminder, by the caller's own clock. */
export interface Appointment {
  readonly id: string
  readonly delayMs: number
  /** It must not fire before `sentAtMs + delayMs`, and should have fired at `answeredAtMs + delayMs`. */
  sentAtMs: number
  answeredAtMs: number
}

export type Kept = { readonly kind: 'unfired' | 'twice' | 'early' } | { readonly kind: 'kept'; readonly lateMs: number }

/** Two clocks of one machine, read in whole milliseconds. */
const clockMs = 2

export function judge(appointment: Appointment, fires: number, firedAtMs: number | null): Kept {
  if (fires > 1) return { kind: 'twice' }
  if (fires === 0 || firedAtMs === null) return { kind: 'unfired' }
  if (firedAtMs < appointment.sentAtMs + appointment.delayMs - clockMs) return { kind: 'early' }
  return { kind: 'kept', lateMs: Math.max(0, firedAtMs - appointment.answeredAtMs - appointment.delayMs) }
}
