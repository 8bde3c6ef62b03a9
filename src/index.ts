/** Godwit: resources are actors, and actors migrate. Everything that users may rely on is exported here. */

export { type ErrorCode, errorCodes, GodwitError, type Refusal } from './base/errors.ts'
export type { Client } from './client/client.ts'
export { type ClientOptions, connectClient } from './client/connect.ts'
export type { ActorRef, AnyDefinition, CallOptions, Requested, RequestOptions } from './client/ref.ts'
export type { NodeEvent } from './core/effects.ts'
export { timings, type TimingName } from './core/timing.ts'
export type { Durability } from './log/nats.ts'
export type { ActorView, Asked, ListRow, Located, NodeRow, Nodes, Spawned, Stopped } from './protocol/results.ts'
export {
  type ActorDefinition,
  type ActorOptions,
  type ContextOf,
  defineActor,
  type EventOf,
  type InputOf,
  type Replies,
  type ReplyOf,
  type ReplyType,
  type SchemaType,
  type,
  type ViewOf,
} from './runtime/definition.ts'
export { held, type HeldArgs, type HeldLogic, type HeldOptions, type HeldSnapshot } from './runtime/held.ts'
export { epochOf, type FencingToken } from './runtime/host-stage.ts'
export { type GodwitNode, type NodeEvents, type NodeOptions, type NodeWarning, startNode } from './runtime/node.ts'
export type { Connection, NatsOptions, StoreOptions } from './runtime/ports.ts'
export {
  type ActorAddress,
  askActor,
  type AskOptions,
  type SendOptions,
  sendToActor,
  spawnActor,
  stopActor,
} from './runtime/messages.ts'
export { keepReply, reply, type ReplyAction, type ReplyOptions, type ReplyToken } from './runtime/reply.ts'
