/** Asking: the load. Every actor that counts is asked again and again, one ask at a time each; every answer goes into its account. Some
 *  asks are sent once more although they were answered, seconds later, wherever the actor is by then: they must be answered
 *  as before. */

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { insist } from './insist.ts'
import { type Account, noteAnswer } from './ledger.ts'
import { createPace } from './pace.ts'
import type { Role } from './roles.ts'
import { type Summary, Waits } from './waits.ts'

export interface Asking {
  begin(): void
  /** Stops asking, and waits for what is open. */
  rest(): Promise<void>
  turnPage(): Summary
  /** Of the last moments. */
  now(): Summary
  totals(): Totals
  /** The longest that any ask of this page waited for its answer, or waits. */
  gapMs(): number
  /** How long the oldest open ask waits. */
  oldestMs(): number
}

export interface Totals {
  readonly answered: number
  readonly unanswered: number
  /** Refused, or met with silence, and sent again. */
  readonly sentAgain: number
  /** Answered, and sent once more on purpose. */
  readonly repeated: number
  /** Answered and not counted: a websocket was offline. */
  readonly declined: number
}

interface Repeat {
  readonly account: Account
  readonly requestId: string
  readonly reply: number
  readonly dueAtMs: number
}

/** Actors that nobody owns for the moment have one open ask each; the others must not wait for them. */
const openMax = 1_000
const askEachMs = 5
const lookMs = 250
const repeatOneIn = 20
const repeatAfterMs = 4_000

export function createAsking(
  accounts: readonly Account[],
  roles: Record<Account['kind'], Role>,
  fail: (account: Account, thrown: unknown) => void,
): Asking {
  const idle = [...accounts]
  /** When each open ask was asked, oldest first. */
  const open = new Map<object, number>()
  /** Oldest first. */
  const repeats: Repeat[] = []
  const totals = { answered: 0, unanswered: 0, sentAgain: 0, repeated: 0, declined: 0 }
  const pace = createPace()
  const timers: NodeJS.Timeout[] = []
  let page = new Waits()
  let look = new Waits()
  let seen = look.summary()

  function begin(): void {
    page = new Waits()
    timers.push(setInterval(askSome, askEachMs), setInterval(takeALook, lookMs))
  }

  function askSome(): void {
    for (let n = pace.take(); n > 0 && open.size < openMax && idle.length > 0; n--) void ask(takeAny(idle))
    while (repeats[0] && repeats[0].dueAtMs <= performance.now()) void askAgain(repeats.shift()!)
  }

  function takeALook(): void {
    seen = look.summary()
    look = new Waits()
    pace.adapt(seen.p50Ms)
  }

  async function ask(account: Account): Promise<void> {
    const requestId = randomUUID()
    const waitMs = await answered(account, account, async () => {
      const reply = await send(account, requestId)
      totals.answered++
      if (reply === undefined) {
        totals.declined++
        return
      }
      noteAnswer(account, reply)
      if (totals.answered % repeatOneIn === 0)
        repeats.push({ account, requestId, reply, dueAtMs: performance.now() + repeatAfterMs })
    })
    idle.push(account)
    if (waitMs === undefined) account.open++
    else for (const waits of [page, look]) waits.note(waitMs)
  }

  async function askAgain(repeat: Repeat): Promise<void> {
    const { account, requestId, reply } = repeat
    await answered(repeat, account, async () => {
      // Another answer than before means that it was processed again.
      if ((await send(account, requestId)) !== reply) account.doubled++
      totals.repeated++
    })
  }

  const send = async (account: Account, requestId: string): Promise<number | undefined> =>
    insist(
      async () => roles[account.kind].ask(account.id, requestId),
      () => void totals.sentAgain++,
    )

  /** How long it took; nothing for what failed. */
  async function answered(key: object, account: Account, work: () => Promise<void>): Promise<number | undefined> {
    const sinceMs = performance.now()
    open.set(key, sinceMs)
    try {
      await work()
      return performance.now() - sinceMs
    } catch (thrown) {
      totals.unanswered++
      fail(account, thrown)
      return undefined
    } finally {
      open.delete(key)
    }
  }

  async function rest(): Promise<void> {
    for (const timer of timers) clearInterval(timer)
    while (open.size > 0) await sleep(askEachMs)
    seen = new Waits().summary()
  }

  function turnPage(): Summary {
    const summary = { ...page.summary(), gapMs: gapMs() }
    page = new Waits()
    return summary
  }

  function oldestMs(): number {
    for (const sinceMs of open.values()) return performance.now() - sinceMs
    return 0
  }

  const gapMs = (): number => Math.max(page.summary().gapMs, oldestMs())

  return { begin, rest, turnPage, now: () => seen, totals: () => totals, gapMs, oldestMs }
}

/** Any one of them, in constant time. */
function takeAny<T>(items: T[]): T {
  const at = Math.floor(Math.random() * items.length)
  const taken = items[at]!
  items[at] = items.at(-1)!
  items.pop()
  return taken
}
