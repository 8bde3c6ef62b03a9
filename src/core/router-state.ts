/** RouterState: everything that a router knows, what goes into it and what comes out, as data. `router.ts` tells the story. */

import type { Refusal } from '../base/errors.ts'
import type { ShardName } from '../protocol/address.ts'
import type { Call } from '../protocol/call.ts'
import type { AnswerBatch, Frame } from '../protocol/frames.ts'
import type { View } from '../protocol/records.ts'
import { type Alarms, createAlarms } from './alarms.ts'
import { createPending, type Lane, type Pending, type PendingCall } from './pending.ts'
import { createRefresh, type Refresh } from './refresh.ts'
import type { Route } from './route.ts'

export interface Router {
  readonly cluster: string
  nowMs: number
  out: RouterEffect[]
  view: View | undefined
  /** Why there is no view, if somebody said so. */
  trouble: string | undefined
  connected: boolean
  closed: boolean
  /** Since when only views of a lower number were seen. */
  lowerSinceMs: number | undefined
  readonly pending: Pending
  readonly routes: Map<ShardName, Route>
  /** Lanes without a shard: there is no view, or no member of it offers their type. */
  readonly homeless: Set<Lane>
  readonly alarms: Alarms<PendingCall | Lane | Route>
  readonly refresh: Refresh
}

export type RouterInput =
  /** `id` is made by the caller, once for each call. */
  | { readonly kind: 'call'; readonly id: string; readonly call: Call }
  /** Nobody waits for the call any more. */
  | { readonly kind: 'cancel'; readonly id: string }
  /** `from` of the batch is the node's id. */
  | { readonly kind: 'answers'; readonly batch: AnswerBatch }
  /** `asOfMs`: a moment of our clock at which the view was not older than any other. */
  | { readonly kind: 'view'; readonly view: View; readonly asOfMs: number }
  /** A node answered, and this is why it gave no view. */
  | { readonly kind: 'no view'; readonly why: string }
  /** Nobody subscribes to the node's frames. A hint: not every broker gives it. */
  | { readonly kind: 'unreachable'; readonly node: string }
  | { readonly kind: 'connection'; readonly connected: boolean }
  | { readonly kind: 'tick' }
  /** Settles everything; what is called later is refused. */
  | { readonly kind: 'close' }

export type RouterEffect =
  | { readonly kind: 'send'; readonly node: string; readonly frames: readonly Frame[] }
  /** Ask for the view and give it with `asOfMs`, the moment of asking. No answer needs no word: it is asked again. */
  | { readonly kind: 'refresh view'; readonly asOfMs: number }
  | { readonly kind: 'settle'; readonly id: string; readonly outcome: Outcome }

export type Outcome =
  | { readonly kind: 'done'; readonly body: Uint8Array }
  | { readonly kind: 'refused'; readonly why: Refusal }

export const createRouter = (cluster: string): Router => ({
  cluster,
  nowMs: 0,
  out: [],
  view: undefined,
  trouble: undefined,
  connected: false,
  closed: false,
  lowerSinceMs: undefined,
  pending: createPending(),
  routes: new Map(),
  homeless: new Set(),
  alarms: createAlarms(),
  refresh: createRefresh(),
})
