/** Ledger: what each caller asked for, and what it was told: the callers' side of every promise. */

import type { Refusal } from '../../src/base/errors.ts'
import type { Operation } from '../../src/protocol/frames.ts'
import type { ActorType, JournalContext, JournalEvent } from './machines.ts'

export interface Attempt {
  /** Id of its frames. */
  readonly frame: string
  readonly calledMs: number
  readonly timeoutMs: number
  settledMs: number
  /** Undefined until it is settled. */
  outcome:
    | { readonly kind: 'done'; readonly value: unknown }
    | { readonly kind: 'refused'; readonly why: Refusal }
    | undefined
}

/** One thing that a client wants. Attempts after the first repeat it under its request id. */
export interface Wish {
  readonly client: string
  /** Order of the wishes of one client. */
  readonly number: number
  readonly op: Exclude<Operation, 'end'>
  readonly type: ActorType
  readonly actor: string
  /** Mark of the event, or of the life that a spawn would begin. */
  readonly mark: string
  readonly event: JournalEvent | undefined
  readonly request: string | undefined
  /** It is repeated until it is answered. */
  readonly patient: boolean
  /** Its request id is that of another wish, which was answered. */
  readonly conflicts: boolean
  readonly attempts: Attempt[]
}

/** What `get` shows, and what an ask shows that is answered by the view. */
export interface ActorShown {
  readonly status: string
  readonly value: unknown
  readonly context: JournalContext
}

export class Ledger {
  readonly wishes: Wish[] = []
  private readonly byMark = new Map<string, Wish>()

  add(wish: Wish): void {
    this.wishes.push(wish)
    this.byMark.set(wish.mark, wish)
  }

  of(mark: string): Wish | undefined {
    return this.byMark.get(mark)
  }

  /** Whether anybody still waits for an answer. */
  isOpen(): boolean {
    return this.wishes.some(
      (wish) =>
        (wish.patient && doneOf(wish) === undefined) || wish.attempts.some(({ outcome }) => outcome === undefined),
    )
  }
}

export const keyOf = ({ type, actor }: Pick<Wish, 'type' | 'actor'>): string => `${type}/${actor}`

/** The answer, once one attempt was answered. */
export const doneOf = ({ attempts }: Wish): (Attempt & { readonly value: unknown }) | undefined => {
  for (const attempt of attempts)
    if (attempt.outcome?.kind === 'done') return { ...attempt, value: attempt.outcome.value }
  return undefined
}

/** The ids under which an actor may have processed it. */
export const requestsOf = ({ request, attempts }: Wish): readonly string[] =>
  request === undefined ? attempts.map(({ frame }) => frame) : [request]

/** Its actor is durable, and a commit tells that it was processed. */
export const isLogged = ({ op, type, event }: Wish): boolean =>
  type !== 'cache' && ['ask', 'tell', 'spawn', 'stop'].includes(op) && (event === undefined || 'mark' in event)

/** Actors that nobody stops; all others are born and die. */
export const isMortal = (actor: string): boolean => actor.startsWith('mortal')
