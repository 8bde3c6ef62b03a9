/** Records (I4, I5): the chain of each log is whole, numbers of views and incarnations only grow, and who was declared over
 *  stays over. */

import type { Row } from '../../../src/protocol/records.ts'
import type { Checker, Observation, Witness } from '../witness.ts'

/** Of so many records the tokens are known: more than a simulation sees, and all that a long soak has room for. */
const tokensMax = 1_000_000

export class Records implements Checker {
  private readonly tails = new Map<string, number>()
  private readonly rows = new Map<string, Row>()
  /** Logs with their owners, where these have written a checkpoint since they claimed. */
  private readonly checkpoints = new Set<string>()
  private view = 0
  private forgot = false
  private readonly tokens = new Set<string>()
  private history: Pick<Extract<Observation, { kind: 'stored' }>, 'name' | 'seq' | 'record'>[] = []
  private readonly witness: Witness
  private readonly mayForget: boolean

  /** `mayForget`: the broker, so that what it stored is kept here for comparison. */
  constructor(witness: Witness, mayForget = true) {
    this.witness = witness
    this.mayForget = mayForget
  }

  /** What this log held up to `seq` was removed before anybody saw it. */
  skip(name: string, seq: number): void {
    this.tails.set(name, seq)
  }

  /** And so were the views up to this one. */
  skipViews(number: number): void {
    this.view = number
  }

  saw(seen: Observation): void {
    if (seen.kind === 'forgotten') return this.forget(seen.tailOf)
    if (seen.kind === 'heard') return this.hear(seen)
    if (seen.kind !== 'stored') return
    const { name, seq, record } = seen
    if (this.tokens.has(record.token))
      this.witness.violation(`S2: the record ${record.token} was stored twice, again at ${seq} of ${name}`)
    this.tokens.add(record.token)
    if (this.tokens.size > tokensMax) this.tokens.delete(this.tokens.values().next().value!)
    if (this.mayForget) this.history.push({ name, seq, record })
    if (record.kind === 'row') return this.judgeRow(record)
    if (record.kind === 'charter') return
    if (record.kind === 'view') {
      // The next one to those that a broker forgot may be known.
      if (this.forgot ? record.number <= this.view : record.number !== this.view + 1)
        this.witness.violation(`I4: view ${record.number} follows view ${this.view}`)
      this.view = record.number
      return
    }
    const tail = this.tails.get(name) ?? 0
    if (record.prev !== tail)
      this.witness.violation(
        `I5: ${record.kind} at ${seq} of ${name} names ${record.prev} as its predecessor, which is ${tail}`,
      )
    this.tails.set(name, seq)
    if (record.kind === 'claim') this.checkpoints.delete(`${name} of ${record.owner}`)
    if (record.kind === 'checkpoint') this.checkpoints.add(`${name} of ${record.owner}`)
  }

  private hear({ life, event }: Extract<Observation, { kind: 'heard' }>): void {
    if (event.kind === 'healed' && !this.checkpoints.has(`shard.${event.shard} of ${life.node}`))
      this.witness.violation(`R3: ${life.node} calls ${event.shard} healed, and nothing but its claim is in the log`)
    if (event.kind !== 'fenced' || this.forgot) return
    const row = this.rows.get(life.node)
    if (row?.boot === life.boot && (row.state === 'up' || row.state === 'leaving'))
      this.witness.violation(
        `N2: ${life.node} gives its life up (${event.reason}), and its row shows it as ${row.state}`,
      )
  }

  /** The chains go on from what is left. */
  private forget(tailOf: (name: string) => number): void {
    this.forgot = true
    const left = this.history.filter(({ name, seq }) => seq <= tailOf(name))
    this.history = []
    this.tails.clear()
    this.rows.clear()
    this.tokens.clear()
    this.view = 0
    for (const { name, seq, record } of left) {
      this.history.push({ name, seq, record })
      this.tokens.add(record.token)
      if (record.kind === 'row') this.rows.set(record.profile.id, record)
      else if (record.kind === 'view') this.view = record.number
      else if (record.kind !== 'charter') this.tails.set(name, seq)
    }
  }

  private judgeRow(row: Row): void {
    const { id } = row.profile
    const before = this.rows.get(id)
    this.rows.set(id, row)
    if (before === undefined) return
    const over = before.state === 'dead' || before.state === 'left'
    if (
      row.inc < before.inc ||
      (row.inc === before.inc && over) ||
      (row.inc === before.inc && row.boot !== before.boot)
    )
      this.witness.violation(`I4: the row of ${id} goes from ${before.inc} ${before.state} to ${row.inc} ${row.state}`)
  }
}
