/** Records: everything that is ever written to a log, and its bytes. Rows and views lie in the control log, the rest in the
 *  shard logs. A record names its predecessor (`prev`) and carries a token of its own, so that its writer can tell it from
 *  another one after an append in doubt (rule S2). */

import type { ShardName } from './address.ts'
import { decode, encode } from './codec.ts'
import type { ActorMessage, StreamEntry } from './actor-message.ts'
import type { StoredActor } from './turn.ts'

/** A type that a node offers, with the group whose shards its actors live in. */
export interface TypeOffer {
  readonly type: string
  readonly group: string
  readonly version: number
}

/** Who a node is, beyond its id. */
export interface Profile {
  readonly id: string
  readonly zone?: string
  readonly region?: string
  readonly types: readonly TypeOffer[]
}

export type RowState = 'up' | 'leaving' | 'left' | 'dead'

/** A node's own place in the control log; each beat replaces it. */
export interface Row {
  readonly kind: 'row'
  /** Grows by one with every life of the node id. */
  readonly inc: number
  /** Drawn by the process: tells two processes of one id apart. */
  readonly boot: string
  readonly state: RowState
  readonly beat: number
  readonly token: string
  readonly profile: Profile
  /** The broker that has been up for W, as this life knows (rule R2); empty while it does not. */
  readonly steady: string
  /** For tables only. */
  readonly load: { readonly shards: number; readonly actors: number }
}

export interface Member {
  readonly id: string
  readonly inc: number
  readonly state: 'up' | 'leaving'
  readonly profile: Profile
}

/** The agreed membership: a pure function of the rows, numbered by compare-and-set. */
export interface View {
  readonly kind: 'view'
  readonly number: number
  readonly members: readonly Member[]
  readonly shards: number
  readonly ringVersion: number
  readonly hashVersion: number
  readonly token: string
}

/** What the first node of a cluster decides for all later ones. */
export interface Charter {
  readonly kind: 'charter'
  readonly shards: number
  readonly ringVersion: number
  readonly hashVersion: number
  readonly token: string
}

interface ShardRecord {
  readonly token: string
  /** Sequence it was appended after; 0 for the first. */
  readonly prev: number
  /** Sequence of the standing claim; 0 in a claim itself, whose own sequence it is. */
  readonly epoch: number
  readonly owner: string
  readonly inc: number
}

export interface ClaimRecord extends ShardRecord {
  readonly kind: 'claim'
  readonly over: 'empty' | 'release' | 'dead owner' | 'own stale claim'
}

/** An answered, or still open, request as the shard remembers it (rule M2). */
export interface RequestEntry {
  readonly actor: string
  readonly request: string
  /** Of operation and body: the same id with another payload is refused. */
  readonly hash: number
  readonly keepMs: number
  /** bytes: the answer's body. 'view': too large to keep; answered again from the committed view; 'unhandled': so is that of an event
   *  which the machine did not take. 'open': kept by the machine. */
  readonly answer: Uint8Array | 'view' | 'unhandled' | 'open'
}

export interface CommitRecord extends ShardRecord {
  readonly kind: 'commit'
  /** `null`: the actor was stopped. */
  readonly actors: readonly (readonly [actor: string, stored: StoredActor | null])[]
  readonly requests: readonly RequestEntry[]
  /** New ones. */
  readonly sent?: readonly ActorMessage[]
  /** Messages that their targets have processed or refused for good. */
  readonly settled?: readonly (readonly [stream: string, number: number])[]
}

/** A piece of all that a shard holds: in checkpoints and in packages. `ageMs` is the time since the actor was stored; `seed`, in
 *  packages, is what the log holds of a volatile actor. */
export interface ShardState {
  readonly actors: readonly (readonly [actor: string, stored: StoredActor, ageMs: number, seed?: StoredActor])[]
  readonly requests: readonly RequestEntry[]
  readonly outbox?: readonly StreamEntry[]
  /** In packages: tokens of the newest records of the log, newest last (rule R3). */
  readonly chain?: readonly string[]
}

export interface CheckpointRecord extends ShardRecord {
  readonly kind: 'checkpoint'
  /** Everything up to this sequence is in the checkpoint; records after it are not. */
  readonly covers: number
  /** How long before this record the state was taken: the time that its parts needed. */
  readonly ageMs: number
  /** The state itself, or where its pieces lie. */
  readonly content: ShardState | readonly PartRef[]
}

/** One piece of a large checkpoint: the log `part.<shard>.<token>.<index>` holds it as its only record. */
export interface PartRef {
  readonly token: string
  readonly index: number
  readonly seq: number
  readonly hash: number
  readonly bytes: number
}

export interface ReleaseRecord extends ShardRecord {
  readonly kind: 'release'
  /** A hint only (handoff rule 5). */
  readonly to: string | null
  /** Token of the package that was sent, or null. */
  readonly handoff: string | null
  /** What the next owner does not see when it uses the package. */
  readonly weight: LogWeight
}

/** When the next checkpoint is due, and what the newest one stands on. */
export interface LogWeight {
  readonly logBytes: number
  readonly stateBytes: number
  readonly parts: readonly PartRef[]
}

export type LogRecord = ClaimRecord | CommitRecord | CheckpointRecord | ReleaseRecord
export type ControlRecord = Row | View | Charter

/** Version of all records; a reader refuses a newer one. */
export const recordVersion = 1

export const encodeRecord = (record: LogRecord | ControlRecord): Uint8Array => encode({ v: recordVersion, ...record })

/** Throws for bytes that are no record of this version: somebody else wrote to the log. */
export function decodeRecord(bytes: Uint8Array): LogRecord | ControlRecord {
  const { v, ...record } = decode(bytes) as { v: number } & (LogRecord | ControlRecord)
  if (v !== recordVersion) throw new Error(`a record of version ${v} cannot be read by this release (${recordVersion})`)
  return record
}

export const encodeShardState = (state: ShardState): Uint8Array => encode(state)
export const decodeShardState = (bytes: Uint8Array): ShardState => decode(bytes) as ShardState

/** `undefined` for bytes that are no state: they came in a message, not from a log. */
export function parseShardState(bytes: Uint8Array): ShardState | undefined {
  try {
    const state = decodeShardState(bytes)
    const { actors, requests, chain = [] } = state
    return [actors, requests, chain].every(Array.isArray) ? state : undefined
  } catch {
    return undefined
  }
}

/** Names of the logs. The twins turn them into subjects. */
export const logNames = {
  charter: 'charter',
  view: 'view',
  rows: 'row',
  row: (nodeId: string): string => `row.${nodeId}`,
  shard: (shard: ShardName): string => `shard.${shard}`,
  /** All parts of a shard's checkpoints, for purging. */
  parts: (shard: ShardName): string => `part.${shard}.>`,
  part: (shard: ShardName, token: string, index: number): string => `part.${shard}.${token}.${index}`,
} as const
