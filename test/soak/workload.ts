/** Workload: calls at random moments from several callers to some sixty actors, at a steady rate whatever happens meanwhile. Some
 *  are in a hurry; some are repeated under their request id until they are answered; some are repeated although they were. Each
 *  actor serves some hundred marks; then its book is closed: a last look, the judgement, its stop, and a fresh actor in its
 *  place. */

import { isDeepStrictEqual } from 'node:util'
import { between, type Random } from '../../src/base/random.ts'
import { until } from '../support/until.ts'
import type { Span } from './absences.ts'
import type { Attention } from './attention.ts'
import { Book } from './book.ts'
import type { Caller } from './caller.ts'
import type { Chronicle } from './chronicle.ts'
import { monotonicMs } from './clock.ts'
import { latenessMsOf, type TimerJournal } from './firing.ts'
import type { Lateness } from './lateness.ts'
import { type ActorType, type Asked, type Attempt, doneOf, type Outcome, type View, type Wish } from './ledger.ts'
import type { Outside } from './outside.ts'
import type { Verdict } from './verdict.ts'

export interface WorkloadOptions {
  readonly callers: readonly Caller[]
  readonly random: Random
  readonly outside: Outside
  readonly chronicle: Chronicle
  readonly lateness: Lateness
  readonly attention: Attention
  readonly verdict: Verdict
  readonly callsPerSecond: number
}

/** How many actors of each type are there at a time. */
export const population: Readonly<Record<ActorType, number>> = { journal: 26, cache: 10, timer: 12, holder: 12 }

const tickMs = 10
const openMax = 4_000
/** Between two calls of somebody who insists. */
const lookMs = 200
const attemptsMax = 4
/** More than an actor lives to see. */
const peacesMax = 200
/** Beyond its time and beyond what this process missed, a call may take so long to settle. */
const settleSlackMs = 150
/** Whoever is asked again and again answers within this, whatever happens. */
const patienceMs = 120_000
/** Codes that tell of a cluster in trouble; every other one tells of a mistake. */
const expectedCodes: ReadonlySet<string> = new Set(['DEADLINE', 'UNAVAILABLE', 'OVERLOADED', 'NOT_OWNER'])

export class Workload {
  /** By actor. */
  readonly books = new Map<string, Book>()
  /** Calls by what came of them: 'answered' or a code. */
  readonly outcomes = new Map<string, number>()
  readonly counts = { calls: 0, wishes: 0, kept: 0, givenUp: 0, repeated: 0, judged: 0, marks: 0, lapses: 0 }
  timerLatenessMsMax = 0
  private readonly options: WorkloadOptions
  private readonly random: Random
  private readonly numbers = new Map<string, number>()
  private readonly closing = new Set<Promise<void>>()
  private readonly open = new Set<Attempt>()
  private peaces: readonly Span[] = []
  private ticking: NodeJS.Timeout | undefined
  private dueCalls = 0
  private lastTickMs = 0
  private born = 0
  private silentMsMax = 0
  private over = false

  constructor(options: WorkloadOptions) {
    this.options = options
    this.random = options.random
  }

  /** Resolves once all actors are there; calls have begun then. */
  async begin(): Promise<void> {
    await Promise.all(
      Object.entries(population).flatMap(([type, count]) =>
        Array.from({ length: count }, () => this.birth(type as ActorType)),
      ),
    )
    this.lastTickMs = monotonicMs()
    this.ticking = setInterval(() => this.tick(), tickMs)
  }

  /** No more calls. */
  rest(): void {
    clearInterval(this.ticking)
  }

  /** Closes every book: everybody must answer. */
  async close(): Promise<void> {
    this.rest()
    this.over = true
    for (const book of this.serving) this.startClosing(book)
    while (this.closing.size > 0) await Promise.all(this.closing)
  }

  /** Nothing more is called or waited for. */
  abandon(): void {
    this.rest()
    this.over = true
  }

  get serving(): readonly Book[] {
    return [...this.books.values()].filter(({ phase }) => phase === 'serving')
  }

  /** In this time nobody crashed and nobody was cut off: even volatile actors remember everything. */
  peace(span: Span): void {
    this.peaces = [...this.peaces.slice(-peacesMax), span]
  }

  /** Who has not been heard of since then. */
  silentSince(atMs: number): readonly string[] {
    return this.serving.filter((book) => !book.hasAnsweredSince(atMs)).map(({ key }) => key)
  }

  /** The longest that any actor was silent while somebody waited, since the last time this was asked. */
  turnPage(): number {
    const silentMs = Math.max(this.silentMsMax, this.nowSilentMs)
    this.silentMsMax = 0
    return silentMs
  }

  /** How long the actor that is silent for the longest is so by now. */
  get nowSilentMs(): number {
    return Math.max(0, ...this.serving.map((book) => book.silentMs()))
  }

  /** What should have settled long ago. */
  judgeOpen(): void {
    const nowMs = monotonicMs()
    for (const attempt of this.open) {
      const lateMs = nowMs - attempt.calledMs - attempt.timeoutMs
      if (lateMs - this.options.attention.lapsedMs(attempt.calledMs, nowMs) < 5_000) continue
      this.open.delete(attempt)
      this.options.verdict.violation(
        `a call might take ${attempt.timeoutMs.toFixed(0)} ms and is open ${lateMs.toFixed(0)} ms later`,
      )
    }
  }

  private tick(): void {
    const nowMs = monotonicMs()
    // What could not be called while this process stood still is not made up for at once.
    this.dueCalls += (Math.min(100, nowMs - this.lastTickMs) * this.options.callsPerSecond) / 1_000
    this.lastTickMs = nowMs
    while (this.dueCalls >= 1 && this.open.size < openMax) this.dueCalls -= this.doSomething()
    if (this.open.size >= openMax) this.dueCalls = 0
  }

  /** Returns how many calls that were. */
  private doSomething(): number {
    const { random } = this
    const caller = this.pick(this.options.callers)
    const next = random.next()
    const timeoutMs = random.next() < 0.2 ? between(random, 50, 800) : between(random, 800, 6_000)
    const type =
      next < 0.6 ? 'journal' : this.pick(['cache', 'timer', 'holder', 'journal'] as const satisfies ActorType[])
    const book = this.pick(this.serving.filter((each) => each.type === type))
    if (book === undefined || caller === undefined) return 1
    if (!caller.keepsOrder && book.openOf(caller.name) > 0) return 1
    const look = random.next()
    if (look < 0.1) return this.wish(caller, book, 'get', timeoutMs)
    if (look < 0.12) return this.wish(caller, book, 'locate', timeoutMs)
    if (type === 'timer') return this.wish(caller, book, 'ask', timeoutMs)
    // Several at once are on their way together; they must keep their order.
    const count = caller.keepsOrder && random.next() < 0.15 ? Math.floor(between(random, 2, 6)) : 1
    for (let i = 0; i < count; i++) this.wish(caller, book, random.next() < 0.6 ? 'ask' : 'tell', timeoutMs)
    return count
  }

  private wish(caller: Caller, book: Book, op: Wish['op'], timeoutMs: number): number {
    const isEvent = op === 'ask' || op === 'tell'
    const wish = this.write(caller, book, op, isEvent && this.random.next() < 0.5)
    this.counts.wishes++
    book.begin(caller.name)
    if (isEvent && ++book.marks >= book.marksMax) this.startClosing(book)
    void this.pursue(caller, book, wish, timeoutMs)
    return 1
  }

  private write(caller: Caller, book: Book, op: Wish['op'], named: boolean): Wish {
    const number = (this.numbers.get(caller.name) ?? 0) + 1
    this.numbers.set(caller.name, number)
    const mark = `${caller.name}.${number}`
    const wish: Wish = {
      caller: caller.name,
      number,
      op,
      type: book.type,
      actor: book.actor,
      mark,
      delayMs: book.type === 'timer' && op === 'ask' ? this.drawDelay() : undefined,
      request: named ? `r.${book.key}.${mark}` : undefined,
      attempts: [],
    }
    book.wishes.push(wish)
    return wish
  }

  /** Calls, and calls again, as somebody would who has a request id. */
  private async pursue(caller: Caller, book: Book, wish: Wish, timeoutMs: number): Promise<void> {
    const { random } = this
    for (let attempts = 1; ; attempts++) {
      const outcome = await this.attempt(caller, book, wish, timeoutMs)
      if (outcome.kind === 'done') break
      const again = outcome.why.retryable && wish.request !== undefined && attempts < attemptsMax
      if (this.over || !again || random.next() >= 0.7) break
      await pause(between(random, 0, 300))
    }
    const done = doneOf(wish)
    this.counts[done === undefined ? 'givenUp' : 'kept']++
    if (done !== undefined && wish.request !== undefined && book.type !== 'cache' && random.next() < 0.08)
      await this.askAgain(caller, book, wish, timeoutMs)
    book.end(caller.name)
  }

  /** An answered request is asked once more, wherever its actor is by then: it must be answered as before. */
  private async askAgain(caller: Caller, book: Book, wish: Wish, timeoutMs: number): Promise<void> {
    const before = doneOf(wish)!.value as Partial<Asked> | undefined
    await pause(between(this.random, 0, 8_000))
    if (this.over) return
    const outcome = await this.attempt(caller, book, wish, timeoutMs)
    this.counts.repeated++
    if (outcome.kind !== 'done' || before?.reply === undefined || 'context' in before.reply) return
    if (!isDeepStrictEqual(outcome.value, before))
      this.accuse(book, [
        `I3: ${wish.mark} of ${book.key} was answered ${JSON.stringify(before)}, and when it was repeated ${JSON.stringify(outcome.value)}`,
      ])
  }

  private async attempt(caller: Caller, book: Book, wish: Wish, timeoutMs: number): Promise<Outcome> {
    const { attention, verdict } = this.options
    const calledMs = monotonicMs()
    const attempt: Attempt = {
      calledMs,
      timeoutMs: timeoutMs + caller.marginMs,
      settledMs: Infinity,
      outcome: undefined,
    }
    wish.attempts.push(attempt)
    this.open.add(attempt)
    this.counts.calls++
    if (book.phase === 'serving') book.called()
    const outcome = await caller.call(wish, timeoutMs)
    attempt.settledMs = monotonicMs()
    attempt.outcome = outcome
    this.open.delete(attempt)
    if (outcome.kind === 'done') this.count('answered')
    else this.count(isGone(book, outcome.why.code) ? 'after a stop' : outcome.why.code)
    if (outcome.kind === 'done') this.silentMsMax = Math.max(this.silentMsMax, book.answered())
    else if (!expectedCodes.has(outcome.why.code) && !isGone(book, outcome.why.code))
      this.accuse(book, [
        `${wish.mark} ${wish.op} ${book.key} was refused: ${outcome.why.code}: ${outcome.why.message}`,
      ])
    const tookMs = attempt.settledMs - calledMs
    const lateMs = tookMs - attempt.timeoutMs - attention.lapsedMs(calledMs, attempt.settledMs)
    if (lateMs > settleSlackMs)
      verdict.violation(
        `${wish.mark} ${wish.op} ${book.key} might take ${attempt.timeoutMs.toFixed(0)} ms and took ${tookMs.toFixed(0)} ms`,
      )
    return outcome
  }

  /** Repeated until it is answered. */
  private async insist(book: Book, op: Wish['op'], isEnough: (wish: Wish) => boolean = () => true): Promise<Wish> {
    const caller = this.options.callers[0]!
    let seen: Wish | undefined
    return until(
      `${book.key} answers ${op}`,
      async () => {
        // What has a request id is one wish, however often it is asked; every look is one of its own.
        const wish = op === 'get' || seen === undefined ? this.write(caller, book, op, op !== 'get') : seen
        seen = wish
        const outcome = await this.attempt(caller, book, wish, 3_000)
        if ((outcome.kind === 'done' || isGone(book, outcome.why.code)) && isEnough(wish)) return wish
        await pause(lookMs)
        return undefined
      },
      patienceMs,
    )
  }

  private async birth(type: ActorType): Promise<void> {
    const book = new Book(
      type,
      `a${++this.born}`,
      Math.floor(between(this.random, 150, 400) / (type === 'timer' ? 3 : 1)),
    )
    this.books.set(book.key, book)
    try {
      await this.insist(book, 'spawn')
      book.phase = 'serving'
    } catch (thrown) {
      if (!this.over) this.accuse(book, [String(thrown)])
    }
  }

  private startClosing(book: Book): void {
    if (book.phase !== 'serving') return
    book.phase = 'closing'
    const closed = this.closeBook(book)
      .catch((thrown: unknown) => this.accuse(book, [String(thrown)]))
      .finally(() => this.closing.delete(closed))
    this.closing.add(closed)
    if (!this.over) void this.birth(book.type)
  }

  private async closeBook(book: Book): Promise<void> {
    const { outside, chronicle, lateness } = this.options
    await until(`the calls to ${book.key} are settled`, () => !book.isOpen(), patienceMs)
    const final = await this.insist(book, 'get', (wish) => book.type !== 'timer' || hasFiredAll(wish))
    const { value, calledMs } = doneOf(final)!
    const { context } = value as View
    const wrong = book.judge(context)
    if (book.type === 'timer') {
      const timer = context as TimerJournal
      this.timerLatenessMsMax = Math.max(this.timerLatenessMsMax, latenessMsOf(timer))
      lateness.note(book.key, timer.firings)
    }
    const lapses = book.type === 'cache' ? book.lapses() : []
    this.counts.lapses += lapses.length
    for (const { fromMs, toMs } of lapses)
      if (this.peaces.some((peace) => peace.fromMs < fromMs && peace.toMs > toMs))
        this.accuse(book, [
          `${book.key} forgot what it knew between ${fromMs.toFixed(0)} and ${toMs.toFixed(0)} ms, when nothing but planned moves happened`,
        ])
    this.counts.judged++
    this.counts.marks += context.marks.length
    if (wrong.length > 0) this.accuse(book, wrong)
    await this.insist(book, 'stop')
    book.phase = 'gone'
    const gone = await this.insist(book, 'get')
    if (doneOf(gone) !== undefined) this.accuse(book, [`I2: ${book.key} answers after it was stopped`])
    if (book.type === 'journal') {
      const { commits } = chronicle
      await until(`the end of ${book.key} was read from the store`, () => commits.isStopped(book.key), patienceMs)
      // By now everything that was done has been heard of.
      outside.deeds.close(book.key, context.marks, calledMs, (mark) => commits.commitOf(book.key, mark))
      commits.forget(book.key)
    }
    outside.forget(book.key)
    this.books.delete(book.key)
  }

  private accuse(book: Book, wrong: readonly string[]): void {
    for (const text of wrong) this.options.verdict.violation(text, book)
  }

  private count(what: string): void {
    this.outcomes.set(what, (this.outcomes.get(what) ?? 0) + 1)
  }

  private pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.random.next() * from.length)]
  }

  /** Some are long enough to outlive the node that they began on. */
  private drawDelay(): number {
    return between(this.random, 20, this.random.next() < 0.2 ? 9_000 : 2_000)
  }
}

/** A look at an actor that was stopped. */
const isGone = ({ phase }: Book, code: string): boolean => phase === 'gone' && code === 'ACTOR_NOT_FOUND'

const hasFiredAll = (wish: Wish): boolean => {
  const { marks, firings } = (doneOf(wish)!.value as View).context as TimerJournal
  return firings.length >= marks.length
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
