/** Activation: from a frame to a turn, for the actors of a shard that this node owns. A frame is answered from memory if its
 *  request is known (rule M2); else it becomes a turn of its actor, which wakes for it where it is cold. What comes of the
 *  turn is for `outcome.ts`. */

import { type Refusal, refuse } from '../base/errors.ts'
import { hashBytes } from '../base/hash.ts'
import { limits } from '../base/limits.ts'
import { type ActorKey, keyOf } from '../protocol/address.ts'
import { encode } from '../protocol/codec.ts'
import type { Located, Stopped } from '../protocol/results.ts'
import type { Cause, StoredActor, Turn } from '../protocol/turn.ts'
import { answer } from './answers.ts'
import { concludeRequest, happen, isCollecting, isFull, markDirty, refuseForGood, weightOfRequest } from './commit.ts'
import { armDue, dueOf, takeDue } from './due.ts'
import type { Effect } from './effects.ts'
import { releaseMsOf } from './handoff.ts'
import { noteOpening, refusalOf } from './lanes.ts'
import { type Delivery, putBack, take } from './mailbox.ts'
import { follow, refuseFrame, spawned, told, waiterOf } from './outcome.ts'
import { isFull as isOutboxFull, settle } from './outbox.ts'
import { addRequest, findRequest, forgetBelow, hasRoom, joinRequest } from './requests.ts'
import type { After, Entry, NodeState, Request, Shard } from './state.ts'
import { placeOf, requestOf, tokenOf } from './streams.ts'

/** The next act of the shard's actors, if there is one; what can be answered without an act is answered on the way. */
export function nextAct(node: NodeState, shard: Shard): Effect | undefined {
  // Until its actors are collected they must all be there, as the batch in flight has left them.
  if (isCollecting(shard)) return undefined
  // R3: what the broker forgot is not committed again before the healing is.
  if (shard.phase.kind === 'healing') return undefined
  for (let next = shard.performs.shift(); next !== undefined; next = shard.performs.shift()) {
    if (next.kind === 'perform') return { kind: 'perform', actor: next.actor, turn: next.turn, epoch: shard.epoch }
    node.out.push({ kind: 'forget', actors: [next.actor] })
    shard.parting.set(next.actor, node.nowMs + releaseMsOf(node, next.actor))
  }
  if (shard.phase.kind !== 'owned' || shard.waitsForCommit || isFull(node, shard.batch)) return undefined
  if (node.nowMs < shard.restsUntilMs) return frameTurn(node, shard)
  return (
    internalTurn(shard) ??
    failureTurn(node, shard) ??
    timerTurn(node, shard) ??
    wakeNext(shard) ??
    frameTurn(node, shard)
  )
}

/** An actor's children, or the machine itself, sent it an event. */
export function onInternal(node: NodeState, shard: Shard, actor: ActorKey): void {
  shard.internals.push(actor)
  node.work.ready.add(shard.name)
}

/** Takes over what was read, sent or checkpointed: all actors are cold. `storedAtMs`: when each was stored, on this node's clock.
 *  `committed`: what the log holds of it, where that is something else. */
export function restoreActor(
  node: NodeState,
  shard: Shard,
  key: ActorKey,
  stored: StoredActor,
  storedAtMs: number,
  committed = stored,
): void {
  const entry: Entry = {
    durability: stored.durability,
    committed,
    committedAtMs: storedAtMs,
    sent: undefined,
    before: undefined,
    stored,
    storedAtMs,
    status: stored.status,
    live: stored.live,
    awake: false,
    dozing: false,
    changedIn: undefined,
    dueAtMs: Infinity,
    queuedAtMs: Infinity,
  }
  shard.actors.set(key, entry)
  armDue(node, shard, key, entry, dueOf(stored, storedAtMs))
  if (stored.live && stored.status === 'active') shard.wakes.add(key)
}

// ---- turns

function internalTurn(shard: Shard): Effect | undefined {
  for (;;) {
    const actor = shard.internals.shift()
    if (actor === undefined) return undefined
    const entry = shard.actors.get(actor)
    // What a sleeping actor was sent is sent again when its children run again.
    if (entry?.awake) return takeTurn(shard, actor, entry, { kind: 'internal' }, false)
  }
}

function timerTurn(node: NodeState, shard: Shard): Effect | undefined {
  for (;;) {
    const actor = takeDue(node, shard)
    if (actor === undefined) return undefined
    const entry = shard.actors.get(actor)!
    if (entry.status === 'active') return takeTurn(shard, actor, entry, { kind: 'timers' }, false)
  }
}

function wakeNext(shard: Shard): Effect | undefined {
  for (const actor of shard.wakes) {
    shard.wakes.delete(actor)
    const entry = shard.actors.get(actor)
    if (entry === undefined || entry.awake || entry.status !== 'active' || entry.stored === undefined) continue
    entry.awake = true
    const { stored, storedAtMs } = entry
    return { kind: 'wake', actor, stored, storedAtMs, epoch: shard.epoch }
  }
  return undefined
}

function frameTurn(node: NodeState, shard: Shard): Effect | undefined {
  for (;;) {
    const delivery = take(shard.mailbox)
    if (delivery === undefined) return undefined
    const effect = open(node, shard, delivery)
    // A stop takes no turn, and yet its place in the commit.
    if (effect !== undefined || shard.waitsForCommit || isFull(node, shard.batch)) return effect
  }
}

/** A turn for the frame, or its answer. */
function open(node: NodeState, shard: Shard, delivery: Delivery): Effect | undefined {
  const refused = refusalOf(shard.lanes, delivery)
  if (refused !== undefined) return refuseFrame(node, shard, delivery, refused)
  if (delivery.deadlineMs <= node.lease.nowMs)
    return refuseFrame(
      node,
      shard,
      delivery,
      refuse('DEADLINE', 'the time of the request was over before it could be processed'),
    )
  const key = keyOf({ type: delivery.type, id: delivery.actor })
  const entry = shard.actors.get(key)
  if (isEnding(shard, key, entry)) return waitForCommit(shard, delivery)
  switch (delivery.op) {
    case 'get':
      return entry === undefined ? notFound(node, shard, delivery) : readTurn(shard, key, entry, delivery)
    case 'locate':
      return entry === undefined ? notFound(node, shard, delivery) : locate(node, shard, key, entry, delivery)
    default:
      return openRequest(node, shard, delivery, key, entry)
  }
}

/** Spawn, ask, tell and stop are processed once for each request id. */
function openRequest(
  node: NodeState,
  shard: Shard,
  delivery: Delivery,
  key: ActorKey,
  entry: Entry | undefined,
): Effect | undefined {
  const { message } = delivery
  const id = message === undefined ? (delivery.request ?? delivery.id) : requestOf(message)
  const hash = hashBytes(delivery.body, delivery.op.charCodeAt(0))
  const known = findRequest(shard.requests, key, id)
  if (known !== undefined) return again(node, shard, delivery, key, entry, known, hash)
  if (noteOpening(shard.lanes, delivery.from, delivery) === 'again') return undefined
  if (message !== undefined) {
    const place = placeOf(shard.requests.streams, key, message)
    if (place === 'settled') {
      answer(node, waiterOf(delivery), told)
      return undefined
    }
    if (place === 'early')
      return refuseFrame(node, shard, delivery, refuse('UNAVAILABLE', 'an earlier message of its sender comes first'))
    forgetBelow(shard.requests, key, message.stream, message.floor)
  } else if ((delivery.op === 'ask' || delivery.op === 'tell') && isOutboxFull(shard.outbox, key))
    return refuseFrame(
      node,
      shard,
      delivery,
      refuse('OVERLOADED', `${key} waits for ${limits.messagesPerActorMax} messages that it sent; try again later`),
    )
  if (!hasRoom(shard.requests))
    return refuseFrame(
      node,
      shard,
      delivery,
      refuse('OVERLOADED', 'the shard remembers as many requests as it may; try again later'),
    )

  const request: Request = {
    actor: key,
    request: id,
    hash,
    // Without an id of the caller's only this sender repeats it, and not after its deadline; what comes later is told by its lane.
    // What was left when it was sent is safe: of what is left now a wall clock that is set forward may have taken some.
    keepMs:
      message !== undefined
        ? delivery.op === 'end'
          ? limits.requestKeepMs
          : Infinity
        : delivery.request === undefined
          ? Math.ceil(delivery.leftMs) + limits.handoffStepMs
          : limits.requestKeepMs,
    logged: entry?.durability !== 'volatile' || delivery.op === 'stop' || delivery.op === 'spawn',
    keepUntilMs: Infinity,
    state: { kind: 'pending', waiters: [waiterOf(delivery)] },
  }
  switch (delivery.op) {
    case 'spawn':
      return spawn(node, shard, delivery, key, entry, request)
    case 'stop':
      return stop(node, shard, key, entry, request)
    case 'end':
      return endStream(node, shard, request)
    default:
      return takeEvent(node, shard, delivery, key, entry, request)
  }
}

/** The request was seen before: its answer, a place among those who wait for it, or a refusal of another payload. */
function again(
  node: NodeState,
  shard: Shard,
  delivery: Delivery,
  key: ActorKey,
  entry: Entry | undefined,
  known: Request,
  hash: number,
): Effect | undefined {
  if (known.hash !== hash)
    return refuseFrame(
      node,
      shard,
      delivery,
      refuse('BAD_REQUEST', `request id ${known.request} was used for another request to ${key}`),
    )
  const waiter = waiterOf(delivery)
  if (joinRequest(known, waiter) === 'waits' || known.state.kind !== 'answered') return undefined
  if (typeof known.state.answer !== 'string') {
    answer(node, waiter, known.state.answer)
    return undefined
  }
  if (entry === undefined)
    return refuseFrame(
      node,
      shard,
      delivery,
      refuse('INTERNAL', `the request was processed, and ${key}, whose state was its answer, is gone`),
    )
  return readTurn(shard, key, entry, delivery, { handled: known.state.answer === 'view' })
}

function spawn(
  node: NodeState,
  shard: Shard,
  delivery: Delivery,
  key: ActorKey,
  entry: Entry | undefined,
  request: Request,
): Effect | undefined {
  const policy = node.config.types.get(delivery.type)
  if (policy === undefined)
    return refuseFrame(node, shard, delivery, refuse('TYPE_UNKNOWN', `no actor type ${delivery.type} here`))
  if (entry?.status === 'active') {
    const body = encode(spawned(node, shard, delivery, false))
    addRequest(shard.requests, request)
    follow(node, shard, entry.changedIn, { kind: 'settle', actor: key, request, body, remembered: body })
    return undefined
  }
  if (entry?.awake) {
    node.out.push({ kind: 'forget', actors: [key] })
    entry.awake = false
  }
  addRequest(shard.requests, request)
  const begun: Entry = {
    durability: policy.durability,
    committed: undefined,
    committedAtMs: node.nowMs,
    sent: undefined,
    before: entry,
    stored: undefined,
    storedAtMs: node.nowMs,
    status: 'active',
    live: false,
    awake: false,
    dozing: false,
    changedIn: undefined,
    dueAtMs: Infinity,
    queuedAtMs: Infinity,
  }
  shard.actors.set(key, begun)
  shard.opened = { delivery, request }
  return takeTurn(shard, key, begun, { kind: 'start', input: delivery.body }, false)
}

function stop(node: NodeState, shard: Shard, key: ActorKey, entry: Entry | undefined, request: Request): undefined {
  const body = encode({ stopped: entry !== undefined } satisfies Stopped)
  addRequest(shard.requests, request)
  const settled: After = { kind: 'settle', actor: key, request, body, remembered: body }
  if (entry === undefined) {
    happen(node, shard, settled)
    return undefined
  }
  const { batch } = shard
  shard.actors.delete(key)
  batch.changed.delete(key)
  batch.stopped.set(key, entry)
  batch.turns++
  batch.bytes += weightOfRequest(request) + body.length
  batch.requests.push({ request, answer: body })
  batch.after.push(settled, { kind: 'forget', actor: key })
  markDirty(node, shard)
  return undefined
}

function takeEvent(
  node: NodeState,
  shard: Shard,
  delivery: Delivery,
  key: ActorKey,
  entry: Entry | undefined,
  request: Request,
): Effect | undefined {
  if (entry?.status !== 'active') {
    const why = refusalOfEnded(delivery, key, entry)
    if (delivery.message === undefined) return refuseFrame(node, shard, delivery, why)
    addRequest(shard.requests, request)
    refuseForGood(node, shard, request, why)
    return undefined
  }
  addRequest(shard.requests, request)
  shard.opened = { delivery, request }
  return takeTurn(
    shard,
    key,
    entry,
    { kind: 'event', event: delivery.body, request: tokenOf(request.request, delivery.message) },
    delivery.op === 'ask',
  )
}

/** M3: nothing more comes in the stream, and what came is settled. That it ended is remembered for the horizon. */
function endStream(node: NodeState, shard: Shard, request: Request): undefined {
  addRequest(shard.requests, request)
  concludeRequest(node, shard, request, told)
  return undefined
}

/** Tells an actor of a message of its own that was refused. */
function failureTurn(node: NodeState, shard: Shard): Effect | undefined {
  for (;;) {
    const failure = shard.failures.shift()
    if (failure === undefined) return undefined
    const entry = shard.actors.get(failure.actor)
    if (entry?.status === 'active') {
      shard.hearing = failure
      return takeTurn(shard, failure.actor, entry, { kind: 'event', event: failure.event }, false)
    }
    // It has ended meanwhile.
    settle(shard.outbox, failure.stream, failure.number, node.nowMs)
  }
}

function readTurn(
  shard: Shard,
  key: ActorKey,
  entry: Entry,
  delivery: Delivery,
  asked?: { readonly handled: boolean },
): Effect {
  shard.opened = { delivery }
  return takeTurn(shard, key, entry, { kind: 'read', ...(asked && { again: asked }) }, true)
}

function locate(node: NodeState, shard: Shard, actor: ActorKey, entry: Entry, delivery: Delivery): undefined {
  const located: Located = { shard: shard.name, node: node.config.profile.id, epoch: shard.epoch }
  follow(node, shard, entry.changedIn, { kind: 'answer', actor, waiter: waiterOf(delivery), body: encode(located) })
}

function takeTurn(shard: Shard, actor: ActorKey, entry: Entry, cause: Cause, wantsView: boolean): Effect {
  const from =
    entry.awake || entry.stored === undefined ? undefined : { stored: entry.stored, storedAtMs: entry.storedAtMs }
  const trace = shard.opened?.delivery.trace
  const turn: Turn = {
    actor,
    number: ++shard.turns,
    epoch: shard.epoch,
    cause,
    wantsView,
    ...(from && { from }),
    ...(trace !== undefined && { trace }),
  }
  return { kind: 'take turn', shard: shard.name, turn }
}
const notFound = (node: NodeState, shard: Shard, delivery: Delivery): undefined =>
  refuseFrame(node, shard, delivery, noActor(delivery))

const noActor = ({ type, actor }: Delivery): Refusal =>
  refuse('ACTOR_NOT_FOUND', `there is no actor ${type}/${actor}; spawn it first`)

function refusalOfEnded(delivery: Delivery, key: ActorKey, entry: Entry | undefined): Refusal {
  if (entry === undefined) return noActor(delivery)
  return entry.status === 'done'
    ? refuse('ACTOR_DONE', `${key} has reached its final state`)
    : refuse('ACTOR_FAILED', `${key} has failed; stop it and spawn it again`)
}

/** The life of the actor is over, and that is not committed yet: nobody hears of it, and no other life begins (rule S3). */
const isEnding = (shard: Shard, actor: ActorKey, entry: Entry | undefined): boolean =>
  entry === undefined
    ? shard.batch.stopped.has(actor) || shard.inFlight?.stopped.has(actor) === true
    : entry.status !== 'active' && entry.changedIn !== undefined

/** The frame stays the first of the mailbox until everything turned so far is committed. */
function waitForCommit(shard: Shard, delivery: Delivery): undefined {
  putBack(shard.mailbox, delivery)
  shard.waitsForCommit = true
}
