/** Losses (R2, R3): what everybody owes to what a broker may have forgotten. For W after it was started again nobody claims who knows
 *  of it, and whoever may have been declared dead before begins nothing; and whoever was handed a shard brings back also what was lost of
 *  the time before. */

import type { Input } from '../../../src/core/effects.ts'
import type { Timing } from '../../../src/core/timing.ts'
import type { LogRecord } from '../../../src/protocol/records.ts'
import type { Process } from '../process.ts'
import type { Checker, Observation, Witness } from '../witness.ts'

/** A process has heard of the broker's present life. */
interface Told {
  readonly server: string
  /** How many tokens it had made. */
  readonly tokens: number
  /** Its row had stood still for W. */
  readonly mayBeDead: boolean
}

interface Stored {
  readonly seq: number
  readonly record: LogRecord
}

export class Losses implements Checker {
  /** When the broker was last started again. */
  private startedMs = -Infinity
  /** By process. */
  private readonly told = new Map<string, Told>()
  /** By process: when its newest row was stored. */
  private readonly beatMs = new Map<string, number>()
  /** By shard and epoch. */
  private readonly claimedMs = new Map<string, number>()
  private readonly logs = new Map<string, Stored[]>()
  /** By shard: the node that runs it. */
  private readonly runners = new Map<string, string>()
  /** By shard: who can bring back what was lost of it, while nothing else was stored. */
  private readonly healers = new Map<string, string>()
  private readonly witness: Witness
  private readonly leastMs: number
  private readonly mostMs: number

  constructor(witness: Witness, { waitMs }: Timing, drift: number) {
    this.witness = witness
    this.leastMs = waitMs / (1 + drift) - 1
    this.mostMs = waitMs / (1 - drift) + 3
  }

  /** A process is about to be told. */
  look({ life, node }: Process, input: Input, atMs: number): void {
    if (input.kind !== 'identity read' || input.identities === 'unknown') return
    const { server } = input.identities.shards
    if (this.told.get(life.boot)?.server === server) return
    const mayBeDead = atMs - (this.beatMs.get(life.boot) ?? atMs) > this.mostMs
    this.told.set(life.boot, { server, tokens: node.tokens, mayBeDead })
  }

  saw(seen: Observation, atMs: number): void {
    switch (seen.kind) {
      case 'forgotten':
        // A store that has lost everything is as good as new: who begins there need not wait.
        this.startedMs = [...this.logs.keys()].some((name) => seen.tailOf(name) > 0) ? atMs : -Infinity
        this.told.forEach((told, boot) => this.told.set(boot, { ...told, server: '', mayBeDead: false }))
        return this.forget(seen.tailOf)
      case 'act':
        // What was claimed since is judged by its claim.
        if ((this.claimedMs.get(`${seen.shard}@${seen.epoch}`) ?? 0) > this.startedMs) return
        if (this.told.get(seen.life.boot)?.mayBeDead === true && atMs < this.startedMs + this.leastMs)
          this.witness.violation(
            `R2: ${seen.life.node}, which may have been declared dead, begins a ${seen.what} of ${seen.actor} ${this.sinceStart(atMs)}`,
          )
        return
      case 'heard':
        return this.hear(seen)
      case 'stored': {
        const { record, name, seq } = seen
        if (record.kind === 'view' || record.kind === 'charter') return
        if (record.kind === 'row') return void this.beatMs.set(record.boot, atMs)
        const log = this.logs.get(name) ?? []
        this.logs.set(name, log)
        log.push({ seq, record })
        this.healers.delete(name)
        if (record.kind !== 'claim') return
        this.claimedMs.set(`${name.slice('shard.'.length)}@${seq}`, atMs)
        this.judgeClaim(name, record, atMs)
      }
    }
  }

  private hear({ life, event }: Extract<Observation, { kind: 'heard' }>): void {
    if (event.kind === 'owned') this.runners.set(`shard.${event.shard}`, life.boot)
    if (event.kind !== 'disowned') return
    const name = `shard.${event.shard}`
    if (this.healers.get(name) === life.boot && event.reason === 'its log is not the one that this node wrote')
      this.witness.violation(
        `R3: ${life.node} gives ${event.shard} up, and only what it was handed and what it wrote since was lost`,
      )
    if (this.runners.get(name) === life.boot) this.runners.delete(name)
    this.healers.delete(name)
  }

  /** What was decided before the process heard of it may still be on its way. */
  private judgeClaim(name: string, { token, owner, over }: Extract<LogRecord, { kind: 'claim' }>, atMs: number): void {
    const [boot = '', number = ''] = token.split('-')
    const told = this.told.get(boot)
    if (told === undefined || told.server === '' || Number.parseInt(number, 36) <= told.tokens) return
    if (over === 'own stale claim' || over === 'empty' || atMs >= this.startedMs + this.leastMs) return
    this.witness.violation(`R2: ${owner} claims ${name} over ${over} ${this.sinceStart(atMs)}`)
  }

  private readonly sinceStart = (atMs: number): string =>
    `${(atMs - this.startedMs).toFixed(0)} ms after the broker was started again`

  private forget(tailOf: (name: string) => number): void {
    for (const [name, log] of this.logs) {
      const tail = tailOf(name)
      const lost = log.filter(({ seq }) => seq > tail)
      this.logs.set(
        name,
        log.filter(({ seq }) => seq <= tail),
      )
      if (lost.length === 0) continue
      this.healers.delete(name)
      const runner = this.runners.get(name)
      const claims = lost.filter(({ record }) => record.kind === 'claim')
      const release = lost.find(({ record }) => record.kind === 'release')?.record
      const isHanded = claims.length === 1 && release !== undefined && tail >= release.epoch
      if (
        isHanded &&
        runner !== undefined &&
        claims[0]!.record.token.startsWith(`${runner}-`) &&
        lost.every(({ record }) => record.kind !== 'checkpoint')
      )
        this.healers.set(name, runner)
    }
  }
}
