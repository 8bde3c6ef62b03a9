/** State: an actor as bytes. XState's persisted snapshot lacks what an actor needs to go on: its delays, the events that its
 *  children sent and it has not seen (a promise that is done is not run again, so its last word must not be lost), and errors
 *  that can be encoded. */

import type { AnyActorRef, AnyEventObject, Snapshot } from 'xstate'
import { messageOf } from '../base/errors.ts'
import { decode, encode } from '../protocol/codec.ts'
import { withMaps, withoutMaps } from './host-maps.ts'

/** Ids from the actor's own machine down to one of its children; empty for the machine itself. */
export type Path = readonly string[]

export interface StoredDelay {
  readonly source: Path
  readonly target: Path
  readonly event: AnyEventObject
  readonly id: string
  readonly arming: number
  /** Negative: it was due already. */
  readonly leftMs: number
}

export interface StoredEvent {
  readonly target: Path
  readonly event: Uint8Array
}

/** The whole actor, or only what it began with (`seed`): then its first state is made anew. */
export interface ActorState {
  /** Of the definition that wrote it. */
  readonly version: number
  readonly machine?: Snapshot<unknown>
  readonly delays?: readonly StoredDelay[]
  readonly pending?: readonly StoredEvent[]
  /** Of volatile actors, encoded. */
  readonly input?: Uint8Array
  /** Whether the first state of a volatile actor had something that acts by itself. */
  readonly livesFirst?: boolean
  /** It holds Maps, written out. */
  readonly maps?: true
}

/** XState's snapshots alias the live context: encoded in the same breath. Throws for what cannot be encoded. */
export function encodeState(state: ActorState): Uint8Array {
  try {
    return encodeWhole(state)
  } catch (thrown) {
    if (state.machine === undefined) throw thrown
    return encodeWhole({ ...state, machine: portable(state.machine) })
  }
}

function encodeWhole(state: ActorState): Uint8Array {
  const plain = withoutMaps(state) as ActorState
  return encode(plain === state ? state : { ...plain, maps: true })
}

export function decodeState(bytes: Uint8Array): ActorState {
  const state = decode(bytes) as ActorState
  return state.maps ? (withMaps(state) as ActorState) : state
}

/** Where in its actor a machine or child is; nothing for one that was stopped, or replaced under its id. */
export function pathOf(ref: AnyActorRef): Path | undefined {
  const path: string[] = []
  for (let child = ref; child._parent !== undefined; child = child._parent) {
    if (childrenOf(child._parent.getSnapshot())[child.id] !== child) return undefined
    path.unshift(child.id)
  }
  return path
}

export function refAt(root: AnyActorRef, path: Path): AnyActorRef | undefined {
  let ref: AnyActorRef | undefined = root
  for (const id of path) ref = ref && childrenOf(ref.getSnapshot())[id]
  return ref
}

export const childrenOf = (snapshot: object): Readonly<Record<string, AnyActorRef | undefined>> =>
  (snapshot as { children?: Record<string, AnyActorRef> }).children ?? {}

/** XState restores what it can and is silent about the rest: an actor must not go on without one of its children. */
export function checkFit(persisted: Snapshot<unknown>, restored: AnyActorRef): void {
  const snapshot = restored.getSnapshot()
  if (snapshot.status === 'error' && persisted.status !== 'error') throw snapshot.error
  const children = childrenOf(snapshot)
  for (const [id, child] of Object.entries((persisted as Persisted).children ?? {})) {
    const ref = children[id]
    if (ref === undefined) throw new Error(`the machine has no source for child ${id}`)
    checkFit(child.snapshot, ref)
  }
}

/** An event of a child as bytes. */
export const encodeEvent = (event: AnyEventObject): Uint8Array => encode(withoutMaps(portableEvent(event)))

export const decodeEvent = (bytes: Uint8Array): AnyEventObject => withMaps(decode(bytes)) as AnyEventObject

/** The snapshot of an observable holds its subscription, which is nobody's business. */
function portableEvent(event: AnyEventObject): AnyEventObject {
  if (event['error'] !== undefined) return { ...event, error: portableError(event['error']) }
  if (!event.type.startsWith('xstate.snapshot.')) return event
  const { _subscription, ...snapshot } = event['snapshot'] as { _subscription?: unknown }
  return { ...event, snapshot }
}

interface Persisted {
  readonly error?: unknown
  readonly children?: Readonly<Record<string, { readonly snapshot: Snapshot<unknown> }>>
}

/** What was thrown, by a library perhaps, and what its children hold must not keep an actor from being stored; its own context must
 *  be storable. */
function portable<T extends object>(snapshot: T): T {
  const { error, children } = snapshot as Persisted
  const safe = error === undefined ? snapshot : { ...snapshot, error: portableError(error) }
  if (children === undefined) return canBeEncoded(safe) ? safe : { ...safe, output: undefined, context: undefined }
  const members = Object.entries(children).map(([id, child]) => [id, { ...child, snapshot: portable(child.snapshot) }])
  return { ...safe, children: Object.fromEntries(members) }
}

function portableError(error: unknown): unknown {
  if (canBeEncoded(error)) return error
  const plain = new Error(messageOf(error))
  if (error instanceof Error) plain.name = error.name
  return plain
}

function canBeEncoded(value: unknown): boolean {
  try {
    encode(value)
    return true
  } catch {
    return false
  }
}
