/** Requests: which requests a shard has processed, and what it answered, so that the same id is processed once across
 *  retries, moves and crashes (rule M2). An entry lies in the commit of its own turn, and is kept for the horizon: never
 *  evicted younger, because then its retry would run again. */

import { limits } from '../base/limits.ts'
import type { ActorKey } from '../protocol/address.ts'
import type { RequestEntry } from '../protocol/records.ts'
import { messageOf, note, requestOf, settledBelow, type Streams, unnote } from './streams.ts'

/** Somebody who waits for the answer to a request. */
export interface Waiter {
  readonly id: string
  readonly replyTo: string
  /** Number of the sending that waits: a refusal is of that one. */
  readonly lane: number
}

export interface Request {
  readonly actor: ActorKey
  readonly request: string
  readonly hash: number
  readonly keepMs: number
  /** Of a durable actor: the entry belongs into commits and checkpoints. */
  readonly logged: boolean
  /** Infinite while it is pending. */
  keepUntilMs: number
  state: /** Its turn is taken and not committed; the answer goes to all who asked. */
    | { readonly kind: 'pending'; readonly waiters: Waiter[] }
    /** The machine keeps it open and answers in a later turn. */
    | { readonly kind: 'open'; readonly waiters: Waiter[] }
    | { readonly kind: 'answered'; readonly answer: Uint8Array | 'view' | 'unhandled' }
}

export interface Requests {
  readonly entries: Map<string, Request>
  /** Those that may be forgotten some day, by the second in which their time is over. */
  readonly ends: Map<number, Request[]>
  /** Of the messages of other actors among them. */
  readonly streams: Streams
}

export const createRequests = (): Requests => ({ entries: new Map(), ends: new Map(), streams: new Map() })

/** Ids hold any character, so the length of the first part keeps two pairs apart. */
const keyFor = (actor: ActorKey, request: string): string => `${actor.length}/${actor}/${request}`

export const findRequest = (requests: Requests, actor: ActorKey, request: string): Request | undefined =>
  requests.entries.get(keyFor(actor, request))

/** Who repeats a request that has no answer yet waits with all who asked before. */
export function joinRequest(known: Request | undefined, waiter: Waiter): 'waits' | 'does not wait' {
  if (known === undefined || known.state.kind === 'answered') return 'does not wait'
  const { waiters } = known.state
  const at = waiters.findIndex(({ id }) => id === waiter.id)
  waiters[at < 0 ? waiters.length : at] = waiter
  return 'waits'
}

export const hasRoom = (requests: Requests): boolean => requests.entries.size < limits.requestsPerShardMax

export function addRequest(requests: Requests, entry: Request): void {
  requests.entries.set(keyFor(entry.actor, entry.request), entry)
  const message = messageOf(entry.request)
  if (message !== undefined) note(requests.streams, entry.actor, message)
}

/** The request is answered, or kept open: its time runs from now on. */
export function remember(requests: Requests, entry: Request, nowMs: number): void {
  const { ends } = requests
  entry.keepUntilMs = nowMs + entry.keepMs
  // M3: until its source says that it will not send it again.
  if (entry.keepUntilMs === Infinity) return
  // Of messages only the end of a stream has a horizon, and all that came before it is settled.
  const end = messageOf(entry.request)
  if (end !== undefined) forgetBelow(requests, entry.actor, end.stream, end.number)
  const second = Math.ceil(entry.keepUntilMs / 1_000)
  const ending = ends.get(second)
  if (ending === undefined) ends.set(second, [entry])
  else ending.push(entry)
}

/** Its turn was undone: the same id may run. */
export function dropRequest(requests: Requests, entry: Request): void {
  requests.entries.delete(keyFor(entry.actor, entry.request))
  const message = messageOf(entry.request)
  if (message !== undefined) unnote(requests.streams, entry.actor, message)
}

/** M3: the source of the stream will not send again what is below the floor. */
export function forgetBelow(requests: Requests, actor: ActorKey, stream: string, floor: number): void {
  for (const number of settledBelow(requests.streams, actor, { stream, floor })) {
    const entry = findRequest(requests, actor, requestOf({ stream, number }))
    if (entry !== undefined && entry.state.kind !== 'pending') dropRequest(requests, entry)
  }
}

/** Forgets entries whose horizon is over. A pending one has none: somebody still works on it. */
export function sweepRequests(requests: Requests, nowMs: number): void {
  const { ends } = requests
  for (const [second, ending] of ends) {
    if (second * 1_000 > nowMs) continue
    ends.delete(second)
    for (const entry of ending) {
      const key = keyFor(entry.actor, entry.request)
      // It may have been remembered anew meanwhile, or be another request of the same name.
      if (entry.keepUntilMs <= nowMs && requests.entries.get(key) === entry) dropRequest(requests, entry)
    }
  }
}

/** The entry as it is logged. Only once its turn is over. */
export const entryOf = (entry: Request, answer: RequestEntry['answer']): RequestEntry => ({
  actor: entry.actor,
  request: entry.request,
  hash: entry.hash,
  keepMs: entry.keepMs,
  answer,
})

/** Takes logged entries over. Their time starts anew: too long is safe, too short is not. */
export function restoreRequests(requests: Requests, entries: readonly RequestEntry[], nowMs: number): void {
  for (const { actor, request, hash, keepMs, answer } of entries) {
    const state: Request['state'] = answer === 'open' ? { kind: 'open', waiters: [] } : { kind: 'answered', answer }
    const entry: Request = { actor, request, hash, keepMs, logged: true, keepUntilMs: Infinity, state }
    addRequest(requests, entry)
    remember(requests, entry, nowMs)
  }
}

/** All that a checkpoint or a package must carry. */
export function* settledEntries(requests: Requests, withVolatile: boolean): Iterable<RequestEntry> {
  for (const entry of requests.entries.values()) {
    if (!entry.logged && !withVolatile) continue
    if (entry.state.kind === 'answered') yield entryOf(entry, entry.state.answer)
    else if (entry.state.kind === 'open') yield entryOf(entry, 'open')
  }
}
