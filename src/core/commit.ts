/** Commit: how turns become durable. Turns gather in a batch while one append is in flight; when it is acknowledged the
 *  batch is collected from the host, appended as one record, and only its acknowledgement lets answers and effects out
 *  (rule S3). So one slow append makes the next one larger instead of making more of them. */

import { type Refusal, refuse } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import type { ActorKey } from '../protocol/address.ts'
import type { CommitRecord } from '../protocol/records.ts'
import { encode } from '../protocol/codec.ts'
import type { Delivered } from '../protocol/results.ts'
import type { StoredActor } from '../protocol/turn.ts'
import { answer, refuseWaiter, sendOn } from './answers.ts'
import { beginAppend } from './append.ts'
import { armDue, dueOf } from './due.ts'
import type { Collected } from './effects.ts'
import {
  bytesOf,
  forgetSettled,
  numbered,
  type Post,
  post,
  putOff,
  settledOf,
  settle as settleMessage,
} from './outbox.ts'
import { dropRequest, entryOf, remember } from './requests.ts'
import type { After, Batch, Entry, NodeState, Request, Shard } from './state.ts'
import { messageOf } from './streams.ts'
import { makeToken, recordHead } from './tokens.ts'

export const createBatch = (): Batch => ({
  turns: 0,
  bytes: 0,
  changed: new Set(),
  stopped: new Map(),
  requests: [],
  posts: [],
  after: [],
})

/** A batch takes no more turns: requests and answers must fit into one record with the states of their actors. */
export const isFull = (node: NodeState, batch: Batch): boolean =>
  batch.turns >= limits.turnsPerCommitMax || batch.bytes > node.config.recordBytesMax / 4

const isEmpty = (batch: Batch): boolean =>
  batch.changed.size === 0 && batch.stopped.size === 0 && batch.requests.length === 0 && batch.posts.length === 0

/** Nobody waits for what it has to commit, and the store had no room just now. */
export const commitRests = ({ nowMs }: NodeState, { batch, restsUntilMs }: Shard): boolean =>
  nowMs < restsUntilMs && batch.changed.size === 0 && batch.stopped.size === 0 && batch.requests.length === 0

/** Its commit has begun, and the host's actors are not there yet. */
export const isCollecting = (shard: Shard): boolean => shard.inFlight !== undefined && shard.append === undefined

export const hasUncommitted = (shard: Shard): boolean => shard.inFlight !== undefined || !isEmpty(shard.batch)

/** Something waits to be appended: the loop is asked to come back when this turn of the event loop is over, so that all it
 *  brings goes into one record. */
export function markDirty(node: NodeState, shard: Shard): void {
  node.work.dirty.add(shard.name)
  if (node.work.flushing) return
  node.work.flushing = true
  node.out.push({ kind: 'flush later' })
}

/** Begins the commit of a batch; 'idle' when there is none, or the shard must wait for its append in flight. */
export function beginCommit(node: NodeState, shard: Shard): 'begun' | 'idle' {
  if (shard.append !== undefined || shard.inFlight !== undefined || isEmpty(shard.batch)) return 'idle'
  shard.inFlight = shard.batch
  shard.batch = createBatch()
  const actors: ActorKey[] = []
  const seeds: ActorKey[] = []
  for (const actor of shard.inFlight.changed) {
    const entry = shard.actors.get(actor)!
    if (entry.durability === 'volatile' && entry.status === 'active') {
      if (entry.committed === undefined) seeds.push(actor)
    } else if (entry.awake) actors.push(actor)
  }
  node.out.push({ kind: 'collect', shard: shard.name, purpose: 'commit', atMs: node.nowMs, actors, seeds })
  return 'begun'
}

/** The host's actors as they are, for the batch that `beginCommit` set in flight. */
export function appendCommit(node: NodeState, shard: Shard, collected: readonly Collected[], atMs: number): void {
  const batch = shard.inFlight!
  node.work.ready.add(shard.name)
  for (const [actor, stored] of collected)
    if (keepStored(shard, actor, stored, atMs) === 'refused') takeBack(node, shard, batch, actor, stored as Refusal)
  refuseTooLarge(node, shard, batch)
  postponeWhatDoesNotFit(node, shard, batch)
  postponePosts(node, shard, batch)
  if (isEmpty(batch)) {
    shard.inFlight = undefined
    commitLocally(node, shard, batch)
    return
  }
  for (const actor of batch.changed) {
    const entry = shard.actors.get(actor)!
    entry.sent = { stored: loggedForm(entry), atMs: entry.storedAtMs }
  }
  const sent = numbered(shard.outbox, batch.posts, () => makeToken(node))
  const settled = [...settledOf(shard.outbox), ...batch.after.flatMap(overOf)]
  const record: CommitRecord = {
    ...recordHead(node, shard),
    kind: 'commit',
    actors: [
      ...[...batch.stopped.keys()].filter((actor) => !batch.changed.has(actor)).map((actor) => [actor, null] as const),
      ...[...batch.changed].map((actor) => [actor, shard.actors.get(actor)!.sent!.stored] as const),
    ],
    requests: batch.requests.map((item) => entryOf(item.request, item.answer)),
    ...(sent.length > 0 && { sent }),
    ...(settled.length > 0 && { settled }),
  }
  shard.checkpoint.logBytes += sizeOf(record)
  beginAppend(node, shard, record)
}

/** The record of the batch in flight is in the log: what waited for it happens now, in order. */
export function onCommitted(node: NodeState, shard: Shard, { sent = [], settled = [] }: CommitRecord): void {
  const batch = shard.inFlight!
  post(shard.outbox, sent, node.nowMs)
  shard.inFlight = undefined
  for (const actor of batch.changed) {
    const entry = shard.actors.get(actor)
    if (entry?.sent === undefined) continue
    // What the record says, not what the host gave since: that is of later turns.
    entry.committed = entry.sent.stored
    entry.committedAtMs = entry.sent.atMs
    entry.sent = undefined
    entry.before = undefined
  }
  commitLocally(node, shard, batch)
  forgetSettled(shard.outbox, settled)
}

const overOf = (after: After): readonly (readonly [string, number])[] =>
  after.kind === 'message over' ? [[after.stream, after.number]] : []

function commitLocally(node: NodeState, shard: Shard, batch: Batch): void {
  for (const actor of batch.changed) {
    const entry = shard.actors.get(actor)
    if (entry?.changedIn === batch) entry.changedIn = undefined
  }
  for (const after of batch.after) happen(node, shard, after)
  if (!hasUncommitted(shard)) shard.waitsForCommit = false
  node.work.ready.add(shard.name)
}

/** The append in flight is void, although its turns are not: they go into the next commit. */
export function gatherAgain(shard: Shard): void {
  const { inFlight, batch } = shard
  if (inFlight === undefined) return
  shard.inFlight = undefined
  shard.append = undefined
  for (const actor of batch.changed) inFlight.changed.add(actor)
  for (const [actor, entry] of batch.stopped) {
    inFlight.changed.delete(actor)
    inFlight.stopped.set(actor, entry)
  }
  inFlight.requests.push(...batch.requests)
  inFlight.posts.push(...batch.posts)
  inFlight.after.push(...batch.after)
  inFlight.turns += batch.turns
  inFlight.bytes += batch.bytes
  shard.batch = inFlight
  for (const actor of inFlight.changed) {
    const entry = shard.actors.get(actor)
    if (entry === undefined) continue
    entry.changedIn = inFlight
    entry.sent = undefined
  }
}

/** The record was certainly not stored. Everything that is not committed is undone and its senders are told. */
export function undoAll(node: NodeState, shard: Shard, why: Refusal): void {
  const batches = [shard.inFlight, shard.batch].filter((batch) => batch !== undefined)
  for (const entry of shard.actors.values()) entry.sent = undefined
  shard.inFlight = undefined
  shard.batch = createBatch()
  shard.waitsForCommit = false
  for (const batch of batches.toReversed()) {
    for (const [actor, entry] of batch.stopped) if (entry.committed !== undefined) shard.actors.set(actor, entry)
    for (const actor of new Set([...batch.stopped.keys(), ...batch.changed])) undoActor(node, shard, actor, batch)
    for (const after of batch.after) refuseAfter(node, shard, after, why)
    // A volatile actor's turn is not undone, so what it sent is not either.
    putInFront(
      shard.batch,
      batch.posts.filter(({ source }) => !batch.changed.has(source) && !batch.stopped.has(source)),
    )
  }
  node.work.ready.add(shard.name)
}

/** Takes an actor back to what is committed, or in flight. */
function undoActor(node: NodeState, shard: Shard, actor: ActorKey, batch: Batch): void {
  node.out.push({ kind: 'undo', actor, turn: firstPerformed(batch, actor) ?? shard.turns + 1 })
  const entry = shard.actors.get(actor)
  if (entry === undefined) return
  const last = entry.sent ?? (entry.committed && { stored: entry.committed, atMs: entry.committedAtMs })
  if (last === undefined) {
    if (entry.before === undefined) shard.actors.delete(actor)
    else shard.actors.set(actor, entry.before)
    return
  }
  entry.changedIn = entry.sent && shard.inFlight
  entry.awake = false
  entry.dozing = false
  entry.stored = last.stored
  entry.storedAtMs = last.atMs
  entry.status = last.stored.status
  entry.live = last.stored.live
  armDue(node, shard, actor, entry, dueOf(entry.stored, entry.storedAtMs))
  if (entry.live) shard.wakes.add(actor)
}

/** The first turn of the actor in the batch that has effects. Earlier ones may be committed and not performed yet, although the batch
 *  began before them: what a split leaves for the next commit is of the same turns. */
function firstPerformed({ after }: Batch, actor: ActorKey): number | undefined {
  for (const item of after) if (item.kind === 'perform' && item.actor === actor) return item.turn
  return undefined
}

/** S4: an actor that outgrows a record is taken back. Which one of several events made it so large shows when they come again, one in
 *  a commit: until then nobody is blamed. */
function refuseTooLarge(node: NodeState, shard: Shard, batch: Batch): void {
  const bytesMax = actorBytesMax(node)
  for (const actor of batch.changed) {
    const bytes = shard.actors.get(actor)!.stored!.state.length
    if (bytes <= bytesMax) continue
    const tooLarge = `the state of ${actor} would have ${bytes} bytes and may have ${bytesMax}`
    const isAlone = batch.requests.filter(({ request }) => request.actor === actor).length <= 1
    if (!isAlone) shard.singlyUntilMs = node.nowMs + limits.singlyMs
    const why = isAlone
      ? refuse('TOO_LARGE', `${tooLarge}; the event was undone`)
      : refuse('UNAVAILABLE', `${tooLarge}; this event was undone together with the one that made it so; send it again`)
    takeBack(node, shard, batch, actor, why)
  }
}

/** One actor's part of a batch is undone, and its senders are told; the others go on. */
export function takeBack(node: NodeState, shard: Shard, batch: Batch, actor: ActorKey, why: Refusal): void {
  const own = splitOff(batch, (other) => other === actor)
  undoActor(node, shard, actor, own)
  for (const after of own.after) refuseAfter(node, shard, after, why)
  if (!hasUncommitted(shard)) shard.waitsForCommit = false
}

/** S4: a commit larger than the broker's limit is split by actor. What does not fit goes into the next one. */
function postponeWhatDoesNotFit(node: NodeState, shard: Shard, batch: Batch): void {
  let bytes = 0
  const kept = new Set<ActorKey>()
  for (const actor of batch.changed) {
    bytes += shard.actors.get(actor)!.stored!.state.length + 2 * actor.length + 64
    if (bytes > actorBytesMax(node) && kept.size > 0) break
    kept.add(actor)
  }
  if (kept.size === batch.changed.size) return
  // Chosen beforehand: an actor's answers and request ids go with its state, never before it.
  const postponed = new Set([...batch.changed].filter((actor) => !kept.has(actor)))
  const rest = splitOff(batch, (actor) => postponed.has(actor))
  shard.batch = { ...rest, turns: batch.turns, bytes: batch.bytes }
  for (const actor of rest.changed) shard.actors.get(actor)!.changedIn = shard.batch
  markDirty(node, shard)
}

/** What volatile actors have sent is bound to no state. While a store is full it gathers, and then goes into as many commits as it
 *  needs. */
function postponePosts(node: NodeState, shard: Shard, batch: Batch): void {
  const bytesMax = node.config.recordBytesMax / 4
  let bytes = 0
  const kept: Post[] = []
  const rest: Post[] = []
  for (const each of batch.posts) {
    const isBound = batch.changed.has(each.source) || batch.stopped.has(each.source)
    // In order: once one has to wait, those after it do.
    const waits = !isBound && (rest.length > 0 || (bytes + bytesOf(each) > bytesMax && kept.length > 0))
    if (!waits) bytes += bytesOf(each)
    ;(waits ? rest : kept).push(each)
  }
  if (rest.length === 0) return
  batch.posts.splice(0, batch.posts.length, ...kept)
  putInFront(shard.batch, rest)
  markDirty(node, shard)
}

function putInFront(batch: Batch, posts: readonly Post[]): void {
  batch.posts.unshift(...posts)
  for (const each of posts) batch.bytes += bytesOf(each)
}

const actorBytesMax = (node: NodeState): number => Math.floor(node.config.recordBytesMax * 0.6)

/** Moves all that concerns the chosen actors out of `batch`. */
function splitOff(batch: Batch, chosen: (actor: ActorKey) => boolean): Batch {
  const part = createBatch()
  for (const actor of batch.changed) if (chosen(actor)) part.changed.add(actor)
  for (const actor of part.changed) batch.changed.delete(actor)
  for (const [actor, entry] of batch.stopped) if (chosen(actor)) part.stopped.set(actor, entry)
  for (const actor of part.stopped.keys()) batch.stopped.delete(actor)
  move(batch.requests, part.requests, (item) => chosen(item.request.actor))
  move(batch.posts, part.posts, ({ source }) => chosen(source))
  move(batch.after, part.after, (item) => chosen(item.actor))
  return part
}

function move<T>(from: T[], to: T[], chosen: (item: T) => boolean): void {
  const stay: T[] = []
  for (const item of from) (chosen(item) ? to : stay).push(item)
  from.length = 0
  from.push(...stay)
}

/** Notes an actor as the host gave it, as it was at `atMs`. 'refused': it holds what cannot be stored. */
export function keepStored(
  shard: Shard,
  actor: ActorKey,
  stored: StoredActor | Refusal,
  atMs: number,
): 'kept' | 'refused' {
  if ('code' in stored) return 'refused'
  const entry = shard.actors.get(actor)
  if (entry === undefined) return 'kept'
  entry.stored = stored
  entry.storedAtMs = atMs
  return 'kept'
}

/** Of a volatile actor the log holds what its life began with, and how it stands; of a finished one its end. */
function loggedForm(entry: Entry): StoredActor {
  if (entry.durability === 'durable' || entry.committed === undefined || entry.status !== 'active') return entry.stored!
  return { ...entry.committed, status: entry.status, live: entry.live }
}

/** What waited for a commit, or need not wait. */
export function happen(node: NodeState, shard: Shard, after: After): void {
  switch (after.kind) {
    case 'answer':
      return answer(node, after.waiter, after.body)
    case 'settle':
      return settle(node, shard, after.request, after.body, after.remembered)
    case 'keep open':
      if (after.request.state.kind === 'pending')
        after.request.state = { kind: 'open', waiters: after.request.state.waiters }
      remember(shard.requests, after.request, node.nowMs)
      return
    case 'message over':
      return settleMessage(shard.outbox, after.stream, after.number, node.nowMs)
    case 'perform':
    case 'forget':
      shard.performs.push(after)
  }
}

function refuseAfter(node: NodeState, shard: Shard, after: After, why: Refusal): void {
  // Who was shown what is undone, or is told once more what a request led to, did nothing wrong and asks again.
  if (after.kind === 'answer') return sendOn(node, after.waiter)
  if (after.kind === 'message over') return putOffMessage(node, shard, after.stream, after.number)
  if (after.kind === 'settle' || after.kind === 'keep open') refuseRequest(node, shard, after.request, why)
}

/** Its source has not heard of it after all: it is sent, and refused, once more. */
function putOffMessage({ nowMs }: NodeState, { outbox }: Shard, id: string, number: number): void {
  const stream = outbox.streams.get(id)
  if (stream === undefined) return
  stream.refused.delete(number)
  putOff(stream, stream.attempt, nowMs)
}

/** Answers everybody who asked, and remembers the answer for those who will ask again. */
export function settle(
  node: NodeState,
  shard: Shard,
  request: Request,
  body: Uint8Array,
  remembered: Uint8Array | 'view' | 'unhandled',
): void {
  if (request.state.kind !== 'answered') for (const waiter of request.state.waiters) answer(node, waiter, body)
  request.state = { kind: 'answered', answer: remembered }
  remember(shard.requests, request, node.nowMs)
}

export function refuseRequest(node: NodeState, shard: Shard, request: Request, why: Refusal): void {
  // It was opened by an earlier commit: only its answer is undone, and it stays open.
  if (request.state.kind === 'open') return
  if (messageOf(request.request) !== undefined && !why.retryable) return refuseForGood(node, shard, request, why)
  if (request.state.kind === 'pending')
    for (const waiter of request.state.waiters) refuseWaiter(node, shard, waiter, why)
  dropRequest(shard.requests, request)
}

/** M3: no other sending of the message may run any more, so that it was refused is committed like its processing. */
export function refuseForGood(node: NodeState, shard: Shard, request: Request, why: Refusal): void {
  const body = encode({ refused: why } satisfies Delivered)
  concludeRequest(node, shard, request, body)
}

/** A request that takes no turn has a place in the commit all the same. */
export function concludeRequest(node: NodeState, shard: Shard, request: Request, body: Uint8Array): void {
  const { batch } = shard
  batch.turns++
  batch.bytes += weightOfRequest(request) + body.length
  batch.requests.push({ request, answer: body })
  batch.after.push({ kind: 'settle', actor: request.actor, request, body, remembered: body })
  markDirty(node, shard)
}

/** Names travel twice, in UTF-8. */
export const weightOfRequest = ({ actor, request }: Request): number => 100 + 4 * actor.length + 3 * request.length

/** About what a commit weighs in the log: the measure for checkpoints. */
function sizeOf(record: CommitRecord): number {
  let bytes = 200
  for (const [actor, stored] of record.actors) bytes += actor.length + 60 + (stored?.state.length ?? 0)
  for (const { request, answer: remembered } of record.requests)
    bytes += request.length + 40 + (typeof remembered === 'string' ? 4 : remembered.length)
  for (const message of record.sent ?? []) bytes += bytesOf(message)
  return bytes
}
