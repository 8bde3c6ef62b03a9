/** Checkpoint: keeps a shard's log from growing for ever, by saying everything at once when the log since the last
 *  checkpoint outweighs it.
 *
 *  A small one is one record that takes the place of all earlier ones; it repeats the standing claim, which goes with them. It is
 *  appended while no commit is in flight, like any other record. A large one goes into parts first, under names that carry
 *  its token so that nobody overwrites them (rule S5); commits go on meanwhile. Then a record points to the parts and says
 *  which sequence they cover, and only what they cover is purged: commits made during the upload survive it. */

import { limits } from '../base/limits.ts'
import type { StreamEntry } from '../protocol/actor-message.ts'
import type { CheckpointRecord, PartRef, RequestEntry, ShardState } from '../protocol/records.ts'
import { beginAppend } from './append.ts'
import { bytesOf, entriesOf } from './outbox.ts'
import { settledEntries } from './requests.ts'
import type { NodeState, Shard } from './state.ts'
import { makeToken, recordHead } from './tokens.ts'

/** The log outweighs what a checkpoint of it would be. */
export const isDue = ({ checkpoint }: Shard): boolean =>
  checkpoint.state.kind === 'idle' && checkpoint.logBytes > limits.checkpointLogBytesMin + checkpoint.stateBytes

/** Begins one. Only while nothing is in flight. */
export function startCheckpoint(node: NodeState, shard: Shard): void {
  const pieces = cut(committedState(node, shard))
  const only = pieces.length === 1 ? pieces[0]! : undefined
  const token = makeToken(node)
  if (only !== undefined) return appendInline(node, shard, token, only)
  shard.checkpoint.state = {
    kind: 'uploading',
    token,
    covers: shard.tailSeq,
    takenMs: node.nowMs,
    breaks: node.history.breaks,
  }
  shard.checkpoint.logBytes = 0
  node.out.push({ kind: 'write parts', shard: shard.name, token, pieces })
}

/** The parts are stored, or were given up: then the next attempt has a name of its own. */
export function onPartsWritten(shard: Shard, token: string, parts: readonly PartRef[] | 'failed'): void {
  const { state } = shard.checkpoint
  if (state.kind !== 'uploading' || state.token !== token) return
  if (parts === 'failed') {
    shard.checkpoint.state = { kind: 'idle' }
    return
  }
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0)
  shard.checkpoint.state = { ...state, kind: 'ready', parts, bytes }
}

/** Appends the record that points to the parts. Only while nothing is in flight. */
export function appendPointer(node: NodeState, shard: Shard): void {
  giveUpLostUpload(node, shard)
  const { state } = shard.checkpoint
  if (state.kind !== 'ready') return
  const record: CheckpointRecord = {
    ...recordHead(node, shard),
    token: state.token,
    kind: 'checkpoint',
    covers: state.covers,
    ageMs: node.nowMs - state.takenMs,
    content: state.parts,
  }
  beginAppend(node, shard, record)
}

export function onCheckpointAppended(node: NodeState, shard: Shard, record: CheckpointRecord): void {
  const { checkpoint } = shard
  const parts = isParts(record.content) ? record.content : []
  const hadParts = checkpoint.parts.length > 0
  if (checkpoint.state.kind === 'ready') checkpoint.stateBytes = checkpoint.state.bytes
  checkpoint.parts = parts
  checkpoint.state = { kind: 'idle' }
  if (parts.length === 0 && !hadParts) return
  const firstPart = parts.length === 0 ? shard.tailSeq : Math.min(...parts.map((part) => part.seq))
  node.out.push({ kind: 'purge', shard: shard.name, before: record.covers + 1, partsBefore: firstPart })
}

/** S5: parts that were written before the broker lost records may be among these, so no record may name them any more. Called once the
 *  tails were compared: a record that names them and waits to be sent again is in no log. */
export function giveUpLostUpload(node: NodeState, shard: Shard): void {
  const { append, checkpoint } = shard
  const { state } = checkpoint
  if (state.kind === 'idle' || state.breaks === node.history.breaks) return
  const pointer = append?.record.token === state.token ? append : undefined
  if (pointer !== undefined && pointer.state !== 'waiting') return
  if (pointer !== undefined) shard.append = undefined
  giveUpCheckpoint(shard)
}

/** It will be tried again when more log has come. */
export const giveUpCheckpoint = (shard: Shard): void => {
  shard.checkpoint.state = { kind: 'idle' }
}

function appendInline(node: NodeState, shard: Shard, token: string, content: ShardState): void {
  const record: CheckpointRecord = {
    ...recordHead(node, shard),
    token,
    kind: 'checkpoint',
    covers: shard.tailSeq,
    ageMs: 0,
    content,
  }
  shard.checkpoint.logBytes = 0
  shard.checkpoint.stateBytes = sizeOf(content)
  beginAppend(node, shard, record, true)
}

/** Everything that is committed, as it is in memory: values that no later turn changes. An actor whose end is not committed is
 *  still there, and so is the life that another has begun over. */
export const committedState = (node: NodeState, shard: Shard): ShardState => ({
  actors: [...shard.actors, ...shard.batch.stopped].flatMap(([key, entry]) => {
    const { committed, committedAtMs } = entry.before ?? entry
    return committed === undefined ? [] : [[key, committed, node.nowMs - committedAtMs] as const]
  }),
  requests: [...settledEntries(shard.requests, false)],
  ...outboxOf(shard),
})

/** All that was sent in commits and is not settled. */
export function outboxOf({ outbox }: Shard): Pick<ShardState, 'outbox'> {
  const entries = entriesOf(outbox)
  return entries.length === 0 ? {} : { outbox: entries }
}

/** Pieces of at most `limits.chunkBytes`, or one that fits a record. */
export function cut(state: ShardState): readonly ShardState[] {
  if (sizeOf(state) <= limits.checkpointInlineBytesMax) return [state]
  const pieces: ShardState[] = []
  let actors: ShardState['actors'][number][] = []
  let requests: RequestEntry[] = []
  let outbox: StreamEntry[] = []
  let bytes = 0
  const finish = (): void => void pieces.push({ actors, requests, ...(outbox.length > 0 && { outbox }) })
  const add = (more: number): void => {
    if (bytes + more > limits.chunkBytes && bytes > 0) {
      finish()
      actors = []
      requests = []
      outbox = []
      bytes = 0
    }
    bytes += more
  }
  for (const item of state.actors) {
    add(actorBytes(item))
    actors.push(item)
  }
  for (const entry of state.requests) {
    add(requestBytes(entry))
    requests.push(entry)
  }
  for (const stream of state.outbox ?? []) {
    add(streamBytes(stream))
    outbox.push(stream)
  }
  finish()
  return pieces
}

const sizeOf = (state: ShardState): number =>
  state.actors.reduce((sum, item) => sum + actorBytes(item), 0) +
  state.requests.reduce((sum, entry) => sum + requestBytes(entry), 0) +
  (state.outbox ?? []).reduce((sum, stream) => sum + streamBytes(stream), 0)

const actorBytes = ([key, stored, , seed]: ShardState['actors'][number]): number =>
  2 * key.length + stored.state.length + (seed?.state.length ?? 0) + 80

const requestBytes = (entry: RequestEntry): number =>
  entry.actor.length + entry.request.length + 60 + (typeof entry.answer === 'string' ? 4 : entry.answer.length)

const streamBytes = ({ source, target, messages }: StreamEntry): number =>
  messages.reduce((sum, message) => sum + bytesOf(message), 80 + 2 * (source.length + target.length))

const isParts = (content: ShardState | readonly PartRef[]): content is readonly PartRef[] => Array.isArray(content)
