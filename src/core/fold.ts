/** Fold: a shard's state out of its log: the newest checkpoint, then every commit that it does not cover. */

import { assert } from '../base/assert.ts'
import type { ActorKey } from '../protocol/address.ts'
import type { StreamEntry } from '../protocol/actor-message.ts'
import type { CheckpointRecord, LogRecord, PartRef, RequestEntry, ShardState } from '../protocol/records.ts'
import type { StoredActor } from '../protocol/turn.ts'
import type { Logged } from './effects.ts'
import { createOutbox, entriesOf, replay, restoreStreams } from './outbox.ts'

export interface Folded {
  /** Each actor with the broker's time at which it was stored. */
  readonly actors: ReadonlyMap<ActorKey, { readonly stored: StoredActor; readonly timeMs: number }>
  readonly requests: readonly RequestEntry[]
  readonly outbox: readonly StreamEntry[]
  /** Of the records after the checkpoint, and of the checkpoint. */
  readonly logBytes: number
  readonly stateBytes: number
}

/** The newest checkpoint of a log, or undefined. */
export function lastCheckpoint(entries: readonly Logged<LogRecord>[]): Logged<CheckpointRecord> | undefined {
  return entries.findLast((entry): entry is Logged<CheckpointRecord> => entry.record.kind === 'checkpoint')
}

/** The parts that must be read before `fold`; none where the checkpoint holds its state itself. */
export function partsOf(entries: readonly Logged<LogRecord>[]): readonly PartRef[] {
  const content = lastCheckpoint(entries)?.record.content
  return isParts(content) ? content : []
}

/** `pieces`: the parts that `partsOf` named, in order. */
export function fold(entries: readonly Logged<LogRecord>[], pieces: readonly ShardState[]): Folded {
  const actors = new Map<ActorKey, { stored: StoredActor; timeMs: number }>()
  const requests = new Map<string, RequestEntry>()
  const keep = (entry: RequestEntry): void =>
    void requests.set(`${entry.actor.length}/${entry.actor}/${entry.request}`, entry)

  const outbox = createOutbox()

  const checkpoint = lastCheckpoint(entries)
  const content = checkpoint?.record.content
  const states = content === undefined ? [] : isParts(content) ? pieces : [content]
  for (const state of states) {
    const takenMs = checkpoint!.timeMs - checkpoint!.record.ageMs
    for (const [key, stored, ageMs] of state.actors) actors.set(key, { stored, timeMs: takenMs - ageMs })
    state.requests.forEach(keep)
    restoreStreams(outbox, state.outbox ?? [], 0)
  }

  let logBytes = 0
  const covers = checkpoint?.record.covers ?? 0
  for (const { seq, timeMs, bytes, record } of entries) {
    if (seq <= covers || record.kind !== 'commit') continue
    logBytes += bytes
    for (const [key, stored] of record.actors)
      if (stored === null) actors.delete(key)
      else actors.set(key, { stored, timeMs })
    record.requests.forEach(keep)
    replay(outbox, record)
  }
  const stateBytes = isParts(content) ? content.reduce((sum, part) => sum + part.bytes, 0) : (checkpoint?.bytes ?? 0)
  return { actors, requests: [...requests.values()], outbox: entriesOf(outbox), logBytes, stateBytes }
}

/** I5: each record names the sequence of its predecessor, as far as the predecessors are still there. */
export function checkChain(entries: readonly Logged<LogRecord>[]): void {
  for (let i = 1; i < entries.length; i++)
    assert(
      entries[i]!.record.prev === entries[i - 1]!.seq,
      `I5: the record at ${entries[i]!.seq} names its predecessor`,
    )
}

/** Who stands in the log as the owner after this record. */
export const ownerOf = ({
  seq,
  record,
}: Logged<LogRecord>): { readonly owner: string; readonly inc: number; readonly epoch: number } => ({
  owner: record.owner,
  inc: record.inc,
  epoch: record.kind === 'claim' ? seq : record.epoch,
})

const isParts = (content: ShardState | readonly PartRef[] | undefined): content is readonly PartRef[] =>
  Array.isArray(content)
