/** Routing: which lanes go to which node, and what happens to them when a view or a node says otherwise. All lanes of a shard
 *  change their way together, and a lane that changes its way is sent again as a whole (rule O1). */

import { limits } from '../base/limits.ts'
import { type ShardName, shardOf, shardParts } from '../protocol/address.ts'
import type { Frame } from '../protocol/frames.ts'
import type { View } from '../protocol/records.ts'
import { clearAlarm, setAlarm } from './alarms.ts'
import { framesOfAll, type Lane } from './pending.ts'
import { wantView } from './refresh.ts'
import { ringOf } from './ring.ts'
import { type NodeLife, type Route, stillServed, type Way, wayByRing } from './route.ts'
import type { Router } from './router-state.ts'

/** Pauses of a route: 20, 40, … ms. */
const pauseMsMin = 20
const pauseMsMax = 500

/** A node's view may be old for a moment. One that stays behind for longer belongs to a cluster whose history began anew. */
const lowerViewMs = 2_000

/** The view takes the place of the one that is known. */
export function isNewer(router: Router, view: View): boolean {
  const { view: known, nowMs } = router
  if (known !== undefined && view.number <= known.number && view.token !== known.token) {
    router.lowerSinceMs ??= nowMs
    if (nowMs - router.lowerSinceMs < lowerViewMs) return false
  }
  router.lowerSinceMs = undefined
  return view.token !== known?.token
}

export function becomeInformed(router: Router, view: View): void {
  const served = router.view === undefined ? new Map<ShardName, NodeLife>() : stillServed(router.view, view)
  router.view = view
  for (const [shard, node] of served)
    if (!router.routes.has(shard)) router.routes.set(shard, createRoute(shard, { kind: 'open', node }))
  for (const lane of router.pending.lanes.values()) leaveOldGroup(router, lane)
}

/** A new version of a type may put its actors into another group. */
function leaveOldGroup(router: Router, lane: Lane): void {
  const group = ringOf(router.view!).groupOf(lane.address.type)
  if (group === undefined || lane.shard === undefined || shardParts(lane.shard).group === group) return
  router.routes.get(lane.shard)!.lanes.delete(lane)
  lane.shard = undefined
  router.homeless.add(lane)
}

export function becomeRouted(router: Router, route: Route, way: Way): void {
  route.way = way
  clearAlarm(router.alarms, route)
  if (way.kind === 'open') {
    for (const lane of route.lanes) sendAgain(router, lane)
    return
  }
  wantView(router.refresh)
  if (way.kind === 'paused')
    setAlarm(router.alarms, route, router.nowMs + Math.min(pauseMsMin * 2 ** route.pauses++, pauseMsMax))
}

/** Finds the shard of a lane; without one it is homeless until another view comes. */
export function joinRoute(router: Router, lane: Lane): 'joined' | 'homeless' {
  const { view, routes, homeless } = router
  const group = view && ringOf(view).groupOf(lane.address.type)
  if (view === undefined || group === undefined) {
    homeless.add(lane)
    return 'homeless'
  }
  homeless.delete(lane)
  const shard = shardOf(lane.address, group, view.shards)
  const route = routes.get(shard) ?? createRoute(shard, wayByRing(view, shard))
  routes.set(shard, route)
  lane.shard = shard
  route.lanes.add(lane)
  return 'joined'
}

const createRoute = (shard: ShardName, way: Way): Route => ({
  kind: 'route',
  alarm: undefined,
  shard,
  lanes: new Set(),
  way,
  pauses: 0,
})

export const routeOf = (router: Router, lane: Lane): Route | undefined =>
  lane.shard === undefined ? undefined : router.routes.get(lane.shard)

/** Sends all calls of the lane, once more or for the first time. */
export function sendAgain(router: Router, lane: Lane): void {
  const way = routeOf(router, lane)?.way
  if (way?.kind !== 'open') return wantView(router.refresh)
  if (!router.connected) return
  send(router, lane, way.node, framesOfAll(router.pending, lane, way.node.id, router.view!.number, router.nowMs))
}

export function send(router: Router, lane: Lane, node: NodeLife, frames: readonly Frame[]): void {
  router.out.push({ kind: 'send', node: node.id, frames })
  if (lane.alarm === undefined) setAlarm(router.alarms, lane, router.nowMs + limits.resendMs)
}
