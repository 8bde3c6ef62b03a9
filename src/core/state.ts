/** State: everything that a node's core knows, as data. Each part is changed by one module, named beside it. */

import type { Lanes } from './lanes.ts'
import type { Lease } from './lease.ts'
import type { Delivery, Mailbox } from './mailbox.ts'
import type { Outbox, Post } from './outbox.ts'
import type { Request, Requests, Waiter } from './requests.ts'
import type { Ring } from './ring.ts'
import type { Timing } from './timing.ts'
import type { Effect, Logged } from './effects.ts'
import type { Identities } from '../protocol/log-results.ts'
import type { ActorKey, ShardName } from '../protocol/address.ts'
import type {
  LogRecord,
  PartRef,
  Profile,
  ReleaseRecord,
  RequestEntry,
  Row,
  ShardState,
  View,
} from '../protocol/records.ts'
import type { StoredActor } from '../protocol/turn.ts'

/** What a node is told at birth and never changes. */
export interface NodeConfig {
  readonly profile: Profile
  /** Drawn at random by the process: every token this node makes begins with it. */
  readonly boot: string
  readonly timing: Timing
  /** Shards of each group. */
  readonly shards: number
  /** The largest record the log takes. */
  readonly recordBytesMax: number
  /** Types with what the core must know of them. */
  readonly types: ReadonlyMap<string, TypePolicy>
}

export interface TypePolicy {
  readonly group: string
  readonly durability: 'durable' | 'volatile'
  readonly onLeaseLost: 'release' | 'hold'
  readonly releaseTimeoutMs: number
}

export interface NodeState {
  readonly config: NodeConfig
  /** Monotonic milliseconds of the present step: waits and deadlines. */
  nowMs: number
  /** Effects of the present step. */
  out: Effect[]
  /** Grows with every token made. */
  tokens: number
  readonly lease: Lease
  readonly self: Membership
  readonly cluster: Cluster
  readonly history: History
  readonly freshness: Freshness
  /** Set in the step in which this life ended; `node.ts` acts on it in the same step. */
  fencedBecause: string | undefined
  /** Children were stopped because the lease was over (rule N4). */
  asleep: boolean
  readonly shards: Map<ShardName, Shard>
  readonly work: Work
  /** Packages that arrived for shards this node has asked for. Changed by handoff.ts. */
  readonly packages: Map<ShardName, Package>
}

// ---- membership.ts: the node's own row

export type Life =
  /** Looks at its row. */
  | { readonly kind: 'joining' }
  /** Its row shows another life, which must be gone or stand still for W first (rule N7). */
  | { readonly kind: 'waiting'; readonly seq: number; readonly sinceMs: number }
  | { readonly kind: 'member' }
  /** Hands everything over; at the deadline it lets go of the rest. */
  | { readonly kind: 'leaving'; readonly deadlineMs: number }
  | { readonly kind: 'left' }

export interface Membership {
  life: Life
  inc: number
  rowSeq: number
  beats: number
  nextBeatMs: number
  /** The one beat whose outcome is open. `doubt`: the row is being read (rule N2). */
  beat: { readonly row: Row; readonly sentLeaseMs: number; doubt: boolean } | undefined
  readingRow: boolean
  /** Was UP when it was last looked at: the edges are what users hear. */
  wasUp: boolean
  /** The lease ran out, or was void, since what is held was last compared with the logs (rule N5). */
  lapsed: boolean
  /** Monotonic time since which the node has been UP without a lapse (rule D1). */
  upSinceMs: number
  announced: boolean
}

// ---- view.ts: the others

export interface Seen {
  readonly row: Row
  readonly seq: number
  readonly arrivedMs: number
}

export interface Cluster {
  readonly rows: Map<string, Seen>
  /** Members of the view that have no row in the log. */
  readonly missing: Set<string>
  /** Nodes whose rows the broker may have lost since they were seen: until they are read again they prove nothing. */
  readonly doubted: Set<string>
  view: View | undefined
  viewSeq: number
  /** Of the view that lies in the log, as far as is known: lower than that of `view` where the broker has forgotten it. */
  loggedNumber: number
  ring: Ring | undefined
  /** When the view was last read from the leader, and when the reading that is under way was ordered. */
  viewReadMs: number
  readingViewSinceMs: number | undefined
  /** A proposal is under way, or since when the rows have asked for one. */
  proposing: boolean
  differsSinceMs: number | undefined
  readonly declaring: Set<string>
}

// ---- history.ts: the broker's past

export interface History {
  connected: boolean
  known: Identities | undefined
  /** 'identity', 'row', 'tails': rule R3, after a reconnect; before all three are through nothing is beaten or started.
   *  'resume': rule N5, after a lapse of the lease; beats go on. */
  check: 'none' | 'identity' | 'row' | 'tails' | 'resume'
  /** Shards whose tails must still be compared. */
  readonly tailsLeft: Set<ShardName>
  /** Rule R2: no claim before this; and nothing is taken up again, after a lease that was over. */
  noClaimsBeforeMs: number
  noResumingBeforeMs: number
  /** From then on the broker has been up for W. */
  steadyFromMs: number
  /** The highest sequences that were ever stored or read (rule R1). */
  highest: Reach
  /** What was the highest when the reading of the identity that is under way was ordered. */
  readingIdentity: Reach | undefined
  /** Number of that reading: the answer of an earlier one may still come, and is older. */
  readings: number
  /** How often the broker may have lost its newest records. */
  breaks: number
}

export interface Reach {
  readonly control: number
  readonly shards: number
}

// ---- freshness.ts: how old what comes may be

/** On the lease clock, which also counts the time that a machine sleeps (rule C1). */
export interface Freshness {
  sentMs: number
  /** When the newest mark that came back was sent. */
  heardMs: number
}

// ---- work.ts: what is to be acted on, one act a step

export interface Work {
  /** Shards that may have something to do, in turn. */
  readonly ready: Set<ShardName>
  /** An act was started and its outcome has not come back. */
  acting: boolean
  sliceSinceMs: number
  continuing: boolean
  /** Shards with something to append, oldest first. */
  readonly dirty: Set<ShardName>
  flushing: boolean
  /** What is wanted and what is held should be compared before this step is over. */
  reconcile: boolean
  /** The loop was asked for a tick at this moment; infinite when it was not. */
  alarmMs: number
  /** The earliest delayed transition of all shards, or a moment before it. */
  soonestMs: number
}

// ---- ownership.ts and its neighbours: one shard

export type Phase =
  /** The ring gives it to this node; the tail is to be judged (rule S1). `adopt`: the log may name this node although the ring
   *  does not; then it is claimed so that it can be handed over. */
  | { readonly kind: 'looking'; reading: boolean; readonly sinceMs: number; retryMs: number; readonly adopt?: boolean }
  /** Its owner lives and was asked for it. */
  | { readonly kind: 'asking'; readonly owner: string; readonly inc: number; retryMs: number }
  | { readonly kind: 'claiming'; readonly over: ReleaseSeen | undefined }
  | { readonly kind: 'folding'; entries: readonly Logged<LogRecord>[] | undefined; retryMs: number }
  | { readonly kind: 'owned' }
  /** Handoff steps 2 and 3. */
  | Draining
  /** Handoff step 4: never runs here again without a new claim. */
  | { readonly kind: 'releasing'; readonly to: string | null; readonly token: string | null }
  /** The broker lost the newest records, or others may have claimed in records that it lost: a claim, and a full checkpoint where it is
   *  needed, bring the shard back (rules R2, R3). */
  | Healing

export type ReleaseSeen = Pick<ReleaseRecord, 'handoff' | 'weight'>

export interface Healing {
  readonly kind: 'healing'
  /** Its newest records are lost: a full checkpoint follows the claim. */
  readonly lost: boolean
  step: 'waiting' | 'claiming' | 'checkpointing'
  notBeforeMs: number
  /** By the lease clock, the end of the lease as it was before the loss. Others may claim from W after the loss on, so what runs outside
   *  must be down by then, however the lease was renewed since. */
  childrenUntilMs: number
}

export interface Draining {
  readonly kind: 'draining'
  readonly to: string | null
  /** When the present step began. */
  sinceMs: number
  step: 'committing' | 'stopping' | 'sending'
  readonly token: string
}

export interface Shard {
  readonly name: ShardName
  phase: Phase
  /** Last sequence of the log as far as this node knows. */
  tailSeq: number
  /** Sequence of the standing claim, when it is this node's. */
  epoch: number
  append: Append | undefined
  readonly mailbox: Mailbox
  readonly lanes: Lanes<Delivery>
  readonly actors: Map<ActorKey, Entry>
  readonly requests: Requests
  readonly outbox: Outbox
  /** Events that tell actors of messages of theirs that were refused for good. */
  readonly failures: Failure[]
  /** The one whose turn is being taken. */
  hearing: Failure | undefined
  /** Turns are numbered through the life of the shard at this node. */
  turns: number
  /** Being filled while another one is in flight. */
  batch: Batch
  /** Turned, collected and on its way. */
  inFlight: Batch | undefined
  /** The frame whose turn is being taken. */
  opened: Opened | undefined
  /** Nothing is opened or woken before all that was turned is committed. */
  waitsForCommit: boolean
  /** An actor outgrew its record with several events at once: until then a commit holds one turn. */
  singlyUntilMs: number
  /** The store had no room: until then nobody acts but who is asked to, so that what was undone is not done over and over. */
  restsUntilMs: number
  /** Committed effects to be performed, and machines to be forgotten after theirs, in order. */
  readonly performs: Extract<After, { readonly kind: 'perform' | 'forget' }>[]
  /** Stopped actors whose children may not have let go yet, and until when a move waits for them. */
  readonly parting: Map<ActorKey, number>
  /** Actors with events of their children or their own to take. */
  readonly internals: ActorKey[]
  /** Actors that hold children and must be woken. */
  readonly wakes: Set<ActorKey>
  /** Delayed transitions, earliest first. */
  readonly due: Due[]
  readonly checkpoint: Checkpointing
  /** Tokens of the records of this node's claim and of those before it, newest last (rule R3). */
  readonly chain: string[]
  /** When the tail was last compared with what is held (rule S6). */
  auditMs: number
  /** A move was given up because children did not let go: none before this, so that the actors can go on. */
  noMoveBeforeMs: number
  /** Moves that were given up because children did not let go. */
  stuckInARow: number
}

/** `event` is encoded; its turn settles the message. */
export interface Failure {
  readonly actor: ActorKey
  readonly event: Uint8Array
  readonly stream: string
  readonly number: number
}

export interface Opened {
  readonly delivery: Delivery
  /** Left out for reads. */
  readonly request?: Request
}

export interface Due {
  readonly atMs: number
  readonly actor: ActorKey
}

export interface Append {
  readonly record: LogRecord
  readonly replace: boolean
  readonly expected: number
  /** Sent and not answered; waiting to be sent, as a rule again; or the tail is being read. */
  state: 'sent' | 'waiting' | 'checking'
  retryMs: number
  /** Every sending so far was certainly not stored. */
  clean: boolean
}

export interface Entry {
  readonly durability: 'durable' | 'volatile'
  /** What the log holds of it; of a volatile actor its seed. Undefined until its start is committed. */
  committed: StoredActor | undefined
  committedAtMs: number
  /** As it is in the commit in flight. */
  sent: { readonly stored: StoredActor; readonly atMs: number } | undefined
  /** The finished life that this one has begun over, until that is committed. */
  before: Entry | undefined
  /** As it was last taken from the host, and when; the machine wakes from this. */
  stored: StoredActor | undefined
  storedAtMs: number
  status: StoredActor['status']
  live: boolean
  /** The host holds its machine. */
  awake: boolean
  /** It was put to sleep in this step, and its state is on its way from the host. An undo makes that void. */
  dozing: boolean
  /** The batch that holds its newest change; undefined when all is committed. */
  changedIn: Batch | undefined
  /** Its next delayed transition, and the earliest entry for it in the shard's heap. */
  dueAtMs: number
  queuedAtMs: number
}

/** Turns taken and not yet committed. */
export interface Batch {
  turns: number
  /** Estimate of what its requests and answers add to the record. */
  bytes: number
  /** Actors whose state goes into the record. */
  readonly changed: Set<ActorKey>
  readonly stopped: Map<ActorKey, Entry>
  readonly requests: { readonly request: Request; readonly answer: RequestEntry['answer'] }[]
  /** What is to be sent to other actors, in order. */
  readonly posts: Post[]
  /** What waits for the commit, in order. */
  readonly after: After[]
}

export type After = { readonly actor: ActorKey } & (
  | { readonly kind: 'answer'; readonly waiter: Waiter; readonly body: Uint8Array }
  /** The answer of a request: to all who asked, and to be remembered as `remembered`. */
  | {
      readonly kind: 'settle'
      readonly request: Request
      readonly body: Uint8Array
      readonly remembered: Uint8Array | 'view' | 'unhandled'
    }
  | { readonly kind: 'keep open'; readonly request: Request }
  /** Its source has heard that it was refused. */
  | { readonly kind: 'message over'; readonly stream: string; readonly number: number }
  | { readonly kind: 'perform'; readonly turn: number }
  | { readonly kind: 'forget' }
)

export interface Checkpointing {
  logBytes: number
  stateBytes: number
  /** Parts that the newest checkpoint in the log stands on. */
  parts: readonly PartRef[]
  state:
    | { readonly kind: 'idle' }
    | ({ readonly kind: 'uploading' } & Upload)
    | ({ readonly kind: 'ready'; readonly parts: readonly PartRef[]; readonly bytes: number } & Upload)
}

interface Upload {
  readonly token: string
  readonly covers: number
  readonly takenMs: number
  /** `breaks` of the history when it began. */
  readonly breaks: number
}

export interface Package {
  readonly token: string
  readonly pieces: (ShardState | undefined)[]
  readonly arrivedMs: number
}

export type { Delivery, Request, Waiter }
