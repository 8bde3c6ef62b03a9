/** Router: the sender's part of the protocol, for clients and for nodes that serve the public subjects. It takes calls, sends
 *  frames to the owners of their shards, and settles each call once: with the owner's answer, or at its deadline.
 *
 *  The happy path: a call joins the lane of its actor, the ring of the newest view names the owner, the frame goes out in the
 *  same step, the answer settles the call.
 *
 *  Order (rule O1): all unsettled calls of a lane are on their way to one node. Where that node changes, or frames may have been
 *  lost, the whole lane is sent again, in order, with the same ids and new numbers (see `pending.ts`). The owner knows by the
 *  ids what it has processed; by the numbers it sees what is missing (`lanes.ts`).
 *  - A new call follows the others of its lane at once. It never waits for their answers.
 *  - `moved` settles nothing: the route of the shard changes (`route.ts`), and every lane of the shard is sent again.
 *  - A reply counts from wherever it comes: what an old owner has committed is done. A refusal counts only from the node that
 *    the frame was last sent to: another one may be about to process it.
 *  - No answer for `resendMs`: the lane is sent again, and again after twice that time, up to eight times.
 *  - A connection that comes back: everything is sent again at once.
 *
 *  Nothing is tried again behind the caller's back once an owner has refused it: only the caller knows what is worth a retry.
 *  A call that could not be sent ends as UNAVAILABLE, one that was sent and not answered as DEADLINE: it may have run. */

import { assert, unreachable } from '../base/assert.ts'
import type { Now } from '../base/clock.ts'
import { type ErrorCode, refuse } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import type { Call } from '../protocol/call.ts'
import type { Answer } from '../protocol/frames.ts'
import type { View } from '../protocol/records.ts'
import { clearAlarm, nextAlarmMs, setAlarm, takeAlarms } from './alarms.ts'
import { addCall, frameOfLast, type Lane, type PendingCall, removeCall } from './pending.ts'
import { nextRefreshMs, onViewSeen, takeRefresh, wantView } from './refresh.ts'
import { type Route, wayByRing, wayUnder } from './route.ts'
import type { Outcome, Router, RouterEffect, RouterInput } from './router-state.ts'
import { becomeInformed, becomeRouted, isNewer, joinRoute, routeOf, send, sendAgain } from './routing.ts'

export { createRouter, type Outcome, type Router, type RouterEffect, type RouterInput } from './router-state.ts'

/** A lane is sent again after 1, 2, 4 and then always 8 times `resendMs`: an owner that is slow is not helped by more work. */
const doublingsMax = 3

export function step(router: Router, input: RouterInput, now: Now): readonly RouterEffect[] {
  router.nowMs = now.monoMs
  router.out = []
  takeIn(router, input)
  if (router.pending.calls.size === 0) router.refresh.wanted = false
  const refresh = router.connected && takeRefresh(router.refresh, router.nowMs)
  if (refresh) router.out.push({ kind: 'refresh view', asOfMs: router.nowMs })
  return router.out
}

/** When `step` wants a tick at the latest; infinite while nothing waits. */
export const wakeMs = (router: Router): number =>
  Math.min(nextAlarmMs(router.alarms), router.connected ? nextRefreshMs(router.refresh) : Infinity)

function takeIn(router: Router, input: RouterInput): void {
  switch (input.kind) {
    case 'call':
      return onCall(router, input.id, input.call)
    case 'cancel':
      return onCancel(router, input.id)
    case 'answers':
      for (const answer of input.batch.answers) onAnswer(router, input.batch.from, answer)
      return
    case 'view':
      return onView(router, input.view, input.asOfMs)
    case 'no view':
      router.trouble = input.why
      return
    case 'unreachable':
      return onUnreachable(router, input.node)
    case 'connection':
      return onConnection(router, input.connected)
    case 'tick':
      for (const item of takeAlarms(router.alarms, router.nowMs)) onAlarm(router, item)
      return
    case 'close':
      return becomeClosed(router)
    default:
      unreachable(input)
  }
}

function onCall(router: Router, id: string, call: Call): void {
  const { pending } = router
  assert(!pending.calls.has(id), 'M1: ids of calls are unique')
  if (router.closed) return refuseAtOnce(router, id, 'UNAVAILABLE', 'this client is closed')
  if (pending.calls.size >= limits.callsInFlightMax)
    return refuseAtOnce(router, id, 'OVERLOADED', `${limits.callsInFlightMax} calls wait for their answers already`)
  const added = addCall(pending, id, call, router.nowMs)
  setAlarm(router.alarms, added, added.deadlineMs)
  const { lane } = added
  if (lane.first === added) joinRoute(router, lane)
  const way = routeOf(router, lane)?.way
  if (way?.kind !== 'open') return wantView(router.refresh)
  if (!router.connected) return
  send(router, lane, way.node, [frameOfLast(pending, lane, way.node.id, router.view!.number, router.nowMs)])
}

function onCancel(router: Router, id: string): void {
  const call = router.pending.calls.get(id)
  if (call !== undefined) settle(router, call, givenUp(router, call, 'its caller gave it up'))
}

function onAnswer(router: Router, from: string, answer: Answer): void {
  const call = router.pending.calls.get(answer.id)
  if (call === undefined) return
  if (answer.kind === 'moved') return onMoved(router, call, from, answer.view)
  if (answer.kind === 'refused') {
    // Another sending may be processed, by another node or in another life of this one.
    if (from !== call.sentTo || (answer.lane !== undefined && answer.lane !== call.number)) return
    if (answer.why.code === 'NOT_OWNER') return onMoved(router, call, from, 0)
  }
  call.lane.repeats = 0
  const route = routeOf(router, call.lane)
  if (route !== undefined) route.pauses = 0
  if (answer.kind === 'refused' && call.sendings > 1 && unopened.has(answer.why.code)) {
    const why = refuse('DEADLINE', `the request was sent before and may have been processed; now ${answer.why.message}`)
    return settle(router, call, { kind: 'refused', why })
  }
  const { id: _, ...outcome } = answer
  settle(router, call, outcome)
}

/** What a node may refuse without having looked whether the request was processed before. Then only the first sending of a frame
 *  is certain not to have run. */
const unopened: ReadonlySet<ErrorCode> = new Set(['OVERLOADED', 'UNAVAILABLE'])

/** All frames of the shard get this answer; the first one that comes turns the route away from the node, the others are late. */
function onMoved(router: Router, call: PendingCall, from: string, view: number): void {
  const route = routeOf(router, call.lane)
  if (route?.way.kind !== 'open' || route.way.node.id !== from) return
  const { node } = route.way
  const isOlder = view > router.view!.number
  becomeRouted(router, route, isOlder ? { kind: 'lost', left: node } : wayByRing(router.view!, route.shard, node))
}

function onView(router: Router, view: View, asOfMs: number): void {
  const isNew = isNewer(router, view)
  onViewSeen(router.refresh, isNew ? 'new' : 'known')
  if (isNew) becomeInformed(router, view)
  for (const route of router.routes.values()) {
    const way = wayUnder(router.view!, route)
    if (way !== route.way) becomeRouted(router, route, way)
    if (way.kind !== 'open' && route.lanes.size > 0) wantView(router.refresh)
  }
  for (const lane of router.homeless)
    if (joinRoute(router, lane) === 'joined') sendAgain(router, lane)
    else refuseUnknownType(router, lane, asOfMs)
}

function onUnreachable(router: Router, nodeId: string): void {
  for (const route of router.routes.values())
    if (route.lanes.size > 0 && route.way.kind === 'open' && route.way.node.id === nodeId)
      becomeRouted(router, route, wayByRing(router.view!, route.shard, route.way.node))
}

function onConnection(router: Router, connected: boolean): void {
  const isBack = connected && !router.connected
  router.connected = connected
  if (!isBack) return
  // What was on its way when the connection broke is lost, and nobody tells what that was. The view may be old as well.
  for (const lane of router.pending.lanes.values()) sendAgain(router, lane)
  wantView(router.refresh)
}

function onAlarm(router: Router, item: PendingCall | Lane | Route): void {
  switch (item.kind) {
    case 'call':
      return settle(router, item, givenUp(router, item, `its time is over (${item.call.timeoutMs} ms)`))
    case 'lane':
      return onSilence(router, item)
    case 'route':
      if (item.way.kind === 'paused') becomeRouted(router, item, { kind: 'open', node: item.way.node })
      return
    default:
      unreachable(item)
  }
}

/** A lane has unsettled calls for a while; the first of them was sent longest ago. */
function onSilence(router: Router, lane: Lane): void {
  // Its last call may have been settled by another alarm of this very tick.
  if (lane.first === undefined) return
  const againMs = lane.first.sentMs + limits.resendMs * 2 ** Math.min(lane.repeats, doublingsMax)
  if (router.nowMs < againMs) return setAlarm(router.alarms, lane, againMs)
  lane.repeats++
  sendAgain(router, lane)
  wantView(router.refresh)
}

function becomeClosed(router: Router): void {
  router.closed = true
  for (const call of router.pending.calls.values())
    settle(router, call, givenUp(router, call, 'this client was closed'))
}

function settle(router: Router, call: PendingCall, outcome: Outcome): void {
  const { lane } = call
  clearAlarm(router.alarms, call)
  if (removeCall(router.pending, call) === 'empty') {
    clearAlarm(router.alarms, lane)
    router.homeless.delete(lane)
    routeOf(router, lane)?.lanes.delete(lane)
  }
  router.out.push({ kind: 'settle', id: call.id, outcome })
}

function refuseAtOnce(router: Router, id: string, code: ErrorCode, message: string): void {
  router.out.push({ kind: 'settle', id, outcome: { kind: 'refused', why: refuse(code, message) } })
}

/** The view is as new as the call, and no member of it offers the type. An empty view says nothing about types. */
function refuseUnknownType(router: Router, lane: Lane, asOfMs: number): void {
  const { type } = lane.address
  const why = refuse('TYPE_UNKNOWN', `no node of cluster ${router.cluster} offers the type ${type}`)
  for (let call = lane.first; call !== undefined; call = call.after)
    if (call.calledMs <= asOfMs && call.sentTo === undefined && router.view!.members.length > 0)
      settle(router, call, { kind: 'refused', why })
  if (lane.first !== undefined) wantView(router.refresh)
}

function givenUp(router: Router, call: PendingCall, reason: string): Outcome {
  const why =
    call.sentTo === undefined
      ? refuse('UNAVAILABLE', `${obstacle(router, call.lane)}; the request was not sent, and ${reason}`)
      : refuse('DEADLINE', `node ${call.sentTo} has not answered and ${reason}; the request may have been processed`)
  return { kind: 'refused', why }
}

/** Why a call could not be sent. */
function obstacle(router: Router, lane: Lane): string {
  if (!router.connected) return 'there is no connection to the broker'
  if (router.view === undefined) return router.trouble ?? `no node of cluster ${router.cluster} answers`
  if (lane.shard === undefined) return `no node of cluster ${router.cluster} offers the type ${lane.address.type}`
  return `no node of cluster ${router.cluster} takes requests for shard ${lane.shard}`
}
