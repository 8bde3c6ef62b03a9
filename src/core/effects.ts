/** Inputs and effects: the whole vocabulary between the core and the event loop. The loop tells what happened and when, the
 *  core answers what is to be done. Nothing else passes between them.
 *
 *  An act (a turn, an effect of a committed turn, the waking of an actor) is started by at most one effect of a step, so
 *  that the clocks are read immediately before each of them (rule N3). */

import type { Refusal } from '../base/errors.ts'
import type { AppendResult, Identities } from '../protocol/log-results.ts'
import type { ActorKey, ShardName } from '../protocol/address.ts'
import type { Answer, FrameBatch } from '../protocol/frames.ts'
import type { LifecycleReply, LifecycleRequest, Mark } from '../protocol/lifecycle.ts'
import type { ActorMessage } from '../protocol/actor-message.ts'
import type { LogRecord, PartRef, Row, ShardState, View } from '../protocol/records.ts'
import type { StoredActor, Turn, TurnResult } from '../protocol/turn.ts'

/** A record as it was read from a log. */
export interface Logged<R> {
  readonly seq: number
  /** The broker's clock when it stored the record. */
  readonly timeMs: number
  readonly bytes: number
  readonly record: R
}

/** 'commit': for the batch in flight. 'sleep': the machines are about to be stopped. 'package': to be handed over. */
export type CollectPurpose = 'commit' | 'sleep' | 'package'

/** An actor as the host gave it, or why it cannot be stored. */
export type Collected = readonly [actor: ActorKey, stored: StoredActor | Refusal]

export type Input =
  | { readonly kind: 'tick' }
  | { readonly kind: 'connection'; readonly connected: boolean }
  | { readonly kind: 'identity read'; readonly reading: number; readonly identities: Identities | 'unknown' }
  /** From the watch over the control log, or read: the record itself, not a hint. */
  | { readonly kind: 'row seen'; readonly nodeId: string; readonly seq: number; readonly row: Row }
  | { readonly kind: 'view seen'; readonly seq: number; readonly view: View }
  | { readonly kind: 'row written'; readonly nodeId: string; readonly row: Row; readonly result: AppendResult }
  | { readonly kind: 'row read'; readonly nodeId: string; readonly result: Logged<Row> | 'empty' | 'unknown' }
  | { readonly kind: 'view written'; readonly view: View; readonly result: AppendResult }
  | { readonly kind: 'view read'; readonly result: Logged<View> | 'empty' | 'unknown' }
  | {
      readonly kind: 'tail read'
      readonly shard: ShardName
      readonly known: number
      readonly result: Logged<LogRecord> | 'empty' | 'unknown'
    }
  | { readonly kind: 'log read'; readonly shard: ShardName; readonly entries: readonly Logged<LogRecord>[] | 'unknown' }
  /** 'missing': a newer checkpoint took the parts away; the log must be read again. */
  | {
      readonly kind: 'parts read'
      readonly shard: ShardName
      readonly token: string
      readonly pieces: readonly ShardState[] | 'missing' | 'unknown'
    }
  | {
      readonly kind: 'parts written'
      readonly shard: ShardName
      readonly token: string
      readonly parts: readonly PartRef[] | 'failed'
    }
  | { readonly kind: 'appended'; readonly shard: ShardName; readonly token: string; readonly result: AppendResult }
  | { readonly kind: 'frames'; readonly batch: FrameBatch }
  | { readonly kind: 'turned'; readonly shard: ShardName; readonly turn: Turn; readonly result: TurnResult }
  | { readonly kind: 'acted' }
  | {
      readonly kind: 'collected'
      readonly shard: ShardName
      readonly purpose: CollectPurpose
      readonly atMs: number
      readonly actors: readonly Collected[]
    }
  | { readonly kind: 'internal'; readonly actor: ActorKey }
  | {
      readonly kind: 'released'
      readonly shard: ShardName
      readonly token: string
      readonly stuck: readonly ActorKey[]
    }
  | { readonly kind: 'asked'; readonly ticket: number; readonly request: LifecycleRequest }
  | {
      readonly kind: 'told'
      readonly node: string
      readonly request: LifecycleRequest
      readonly reply: LifecycleReply | 'nobody' | 'unknown'
    }
  | { readonly kind: 'package sent'; readonly shard: ShardName; readonly token: string; readonly ok: boolean }
  | {
      readonly kind: 'message answered'
      readonly shard: ShardName
      readonly message: Pick<ActorMessage, 'stream' | 'number'>
      readonly attempt: number
      readonly outcome: 'done' | Refusal
      /** The owner of the target has committed it. */
      readonly final: boolean
    }
  | { readonly kind: 'flush' }
  | { readonly kind: 'continue' }
  | { readonly kind: 'leave'; readonly timeoutMs: number }

export type Effect =
  /** To its target; `attempt` comes back with the answer. */
  | {
      readonly kind: 'send message'
      readonly shard: ShardName
      readonly message: ActorMessage
      readonly floor: number
      readonly attempt: number
    }
  | { readonly kind: 'read identity'; readonly reading: number }
  | { readonly kind: 'write row'; readonly nodeId: string; readonly row: Row; readonly expected: number }
  | { readonly kind: 'read row'; readonly nodeId: string }
  | { readonly kind: 'write view'; readonly view: View; readonly expected: number }
  | { readonly kind: 'read view' }
  /** `known`: the last sequence that this node knew when it asked; the answer says nothing of what came after. */
  | { readonly kind: 'read tail'; readonly shard: ShardName; readonly known: number }
  | { readonly kind: 'read log'; readonly shard: ShardName }
  /** `token`: of the checkpoint. */
  | {
      readonly kind: 'read parts'
      readonly shard: ShardName
      readonly token: string
      readonly parts: readonly PartRef[]
    }
  | {
      readonly kind: 'write parts'
      readonly shard: ShardName
      readonly token: string
      readonly pieces: readonly ShardState[]
    }
  | {
      readonly kind: 'append'
      readonly shard: ShardName
      readonly record: LogRecord
      readonly expected: number
      readonly replace: boolean
    }
  /** Removes the log below `before`, and parts of checkpoints below `partsBefore`. */
  | { readonly kind: 'purge'; readonly shard: ShardName; readonly before: number; readonly partsBefore: number }
  | { readonly kind: 'answer'; readonly replyTo: string; readonly answer: Answer }
  | { readonly kind: 'take turn'; readonly shard: ShardName; readonly turn: Turn }
  | { readonly kind: 'perform'; readonly actor: ActorKey; readonly turn: number; readonly epoch: number }
  | {
      readonly kind: 'wake'
      readonly actor: ActorKey
      readonly stored: StoredActor
      readonly storedAtMs: number
      readonly epoch: number
    }
  /** Ask the host for these actors as they are; `collected` comes in the same breath. */
  | {
      readonly kind: 'collect'
      readonly shard: ShardName
      readonly purpose: CollectPurpose
      /** What remains of their delays is counted from here. */
      readonly atMs: number
      readonly actors: readonly ActorKey[]
      readonly seeds: readonly ActorKey[]
    }
  | { readonly kind: 'undo'; readonly actor: ActorKey; readonly turn: number }
  | { readonly kind: 'forget'; readonly actors: readonly ActorKey[] }
  /** `token`: of the handoff, or of nothing else. */
  | {
      readonly kind: 'release'
      readonly shard: ShardName
      readonly token: string
      readonly actors: readonly ActorKey[]
      readonly graceMs: number
    }
  /** Send this to oneself, through the broker. */
  | { readonly kind: 'mark'; readonly mark: Mark }
  | { readonly kind: 'reply'; readonly ticket: number; readonly reply: LifecycleReply }
  | { readonly kind: 'tell'; readonly node: string; readonly request: LifecycleRequest }
  | {
      readonly kind: 'send package'
      readonly to: string
      readonly shard: ShardName
      readonly token: string
      readonly pieces: readonly ShardState[]
    }
  /** Give `flush` once this turn of the event loop is over. */
  | { readonly kind: 'flush later' }
  /** Give `continue` once this turn of the event loop is over: other things must have their time. */
  | { readonly kind: 'continue later' }
  /** Give a `tick` in `inMs`, besides the regular ones. */
  | { readonly kind: 'alarm'; readonly inMs: number }
  | { readonly kind: 'notify'; readonly event: NodeEvent }

/** What users and tables hear of a node. */
export type NodeEvent =
  | { readonly kind: 'ready'; readonly view: number }
  | { readonly kind: 'view'; readonly view: View }
  | { readonly kind: 'suspended'; readonly reason: string }
  | { readonly kind: 'resumed' }
  | { readonly kind: 'fenced'; readonly reason: string }
  | { readonly kind: 'refused'; readonly why: Refusal }
  | { readonly kind: 'owned'; readonly shard: ShardName; readonly epoch: number; readonly actors: number }
  | { readonly kind: 'disowned'; readonly shard: ShardName; readonly reason: string }
  | { readonly kind: 'declared dead'; readonly nodeId: string; readonly inc: number }
  | { readonly kind: 'stuck'; readonly shard: ShardName; readonly actors: readonly ActorKey[] }
  | { readonly kind: 'healed'; readonly shard: ShardName }
  /** A message of an actor's was refused for good. */
  | {
      readonly kind: 'undeliverable'
      readonly actor: ActorKey
      readonly target: ActorKey
      readonly op: ActorMessage['op']
      readonly why: Refusal
    }
  | { readonly kind: 'history broken'; readonly reason: string }
  | { readonly kind: 'left'; readonly abandoned: readonly ShardName[] }
