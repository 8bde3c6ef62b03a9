/** Activation: one live actor: its XState actor, and what XState does not keep for it: delays, postponed events, the draft of
 *  the turn under way. It is made by a start (from input), or wakes (from what was stored). */

import { type AnyActor, type AnyActorRef, type AnyEventObject, type AnyMachineSnapshot, createActor } from 'xstate'
import type { Clock } from '../base/clock.ts'
import { addressOf, type ActorKey } from '../protocol/address.ts'
import { decode } from '../protocol/codec.ts'
import type { ActorView } from '../protocol/results.ts'
import type { HostListener } from '../protocol/turn.ts'
import type { ActorDefinition } from './definition.ts'
import { Delays } from './host-delays.ts'
import type { Draft } from './host-draft.ts'
import type { Part, Stage } from './host-stage.ts'
import { type ActorState, checkFit, decodeEvent, encodeEvent, encodeState, pathOf, refAt } from './host-state.ts'
import { type Arrival, arriving, stopRoot } from './host-system.ts'

/** What all activations of a host share. */
export interface World {
  readonly clock: Clock
  readonly listener: HostListener
  readonly stopping: Map<string, Promise<void>>
  /** Awaits that an actor's stopped child has let go of the outside. */
  readonly linger: (actor: ActorKey, rest: Promise<unknown>) => void
}

interface Postponed {
  readonly target: AnyActorRef
  readonly event: AnyEventObject
  readonly bytes: Uint8Array
}

export class Activation implements Stage {
  readonly actor: ActorKey
  readonly definition: ActorDefinition
  readonly parts = new Set<Part>()
  readonly delays: Delays
  epoch: number
  draft: Draft | undefined
  changed = false
  closed = false
  /** The first state had something that acts by itself. */
  livesFirst = false
  /** Encoded; kept for volatile actors, whose log holds nothing else. */
  #input: Uint8Array | undefined
  readonly #world: World
  #root!: AnyActor
  #postponed: Postponed[] = []
  #waking = false

  constructor(world: World, definition: ActorDefinition, actor: ActorKey, epoch: number) {
    this.#world = world
    this.definition = definition
    this.actor = actor
    this.epoch = epoch
    this.delays = new Delays(world.clock, this)
  }

  get root(): AnyActor {
    return this.#root
  }

  get snapshot(): AnyMachineSnapshot {
    return this.#root.getSnapshot()
  }

  /** Runs a turn: what it says and wants done is in the draft. */
  play(draft: Draft, act: () => void): void {
    this.draft = draft
    this.changed = false
    try {
      act()
    } finally {
      this.draft = undefined
    }
  }

  /** Begins a life, inside a turn. Throws what the machine throws over its input. */
  begin(input: Uint8Array): void {
    this.#create({ input: { stage: this, delays: this.delays, content: decode(input) } })
    if (this.snapshot.status === 'error') throw this.snapshot.error
    if (this.definition.durability === 'volatile') this.#input = input
    this.#root.start()
    this.livesFirst = this.live || this.delays.dueAtMs() < Infinity
  }

  /** Goes on from a stored state; children that touch the outside begin at once. Throws if the state does not fit the machine. */
  wake({ machine, delays = [], pending = [], input, livesFirst = false }: ActorState, storedAtMs: number): void {
    this.#create({ snapshot: { stage: this, delays: this.delays, content: machine } })
    checkFit(machine!, this.#root)
    this.#input = input
    this.livesFirst = livesFirst
    for (const { source, target, leftMs, ...delay } of delays) {
      const from = refAt(this.#root, source)
      const to = refAt(this.#root, target)
      if (from && to) this.delays.arm({ ...delay, source: from, target: to, dueAtMs: storedAtMs + leftMs })
    }
    for (const { target, event } of pending) {
      const to = refAt(this.#root, target)
      if (to) this.#queue(to, decodeEvent(event), event)
    }
    this.#waking = true
    // An actor that is over needs no start: XState would report its end once more.
    if (this.snapshot.status === 'active') this.#root.start()
    this.#waking = false
  }

  /** As it stands at `atMs`. Throws for what cannot be encoded. */
  encode(atMs: number): Uint8Array {
    const delays = [...this.delays.armed].flatMap(({ source, target, dueAtMs, ...delay }) => {
      const from = pathOf(source)
      const to = pathOf(target)
      return from && to ? [{ ...delay, source: from, target: to, leftMs: dueAtMs - atMs }] : []
    })
    const pending = this.#postponed.flatMap(({ target, bytes }) => {
      const to = pathOf(target)
      return to ? [{ target: to, event: bytes }] : []
    })
    return encodeState({
      version: this.definition.version,
      machine: this.#root.getPersistedSnapshot(),
      ...(delays.length > 0 && { delays }),
      ...(pending.length > 0 && { pending }),
      ...(this.#input && { input: this.#input, livesFirst: this.livesFirst }),
    })
  }

  /** What a volatile actor began with. */
  encodeSeed(): Uint8Array {
    return encodeState({ version: this.definition.version, ...(this.#input && { input: this.#input }) })
  }

  /** The first of the postponed events whose receiver still is there. */
  takePostponed(): { readonly target: AnyActorRef; readonly event: AnyEventObject } | undefined {
    const next = this.#postponed.shift()
    if (next === undefined) return undefined
    this.touch()
    return pathOf(next.target) && next
  }

  /** Something of it acts by itself, or an event waits: it must be live wherever it is owned. */
  get live(): boolean {
    if (this.#postponed.length > 0) return true
    for (const part of this.parts) if (!part.leaving) return true
    return false
  }

  view(): ActorView {
    const { status, value, context, tags, output, error } = this.snapshot
    return {
      status: status as ActorView['status'],
      value,
      context,
      tags: [...tags],
      ...(output !== undefined && { output }),
      ...(error !== undefined && { error }),
    }
  }

  /** Stops the machine and lets go of the outside; what takes time lingers. */
  close(): void {
    this.closed = true
    stopRoot(this.#root)
    // What a turn stopped whose effects are not performed, and never will be.
    for (const part of this.parts) part.end()
  }

  // ---- Stage: what the staged logic of this actor asks for

  get stopping(): Map<string, Promise<void>> {
    return this.#world.stopping
  }

  isRoot(ref: AnyActorRef): boolean {
    return ref === this.#root
  }

  postpone(target: AnyActorRef, event: AnyEventObject): void {
    if (this.closed) return
    // A child that starts again repeats a snapshot that its parent has seen.
    if (this.#waking && event.type.startsWith('xstate.snapshot.')) return
    try {
      this.#queue(target, event, encodeEvent(event))
    } catch (thrown) {
      this.#refusePostponed(target, event, thrown)
    }
  }

  touch(): void {
    this.changed = true
  }

  linger(rest: Promise<unknown>): void {
    this.#world.linger(this.actor, rest)
  }

  /** Called by XState: the machine is in its error state. */
  error(thrown: unknown): void {
    this.report(thrown)
  }

  report(thrown: unknown): void {
    this.#world.listener.effectFailed(this.actor, thrown)
  }

  log(values: readonly unknown[]): void {
    this.#world.listener.logged(this.actor, values)
  }

  emit(event: AnyEventObject): void {
    this.#world.listener.emitted(this.actor, event)
  }

  // ---- inside

  #create(from: { readonly input: Arrival } | { readonly snapshot: Arrival }): void {
    const logic = arriving(this.definition.machine)
    this.#root = createActor(logic, { ...from, id: addressOf(this.actor).id } as object)
    // XState throws the error of an actor that nobody observes into the process.
    this.#root.subscribe(this)
  }

  #queue(target: AnyActorRef, event: AnyEventObject, bytes: Uint8Array): void {
    this.#postponed.push({ target, event, bytes })
    this.#world.listener.internal(this.actor)
  }

  /** What cannot be stored must not keep the actor from being stored: a result becomes an error that the machine can handle. */
  #refusePostponed(target: AnyActorRef, event: AnyEventObject, thrown: unknown): void {
    this.report(thrown)
    if (!event.type.startsWith('xstate.done.actor.')) return
    const failed = { type: event.type.replace('.done.', '.error.'), error: thrown, actorId: event['actorId'] }
    this.#queue(target, failed, encodeEvent(failed))
  }
}
