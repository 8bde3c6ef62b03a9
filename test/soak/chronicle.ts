/** Chronicle: what the store itself says of a run: every record of the control log and of the shards' logs, in the order in which the
 *  broker stored them, judged by the checkers of the simulator (S1, S2, I4, I5) and by those here that ask what a commit holds.
 *
 *  The two streams have no order between them but the broker's clock. So a record waits until the other stream has come as far; what
 *  was declared in the same millisecond was declared before it was acted on. Of what was removed before it came nothing is
 *  judged: the log in question goes on from the next record. A beat that another one replaced is no loss. */

import { decodeRecord, type ControlRecord, type LogRecord } from '../../src/protocol/records.ts'
import type { LogEntry } from '../../src/log/port.ts'
import { Owners } from '../sim/checkers/owners.ts'
import { Records } from '../sim/checkers/records.ts'
import { Witness } from '../sim/witness.ts'
import { monotonicMs } from './clock.ts'
import { Commits } from './commits.ts'
import type { Lives } from './lives.ts'
import { Requests } from './requests.ts'

export type StreamName = 'control' | 'log'

export class Chronicle {
  readonly wrong: string[] = []
  readonly counts = { records: 0, unseen: 0 }
  readonly requests = new Requests()
  /** Of actors whose actions are told to the outside. */
  readonly commits = new Commits('journal')
  private readonly waiting: Readonly<Record<StreamName, LogEntry[]>> = { control: [], log: [] }
  private readonly lastSeqs: Record<StreamName, number> = { control: 0, log: 0 }
  private readonly tails = new Map<string, number>()
  /** Sequences of the shards' logs that were removed before they came, both ends included. */
  private readonly unseen: { readonly from: number; readonly to: number }[] = []
  private view = 0
  /** Something of the control log was removed before it came, since the last view: a beat, as a rule. */
  private viewMayLack = false
  private readonly witness: Witness
  private readonly records: Records
  private readonly owners: Owners
  private readonly lives: Lives
  private atMs = 0

  constructor(shards: number, lives: Lives) {
    this.lives = lives
    this.witness = new Witness(() => this.atMs)
    this.records = new Records(this.witness, false)
    this.owners = new Owners(this.witness, shards, false, false)
  }

  take(stream: StreamName, entry: LogEntry): void {
    this.waiting[stream].push(entry)
    const { control, log } = this.waiting
    while (control.length > 0 && log.length > 0) this.judgeNext()
  }

  /** Nothing more comes. */
  finish(): void {
    const { control, log } = this.waiting
    while (control.length + log.length > 0) this.judgeNext()
  }

  private judgeNext(): void {
    const { control, log } = this.waiting
    const stream = log[0] === undefined || (control[0]?.timeMs ?? Infinity) <= log[0].timeMs ? 'control' : 'log'
    const entry = this.waiting[stream].shift()!
    // The broker's clock is this machine's.
    this.atMs = entry.timeMs + monotonicMs() - Date.now()
    this.judgeSequence(stream, entry)
    const isPart = stream === 'log' && !entry.name.startsWith('shard.')
    const record = isPart ? undefined : this.decoded(stream, entry)
    if (record !== undefined) this.judge(entry, record)
    this.wrong.push(...this.witness.violations.splice(0), ...this.requests.wrong.splice(0))
  }

  private judgeSequence(stream: StreamName, { seq, name }: LogEntry): void {
    const lastSeq = this.lastSeqs[stream]
    this.lastSeqs[stream] = seq
    if (seq <= lastSeq)
      this.wrong.push(`R1: the store gives ${seq} to a record of ${name}, and ${lastSeq} was there before`)
    if (seq <= lastSeq + 1) return
    if (stream === 'control') {
      this.viewMayLack = true
      return
    }
    this.unseen.push({ from: lastSeq + 1, to: seq - 1 })
    this.counts.unseen += seq - 1 - lastSeq
  }

  private decoded(stream: StreamName, { name, seq, bytes }: LogEntry): LogRecord | ControlRecord | undefined {
    try {
      return decodeRecord(bytes)
    } catch (thrown) {
      this.wrong.push(`I5: what lies at ${seq} of ${name} in the ${stream} stream is no record: ${String(thrown)}`)
      return undefined
    }
  }

  private judge({ name, seq }: LogEntry, record: LogRecord | ControlRecord): void {
    this.counts.records++
    if ('prev' in record) {
      if (record.prev !== (this.tails.get(name) ?? 0) && this.isUnseen(record.prev)) {
        this.records.skip(name, record.prev)
        this.owners.skip(name, record)
        this.commits.skip(shardOf(name), seq)
      }
      this.tails.set(name, seq)
    }
    if (record.kind === 'view') {
      if (this.viewMayLack && record.number > this.view + 1) this.records.skipViews(record.number - 1)
      this.view = record.number
      this.viewMayLack = false
    }
    this.records.saw({ kind: 'stored', name, seq, record })
    this.owners.saw({ kind: 'stored', name, seq, record })
    if (record.kind === 'row') this.lives.noteIncarnation(record.profile.id, record.inc, this.atMs)
    if ('prev' in record) this.commits.take(shardOf(name), record, seq, this.atMs)
    if (record.kind === 'commit') this.requests.take(record, seq, this.atMs)
  }

  private isUnseen(seq: number): boolean {
    return this.unseen.some(({ from, to }) => from <= seq && seq <= to)
  }
}

const shardOf = (name: string): string => name.slice('shard.'.length)
