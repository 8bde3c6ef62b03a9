/** Jury: all checkers of one run. They see everything that happens, and are asked at the end whether it adds up. */

import { addressOf, shardOf } from '../../src/protocol/address.ts'
import type { Input } from '../../src/core/effects.ts'
import { judgeCalls } from './checkers/calls.ts'
import { Children } from './checkers/children.ts'
import { Commits } from './checkers/commits.ts'
import { Delays } from './checkers/delays.ts'
import { Effects } from './checkers/effects.ts'
import { Holds } from './checkers/holds.ts'
import { judgeJournals } from './checkers/journals.ts'
import { Leases } from './checkers/leases.ts'
import { Losses } from './checkers/losses.ts'
import { Memory } from './checkers/memory.ts'
import { judgeMessages } from './checkers/messages.ts'
import { Owners } from './checkers/owners.ts'
import { Pace } from './checkers/pace.ts'
import { Promptness } from './checkers/promptness.ts'
import { Records } from './checkers/records.ts'
import { Refusals } from './checkers/refusals.ts'
import { Wholeness } from './checkers/wholeness.ts'
import { keyOf, type Ledger, type Wish } from './ledger.ts'
import type { Process } from './process.ts'
import type { Checker } from './witness.ts'
import type { World } from './world.ts'

/** What was asked when everything was over. */
export interface LastLook {
  readonly atMs: number
  /** A last event to each actor that answers events. */
  readonly words: readonly Wish[]
  /** What each immortal actor shows after that. */
  readonly views: readonly Wish[]
  /** The same of relays and sinks. */
  readonly messengers: readonly Wish[]
}

export class Jury {
  private readonly world: World
  private readonly ledger: Ledger
  private readonly isWild: boolean
  private readonly wholeness: Wholeness
  private readonly promptness: Promptness
  private readonly holds: Holds
  private readonly children: Children
  private readonly delays: Delays
  private readonly memory: Memory
  private readonly commits: Commits
  private readonly effects: Effects
  private readonly refusals: Refusals

  constructor(world: World, ledger: Ledger) {
    const { plan, witness, timeline, listeners } = world
    const { timing, faults, shards } = plan
    this.world = world
    this.ledger = ledger
    this.isWild = plan.world === 'wild clocks'
    const owners = new Owners(witness, shards, this.isWild)
    const losses = new Losses(witness, timing, faults.drift)
    this.wholeness = new Wholeness(owners, shards)
    this.promptness = new Promptness(witness, plan)
    this.holds = new Holds(witness, timing.stopMs + 10, this.isWild)
    this.children = new Children(owners, this.holds, shards)
    this.delays = new Delays(witness, plan)
    this.memory = new Memory(witness)
    this.commits = new Commits(witness)
    this.effects = new Effects(witness, ledger, this.commits, this.mayLose)
    this.refusals = new Refusals(witness)
    const unheard: Checker = {
      saw: (seen) => seen.kind === 'broken' && witness.violation(`nobody hears: ${seen.text}`),
    }
    // Those that others ask come first.
    for (const checker of [
      this.promptness,
      this.memory,
      this.commits,
      this.refusals,
      owners,
      new Records(witness),
      new Pace(witness),
      this.wholeness,
      this.delays,
      this.effects,
      losses,
      unheard,
      this.holds,
      this.children,
      new Leases(witness, timing, faults.drift),
    ])
      witness.add(checker)
    const lookers: readonly { look(process: Process, input: Input, atMs: number): void }[] = [
      this.delays,
      losses,
      this.effects,
      this.refusals,
    ]
    for (const looker of lookers) listeners.push((process, input) => looker.look(process, input, timeline.nowMs))
  }

  /** What is missing for everything to be as it should be, or nothing. */
  lack(living: readonly Process[]): string | undefined {
    return this.wholeness.lack(living) ?? this.children.lack()
  }

  /** The cluster is there: where nothing goes wrong callers are answered promptly from now on. */
  becomeWhole(): void {
    this.promptness.sinceMs = this.world.timeline.nowMs
  }

  /** Faults are over, and what they led to is by then. */
  becomeCalm(untilMs: number): void {
    this.delays.becomeCalm(untilMs)
  }

  /** `restedMs`: until then callers called at will. */
  judge({ atMs, words, views, messengers }: LastLook, restedMs: number): void {
    const { world, ledger, mayLose } = this
    const { plan, witness, timeline } = world
    const { faults } = plan
    const isCertain = (wish: Wish): boolean => !mayLose(keyOf(wish))
    const certain = views.filter(isCertain)
    for (const wish of [...words.filter(isCertain), ...certain]) this.promptness.judgeLast(wish)
    judgeCalls(witness, ledger.wishes, faults.drift, timeline.nowMs, mayLose)
    this.commits.judge(ledger.wishes.filter(isCertain))
    if (plan.world === 'quiet') this.promptness.judge(ledger.wishes, restedMs)
    judgeJournals(witness, ledger.wishes, views, {
      mayRunLate: faults.late > 0 || faults.reordered,
      mayReadOld: this.isWild,
      mayLose,
      mayForget: (key) => this.memory.forgetful.has(this.shardOf(key)),
      refusals: this.refusals,
    })
    judgeMessages(witness, messengers, mayLose)
    this.delays.judge(certain, atMs)
    this.effects.judge(certain, this.refusals, atMs)
    this.holds.judge(timeline.nowMs)
  }

  /** What the actor was told may be gone with a broker's disk. */
  private readonly mayLose = (key: string): boolean => this.memory.lost.has(this.shardOf(key))

  private shardOf(key: string): string {
    return shardOf(addressOf(key), 'main', this.world.plan.shards)
  }
}
