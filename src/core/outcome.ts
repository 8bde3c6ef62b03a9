/** Outcome: from the result of a turn to what must be committed and what follows from it. What a turn changed joins the batch; its
 *  answer and its effects wait there. What changes nothing is answered at once, unless the actor has changes that are not
 *  committed: then the answer waits for those (rule S3). */

import type { Refusal } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import { type ActorKey, addressOf } from '../protocol/address.ts'
import { decode, encode } from '../protocol/codec.ts'
import type { Asked, Spawned, Told } from '../protocol/results.ts'
import type { Turn, TurnResult } from '../protocol/turn.ts'
import { refuseWaiter } from './answers.ts'
import { happen, markDirty, refuseRequest, weightOfRequest } from './commit.ts'
import { armDue } from './due.ts'
import type { Delivery } from './mailbox.ts'
import { bytesOf, type Post, settle } from './outbox.ts'
import { findRequest } from './requests.ts'
import type { After, Batch, Entry, NodeState, Opened, Request, Shard, Waiter } from './state.ts'
import { askerOf } from './streams.ts'

/** What became of a turn. */
export function onTurned(node: NodeState, shard: Shard, turn: Turn, result: TurnResult): void {
  const { opened, hearing } = shard
  shard.opened = undefined
  shard.hearing = undefined
  const entry = shard.actors.get(turn.actor)
  if (entry === undefined) return
  armDue(node, shard, turn.actor, entry, result.dueAtMs)
  // It is told once, whatever the machine makes of it.
  if (hearing !== undefined && result.outcome.kind === 'failed')
    settle(shard.outbox, hearing.stream, hearing.number, node.nowMs)
  if (result.outcome.kind === 'failed') return onFailed(node, shard, turn, result.outcome.why, opened)

  entry.awake = true
  entry.live = result.live
  const durable = entry.durability === 'durable'
  const posts = postsOf(turn, result, opened)
  const lasting = posts.length > 0 || result.changed || result.effects || result.kept || result.answers.length > 0
  const statusChanged = entry.status !== result.status
  entry.status = result.status
  if (turn.cause.kind === 'start' || statusChanged || (durable && lasting))
    joinBatch(node, shard, turn.actor, entry, weightOf(result, opened))

  if (posts.length > 0) joinPosts(node, shard, posts)
  // M3: in the commit of this very turn, if there is one.
  if (hearing !== undefined) {
    const { stream, number } = hearing
    follow(node, shard, entry.changedIn, { kind: 'message over', actor: turn.actor, stream, number })
  }

  // Answers of an actor with uncommitted changes wait for their commit; all others need not.
  for (const item of whatFollows(node, shard, turn, result, opened, durable && lasting))
    follow(node, shard, entry.changedIn, item)
}

/** The turn changed what the log must know. */
function joinBatch(node: NodeState, shard: Shard, actor: ActorKey, entry: Entry, bytes: number): void {
  const { batch } = shard
  batch.turns++
  batch.bytes += bytes
  entry.changedIn = batch
  batch.changed.add(actor)
  if (node.nowMs < shard.singlyUntilMs) shard.waitsForCommit = true
  markDirty(node, shard)
}

/** What the machine wants to be sent, and its replies to other actors, which are messages too. */
function postsOf(turn: Turn, result: TurnResult, opened: Opened | undefined): readonly Post[] {
  const { actor: source } = turn
  const posts: Post[] = (result.posts ?? []).map((wanted) => ({ ...wanted, source }))
  const { message } = opened?.delivery ?? {}
  if (message?.onReply !== undefined && opened?.delivery.op === 'ask' && !result.kept && result.answer !== undefined)
    posts.push(replyPost(source, { source: message.source, onReply: message.onReply }, result.answer))
  for (const { request, answer } of result.answers) {
    const asker = askerOf(request)
    if (asker !== undefined) posts.push(replyPost(source, asker, answer))
  }
  return posts
}

/** `answer`: as a caller would get it. */
function replyPost(source: ActorKey, asker: NonNullable<ReturnType<typeof askerOf>>, answer: Uint8Array): Post {
  const { reply } = decode(answer) as Asked
  const event = { type: asker.onReply, output: reply, from: addressOf(source) }
  return { source, target: asker.source, op: 'tell', body: encode(event) }
}

/** Volatile actors have no other part in the commit. */
function joinPosts(node: NodeState, shard: Shard, posts: readonly Post[]): void {
  const { batch } = shard
  batch.posts.push(...posts)
  for (const post of posts) batch.bytes += bytesOf(post)
  batch.turns++
  markDirty(node, shard)
}

/** About what a turn's requests and answers add to the record, not counting the state of its actor. */
function weightOf(result: TurnResult, opened: Opened | undefined): number {
  let bytes = opened?.request === undefined ? 0 : weightOfRequest(opened.request)
  for (const { length } of [result.answer ?? told, ...result.answers.map((late) => late.answer)])
    bytes += 100 + Math.min(length, limits.replyKeptBytesMax)
  return bytes
}

/** What the turn leads to, in order: answers first, then effects. */
function whatFollows(
  node: NodeState,
  shard: Shard,
  turn: Turn,
  result: TurnResult,
  opened: Opened | undefined,
  logged: boolean,
): readonly After[] {
  const { actor } = turn
  const after: After[] = []
  const handled = result.outcome.kind === 'ran' && result.outcome.handled
  const settleWith = (request: Request, body: Uint8Array, isView: boolean): void => {
    const remembered =
      isView && !handled ? 'unhandled' : body.length > limits.replyKeptBytesMax || isView ? 'view' : body
    if (logged) shard.batch.requests.push({ request, answer: remembered })
    after.push({ kind: 'settle', actor, request, body, remembered })
  }
  const { request, delivery } = opened ?? {}
  if (turn.cause.kind === 'start') {
    const body = encode(spawned(node, shard, delivery!, true))
    shard.batch.requests.push({ request: request!, answer: body })
    after.push({ kind: 'settle', actor, request: request!, body, remembered: body })
  } else if (request === undefined) {
    if (delivery !== undefined && result.answer !== undefined)
      after.push({ kind: 'answer', actor, waiter: waiterOf(delivery), body: result.answer })
  } else if (delivery!.op === 'tell' || delivery!.message !== undefined) {
    // Whatever the machine replies: who tells hears no more than that it is committed.
    settleWith(request, told, false)
  } else if (result.kept) {
    if (logged) shard.batch.requests.push({ request, answer: 'open' })
    after.push({ kind: 'keep open', actor, request })
  } else settleWith(request, result.answer ?? told, result.answerIsView)
  for (const late of result.answers) {
    const kept = findRequest(shard.requests, actor, late.request)
    if (kept !== undefined && kept.state.kind !== 'answered') settleWith(kept, late.answer, false)
  }
  if (result.effects) after.push({ kind: 'perform', actor, turn: turn.number })
  return after
}

/** The turn was undone: nothing of it remains, and the same request may come again. */
function onFailed(node: NodeState, shard: Shard, turn: Turn, why: Refusal, opened: Opened | undefined): void {
  if (turn.cause.kind === 'start') {
    const before = shard.actors.get(turn.actor)?.before
    if (before === undefined) shard.actors.delete(turn.actor)
    else shard.actors.set(turn.actor, before)
  }
  if (opened === undefined) return
  if (opened.request === undefined) refuseWaiter(node, shard, waiterOf(opened.delivery), why)
  else refuseRequest(node, shard, opened.request, why)
}

/** Now, or with the commit that it must wait for. */
export function follow(node: NodeState, shard: Shard, batch: Batch | undefined, after: After): void {
  if (batch === undefined) happen(node, shard, after)
  else batch.after.push(after)
}

export function refuseFrame(node: NodeState, shard: Shard, delivery: Delivery, why: Refusal): undefined {
  refuseWaiter(node, shard, waiterOf(delivery), why)
}

export const told = encode({} satisfies Told)

export const spawned = (node: NodeState, shard: Shard, delivery: Delivery, created: boolean): Spawned => ({
  created,
  type: delivery.type,
  id: delivery.actor,
  shard: shard.name,
  node: node.config.profile.id,
  epoch: shard.epoch,
})

export const waiterOf = ({ id, replyTo, lane }: Delivery): Waiter => ({ id, replyTo, lane })
