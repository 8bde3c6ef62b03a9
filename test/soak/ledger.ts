/** Ledger: what callers asked for and what they were told, in the words in which both are judged. */

import type { Refusal } from '../../src/base/errors.ts'
import type { Journal, Shown } from './journal.ts'

export type ActorType = 'journal' | 'cache' | 'timer' | 'holder'

export type Outcome =
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly why: Refusal }

/** One call. Times are of the machine's monotonic clock. */
export interface Attempt {
  readonly calledMs: number
  readonly timeoutMs: number
  /** Infinity until it is settled. */
  settledMs: number
  outcome: Outcome | undefined
}

/** One thing that a caller wants. Attempts after the first repeat it under its request id. */
export interface Wish {
  readonly caller: string
  /** Order of the wishes of one caller. */
  readonly number: number
  readonly op: 'spawn' | 'ask' | 'tell' | 'get' | 'locate' | 'stop'
  readonly type: ActorType
  readonly actor: string
  /** Of its event; or of the life that a spawn begins. */
  readonly mark: string
  readonly delayMs: number | undefined
  readonly request: string | undefined
  readonly attempts: Attempt[]
}

export interface Done {
  readonly calledMs: number
  readonly settledMs: number
  readonly value: unknown
}

/** The first answer, once there is one. */
export function doneOf({ attempts }: Wish): Done | undefined {
  for (const { calledMs, settledMs, outcome } of attempts)
    if (outcome?.kind === 'done') return { calledMs, settledMs, value: outcome.value }
  return undefined
}

/** What an answered ask says. */
export interface Asked {
  readonly handled: boolean
  /** Where the machine does not reply by itself, or had no transition for the event, its view. */
  readonly reply: Shown | View
}

/** What a look shows, as much of it as is judged. */
export interface View {
  readonly context: Journal
}

/** What an answered wish says of its actor's journal; nothing for what says nothing of it. */
export function shownBy({ op }: Wish, { value }: Done): Shown | Journal | undefined {
  if (op === 'get') return (value as View).context
  if (op !== 'ask') return undefined
  const { reply } = value as Asked
  return 'context' in reply ? reply.context : reply
}
