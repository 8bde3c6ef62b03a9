/** Turn: the contract between the core, which decides when an actor may act, and the actor host, which runs its machine.
 *  A turn is synchronous and touches nothing outside: what the machine wants done is kept by the host until the core
 *  says that the turn is committed (rules S3, E1). */

import type { Refusal } from '../base/errors.ts'
import type { ActorKey } from './address.ts'
import type { ActorMessage } from './actor-message.ts'

/** Why an actor takes a turn. */
export type Cause =
  /** The actor begins its life. `input` is encoded. */
  | { readonly kind: 'start'; readonly input: Uint8Array }
  /** An event from outside. `request` names it among all requests to this actor. */
  | {
      readonly kind: 'event'
      readonly event: Uint8Array
      /** Left out where nobody waits for a reply. */
      readonly request?: string
    }
  /** The next of the events that children of the machine, or its own effects, sent to it between turns. */
  | { readonly kind: 'internal' }
  /** The delayed transitions that are due now. */
  | { readonly kind: 'timers' }
  /** Nothing happens; only the view is asked for. */
  | {
      readonly kind: 'read'
      /** It answers an ask again, whose event was handled or not. */
      readonly again?: { readonly handled: boolean }
    }

/** An actor as it lies in the log, in a package and in memory while cold. */
export interface StoredActor {
  readonly status: 'active' | 'done' | 'error'
  readonly durability: 'durable' | 'volatile'
  /** Opaque to all but the host: machine snapshot, delayed transitions, events its children sent and it has not seen. Of a
   *  volatile actor in the log: its input only. */
  readonly state: Uint8Array
  /** Something of it acts by itself (a promise, a callback, an event that waits): it must be live wherever it is owned. Child
   *  machines that only wait for events or delays need not be. */
  readonly live: boolean
  /** From the moment of storing until its next delayed transition. */
  readonly dueInMs?: number
}

export interface Turn {
  readonly actor: ActorKey
  /** Grows by one with each turn of the shard; names the effects that the host keeps. */
  readonly number: number
  /** The claim under which the turn runs; the fencing token that effects see. */
  readonly epoch: number
  readonly cause: Cause
  /** Wakes the actor first, from what was stored, and when that was by the monotonic clock of this process. Left out when it is live, or begins. */
  readonly from?: { readonly stored: StoredActor; readonly storedAtMs: number }
  /** W3C `traceparent` of the request. */
  readonly trace?: string
  /** The asker wants the public view of the state after this turn, if the machine gives no reply of its own. */
  readonly wantsView: boolean
}

export interface TurnResult {
  /** 'failed': the event or input was refused or made the machine throw; the actor is as it was before, asleep if it slept, and
   *  nothing of the turn remains. Delayed and internal events never fail a turn: see `effectFailed`. */
  readonly outcome:
    | { readonly kind: 'ran'; readonly handled: boolean }
    | { readonly kind: 'failed'; readonly why: Refusal }
  /** The actor must be stored again. */
  readonly changed: boolean
  readonly status: StoredActor['status']
  readonly live: boolean
  /** When the next delayed transition is due, by the monotonic clock of this process; infinite when there is none. */
  readonly dueAtMs: number
  /** The machine keeps the request open (`keepReply`) and will answer in a later turn. */
  readonly kept: boolean
  /** The encoded answer to the request of this turn: the machine's own reply, or the view if it was wanted. */
  readonly answer?: Uint8Array
  /** `answer` is the public view, not a reply of the machine's own. */
  readonly answerIsView: boolean
  /** Encoded answers to requests kept earlier. */
  readonly answers: readonly { readonly request: string; readonly answer: Uint8Array }[]
  /** The host keeps effects under this turn's number, to be performed after the commit. */
  readonly effects: boolean
  /** What is to be sent to other actors, in order (rule M3). */
  readonly posts?: readonly Omit<ActorMessage, 'source' | 'stream' | 'number'>[]
}

/** What the core asks of the actor host. Nothing here throws; only `release` waits. */
export interface Host {
  take(turn: Turn): TurnResult
  /** Wakes an actor that must be live and takes no turn: its children start. */
  wake(actor: ActorKey, stored: StoredActor, storedAtMs: number, epoch: number): void
  /** The actor as it is, to be stored at `atMs`, from which its delays are counted, however long the process stood still since (T1); a refusal (`ACTOR_FAILED`) if it holds what cannot be encoded, and must be undone.
   *  Only after a turn, never inside. */
  store(actor: ActorKey, atMs: number): StoredActor | Refusal
  /** What the log keeps of a volatile actor: its input. Waking from it begins anew. */
  seed(actor: ActorKey): StoredActor
  /** Runs what the turn left to do, under the epoch that stands now. Only after its commit, only while the lease holds. */
  perform(actor: ActorKey, turn: number, epoch: number): void
  /** Undoes turn `turn` and all later ones of the actor: their effects are dropped, and so is the live machine with its
   *  children. It wakes from what was stored before, at its next turn. */
  undo(actor: ActorKey, turn: number): void
  /** Stops the machine and its children and drops all effects it left, without waiting. */
  forget(actor: ActorKey): void
  /** Stops the machines of these actors and their children. Resolves when all promises and cleanups of the children have settled, or
   *  after `graceMs`, with the actors that had not. Effects still kept by committed turns stay, those that need the live machine do not. */
  release(actors: readonly ActorKey[], graceMs: number): Promise<readonly ActorKey[]>
}

/** What the host tells, besides the results of turns. */
export interface HostListener {
  /** An event of a child, of the machine itself, or a promise's end waits: the core should order a turn with cause 'internal'.
   *  Called once an event, also from within `perform`, `wake` and a `take` that wakes. */
  internal(actor: ActorKey): void
  /** A committed effect threw, a child failed with nobody listening, or an event that nobody outside waits for (a delayed one, an
   *  internal one) made the machine throw: that event is used up, and the machine is as before it. */
  effectFailed(actor: ActorKey, thrown: unknown): void
  /** The machine's `log` action, after the commit. */
  logged(actor: ActorKey, values: readonly unknown[]): void
  /** The machine's `emit` action, after the commit. */
  emitted(actor: ActorKey, event: unknown): void
}
