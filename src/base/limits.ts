/** Limits: the bound of every queue, window, batch and wait, and what happens at the bound. One place to read them all;
 *  the relations between them are asserted below. */

import { assert } from './assert.ts'

export const limits = {
  /** Longest actor id in bytes of UTF-8; beyond: BAD_REQUEST. */
  idBytesMax: 512,
  /** Longest request id in bytes; beyond: BAD_REQUEST. */
  requestIdBytesMax: 256,
  /** Deepest nesting of a payload; beyond: BAD_REQUEST. */
  payloadDepthMax: 200,
  /** Largest event or input, encoded; beyond: TOO_LARGE. Below a NATS message of 1 MB with its frame. */
  payloadBytesMax: 900_000,
  /** Longest event type; beyond: EVENT_REJECTED. */
  eventTypeLengthMax: 256,

  /** Timeout of a call that names none, and the longest one that may be named; beyond: BAD_REQUEST. */
  timeoutMsDefault: 5_000,
  timeoutMsMax: 60_000,
  /** Rule M2's horizon H: a request id and its reply are kept this long after the request was processed. */
  requestKeepMs: 120_000,
  /** Request ids kept by a shard; full: OVERLOADED until the oldest has had its time. */
  requestsPerShardMax: 200_000,
  /** A reply above this is kept as its hash and answered again from the committed view. */
  replyKeptBytesMax: 1_024,

  /** Shards of each group, where the first node of a cluster says nothing else, and the most it may say. */
  shardsDefault: 64,
  shardsMax: 4_096,

  /** Frames that wait at a shard which cannot take turns; beyond: OVERLOADED. */
  parkedFramesMax: 10_000,
  parkedBytesMax: 32 * 2 ** 20,
  /** Turns gathered for one commit; beyond, frames wait in the mailbox. */
  turnsPerCommitMax: 4_096,
  /** Appends of commits in flight per node: few, so that batches grow instead. */
  appendsInFlightMax: 8,
  /** Calls of one client or node that have no answer yet; beyond: OVERLOADED. */
  callsInFlightMax: 65_536,
  /** A frame without an answer is sent again after this long. */
  resendMs: 1_000,

  /** Messages of one stream between two actors that are on their way at once. */
  messagesInFlightMax: 64,
  /** Messages of one actor that are not settled; beyond: what clients ask of it is refused with OVERLOADED. */
  messagesPerActorMax: 1_000,
  /** An attempt to deliver a message; then it begins anew. */
  messageTimeoutMs: 10_000,
  /** Before the next attempt, at first and at most. */
  messageRestMsMin: 50,
  messageRestMsMax: 5_000,
  /** A stream without messages is ended after this long, so that its target may forget it. */
  streamLingerMs: 5_000,

  /** Claims, and handoffs in either direction, that a node has under way (rule D4). */
  claimsAtOnceMax: 8,
  handoffsAtOnceMax: 4,
  /** Rule 7 of the handoff: T. */
  handoffStepMs: 2_000,
  /** Piece of a package or of a checkpoint. */
  chunkBytes: 256 * 1_024,
  /** Records of the log that a package names, so that its receiver can heal a loss that reaches behind the handoff. */
  chainHandedMax: 500,
  /** Pieces of one package; a message that speaks of more is dropped. */
  packagePiecesMax: 16_384,
  /** The log since the last checkpoint must outweigh it and this much before the next is written. */
  checkpointLogBytesMin: 1 * 2 ** 20,
  /** A checkpoint up to this size travels in one record (`Nats-Rollup`); a larger one in parts. */
  checkpointInlineBytesMax: 512 * 1_024,
  /** Longest stretch of packing or waking without giving the event loop back. */
  sliceMs: 10,

  /** Macrosteps of one machine transition; beyond: ACTOR_FAILED (an `always` that loops for ever). */
  machineStepsMax: 1_000,
  /** A member's own stop of asynchronous children on a planned move, where the definition says nothing else. */
  releaseTimeoutMsDefault: 5_000,
  /** Events that a machine sent to a `held` child whose start is under way; beyond: the child fails. */
  heldEventsMax: 1_000,
  /** Between two attempts to move a shard whose children did not let go: its actors take turns meanwhile. Twice as long after each
   *  attempt, because a node that stood still looks the same. */
  stuckRestMsMin: 1_000,
  stuckRestMsMax: 10_000,
  /** After an actor outgrew its record with several events at once, a commit of its shard holds one turn for as long. */
  singlyMs: 2_000,
  /** After the store had no room for a commit, the actors of its shard begin nothing by themselves for as long. */
  fullRestMs: 500,
} as const

assert(
  limits.requestKeepMs >= limits.timeoutMsMax + 2 * limits.handoffStepMs + 13_250,
  'H covers the longest timeout and a take-over',
)
assert(limits.chunkBytes <= limits.payloadBytesMax, 'a chunk fits a message')
assert(limits.checkpointInlineBytesMax <= limits.payloadBytesMax, 'an inline checkpoint fits a message')
