/** Load: asks to many actors at once, one after the other to each, under request ids that are repeated until they are settled; and
 *  the ledger of what was acknowledged, which at the end is held against the actors themselves. */

import { sleep, systemClock } from '../../src/base/clock.ts'
import type { Fate, PlainClient } from './plain-client.ts'
import { until } from './until.ts'

/** One ask, from its first sending on. */
export interface Settled {
  readonly actor: string
  readonly sentMs: number
  readonly settledMs: number
  readonly fate: Fate
}

export interface Load {
  readonly actors: readonly string[]
  /** In the order in which they were settled. */
  readonly settled: readonly Settled[]
  /** Resolves when so many asks are settled. */
  reaches(asks: number, withinMs?: number): Promise<void>
  /** Begins no more asks. Resolves when all that were begun are settled. */
  end(): Promise<void>
}

export interface LoadOptions {
  readonly type: string
  readonly actors: readonly string[]
  /** Ends by itself after so many. */
  readonly asks?: number
  /** Each actor is left alone for so long between two asks: spreads a given number of asks over what is to happen meanwhile. */
  readonly restMs?: number
  /** How long an ask is repeated until it is given up. Default 30 s. */
  readonly askWithinMs?: number
}

/** Begins at once. The actors must be there, and count `INC`. */
export function beginLoad(
  plain: PlainClient,
  { type, actors, asks = Infinity, restMs = 0, askWithinMs: withinMs = 30_000 }: LoadOptions,
): Load {
  const settled: Settled[] = []
  let begun = 0
  let ending = false

  async function ask(actor: string): Promise<void> {
    while (!ending && begun < asks) {
      begun++
      const sentMs = performance.now()
      const fate = await plain.ask(type, actor, { type: 'INC' }, { requestId: `${actor}-${begun}`, withinMs })
      settled.push({ actor, sentMs, settledMs: performance.now(), fate })
      if (restMs > 0) await sleep(systemClock, restMs)
    }
  }

  const all = Promise.all(actors.map(ask))
  // It is asked for at the end; until then nobody listens.
  all.catch(() => {})
  return {
    actors,
    settled,
    reaches: async (count, patienceMs = 120_000) =>
      void (await until(`${count} asks are settled`, () => settled.length >= count, patienceMs)),
    async end() {
      ending = true
      await all
    },
  }
}

export interface Balance {
  readonly acknowledged: number
  readonly unknown: number
  readonly refused: readonly Fate[]
  /** Acknowledged, and not in the actor. */
  readonly lost: number
  /** In the actor, and neither acknowledged nor of unknown fate; or one answer that two asks got. */
  readonly doubled: number
}

/** What the client knows against what the actors hold now. */
export async function balanceOf(plain: PlainClient, type: string, load: Load): Promise<Balance> {
  const books = new Map(
    load.actors.map((actor) => [actor, { acknowledged: 0, unknown: 0, replies: new Set<number>() }]),
  )
  const refused: Fate[] = []
  for (const { actor, fate } of load.settled) {
    const book = books.get(actor)!
    if (fate.kind === 'refused') refused.push(fate)
    if (fate.kind === 'unknown') book.unknown++
    if (fate.kind !== 'acknowledged') continue
    book.acknowledged++
    book.replies.add(fate.reply)
  }
  const sums = { acknowledged: 0, unknown: 0, lost: 0, doubled: 0 }
  await Promise.all(
    [...books].map(async ([id, { acknowledged, unknown, replies }]) => {
      const { n } = (await plain.must(`actor.${type}.get`, { id }))['context']
      sums.acknowledged += acknowledged
      sums.unknown += unknown
      sums.lost += Math.max(0, acknowledged - n)
      sums.doubled += Math.max(0, n - acknowledged - unknown) + acknowledged - replies.size
    }),
  )
  return { ...sums, refused }
}

/** Answers that come within this time after a kill were under way before it. */
const underWayMs = 100

/** For each actor the time from `sinceMs` to its first answer that was not under way then. */
export function firstAnswersMs(load: Load, sinceMs: number): ReadonlyMap<string, number> {
  const first = new Map<string, number>()
  for (const { actor, settledMs, fate } of load.settled)
    if (settledMs > sinceMs + underWayMs && fate.kind === 'acknowledged' && !first.has(actor))
      first.set(actor, settledMs - sinceMs)
  return first
}

/** The longest time in which each actor answered nothing, between `fromMs` and `toMs`. */
export function longestGapsMs(load: Load, fromMs: number, toMs: number): readonly number[] {
  const lastMs = new Map(load.actors.map((actor) => [actor, fromMs]))
  const gaps = new Map(load.actors.map((actor) => [actor, 0]))
  const note = (actor: string, atMs: number): void => {
    gaps.set(actor, Math.max(gaps.get(actor)!, atMs - lastMs.get(actor)!))
    lastMs.set(actor, atMs)
  }
  for (const { actor, settledMs, fate } of load.settled)
    if (settledMs >= fromMs && settledMs <= toMs && fate.kind === 'acknowledged') note(actor, settledMs)
  for (const actor of load.actors) note(actor, toMs)
  return [...gaps.values()]
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
