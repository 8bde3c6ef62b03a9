/** Host: runs the machines of a node's actors on XState, one activation for each live actor, when the core says so. A turn is
 *  pure; its effects are kept until the core says that the turn is committed. Nothing here decides. */

import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf, type Refusal, refuse } from '../base/errors.ts'
import { addressOf, type ActorKey } from '../protocol/address.ts'
import { encode } from '../protocol/codec.ts'
import type { Host, HostListener, StoredActor, Turn, TurnResult } from '../protocol/turn.ts'
import type { ActorDefinition } from './definition.ts'
import { Activation, type World } from './host-activation.ts'
import { Draft } from './host-draft.ts'
import { createEffects, performAll } from './host-effects.ts'
import { createLingering } from './host-lingering.ts'
import { type ActorState, decodeState } from './host-state.ts'
import { failed, type Played, playStart, playTurn, standingOf } from './host-turn.ts'

export interface HostOptions {
  readonly definitions: readonly ActorDefinition[]
  readonly listener: HostListener
  readonly clock: Clock
}

/** An actor that cannot run here: its stored state does not fit its machine, or its end was lost with its node. It is given back as
 *  it came, never overwritten. */
interface Unfit {
  readonly why: Refusal
  readonly stored: StoredActor
}

export function createHost({ definitions, listener, clock }: HostOptions): Host {
  const types = new Map(definitions.map((definition) => [definition.type, definition]))
  const live = new Map<ActorKey, Activation>()
  const unfit = new Map<ActorKey, Unfit>()
  const effects = createEffects()
  const lingering = createLingering(clock, (actor, thrown) => listener.effectFailed(actor, thrown))
  const world: World = { clock, listener, stopping: new Map(), linger: lingering.add }

  function take(turn: Turn): TurnResult {
    const { actor } = turn
    const definition = types.get(addressOf(actor).type)
    if (definition === undefined) return failed(unknownType(actor))
    if (turn.cause.kind === 'start') return start(definition, turn, turn.cause.input)

    const known = live.get(actor)
    const activation = known ?? wakeFor(definition, turn)
    if (!(activation instanceof Activation)) {
      const { why, stored } = activation
      // Nothing of it is due until it is looked at again.
      return failed(why, { status: stored.status, live: stored.live, dueAtMs: Infinity })
    }
    activation.epoch = turn.epoch
    const played = playTurn(activation, turn, turn.cause)
    // What slept before a turn that failed sleeps on, as the core believes it does.
    if (known === undefined && played.draft === undefined) drop(activation)
    return keep(activation, turn, played)
  }

  function start(definition: ActorDefinition, turn: Turn, input: Uint8Array): TurnResult {
    forget(turn.actor)
    const activation = new Activation(world, definition, turn.actor, turn.epoch)
    const played = playStart(activation, turn, input)
    if (played.draft !== undefined) live.set(turn.actor, activation)
    return keep(activation, turn, played)
  }

  function keep(activation: Activation, { actor, number }: Turn, { draft, result }: Played): TurnResult {
    if (draft !== undefined && result.effects) effects.keep(actor, number, activation, draft.effects)
    return result
  }

  function wakeFor(definition: ActorDefinition, { actor, from, epoch }: Turn): Activation | Unfit {
    const known = unfit.get(actor)
    if (known !== undefined) return known
    assert(from !== undefined, `${actor} takes a turn and is neither live nor stored`)
    return awaken(new Activation(world, definition, actor, epoch), from.stored, from.storedAtMs)
  }

  function wake(actor: ActorKey, stored: StoredActor, storedAtMs: number, epoch: number): void {
    const definition = types.get(addressOf(actor).type)
    if (definition === undefined || live.has(actor)) return
    awaken(new Activation(world, definition, actor, epoch), stored, storedAtMs)
  }

  function awaken(activation: Activation, stored: StoredActor, storedAtMs: number): Activation | Unfit {
    const { actor, definition } = activation
    try {
      const state = decodeState(stored.state)
      if (state.machine === undefined && stored.status !== 'active') return becomeUnfit(actor, stored, lostEnd(stored))
      if (state.version > definition.version)
        throw new Error(`version ${state.version} of its type wrote it, and this node has ${definition.version}`)
      // Known before it wakes: its children may send events at once, and those must find it.
      live.set(actor, activation)
      if (state.machine === undefined) beginAnew(activation, state)
      else activation.wake(state, storedAtMs)
      return activation
    } catch (thrown) {
      live.delete(actor)
      const why = `the stored state of ${actor} does not fit its machine: ${messageOf(thrown)}`
      return becomeUnfit(actor, stored, refuse('ACTOR_FAILED', why))
    }
  }

  /** A volatile actor after a crash: that it exists is committed, so its first effects are due at once. */
  function beginAnew(activation: Activation, { input = encode(undefined) }: ActorState): void {
    const draft = new Draft()
    activation.play(draft, () => activation.begin(input))
    performAll(activation, draft.effects)
  }

  function becomeUnfit(actor: ActorKey, stored: StoredActor, why: Refusal): Unfit {
    const is = { why, stored }
    unfit.set(actor, is)
    return is
  }

  function store(actor: ActorKey, atMs: number): StoredActor | Refusal {
    const known = unfit.get(actor)
    if (known !== undefined) return known.stored
    const activation = liveOne(actor)
    try {
      const { durability } = activation.definition
      const { dueAtMs, ...standing } = standingOf(activation)
      const dueInMs = Math.max(0, dueAtMs - atMs)
      return { durability, state: activation.encode(atMs), ...standing, ...(dueInMs < Infinity && { dueInMs }) }
    } catch (thrown) {
      return refuse('ACTOR_FAILED', `${actor} holds what cannot be stored: ${messageOf(thrown)}`)
    }
  }

  function seed(actor: ActorKey): StoredActor {
    const known = unfit.get(actor)
    if (known !== undefined) return known.stored
    const activation = liveOne(actor)
    const { durability } = activation.definition
    return {
      durability,
      state: activation.encodeSeed(),
      status: standingOf(activation).status,
      live: activation.livesFirst,
    }
  }

  function liveOne(actor: ActorKey): Activation {
    const activation = live.get(actor)
    assert(activation !== undefined, `${actor} is live`)
    return activation
  }

  function undo(actor: ActorKey, turn: number): void {
    effects.undo(actor, turn)
    stop(actor)
  }

  function forget(actor: ActorKey): void {
    effects.drop(actor)
    stop(actor)
  }

  function release(actors: readonly ActorKey[], graceMs: number): Promise<readonly ActorKey[]> {
    for (const actor of actors) stop(actor)
    return lingering.settled(actors, graceMs)
  }

  function stop(actor: ActorKey): void {
    const activation = live.get(actor)
    if (activation !== undefined) drop(activation)
    unfit.delete(actor)
  }

  function drop(activation: Activation): void {
    live.delete(activation.actor)
    activation.close()
  }

  return { take, wake, store, seed, perform: effects.perform, undo, forget, release }
}

const unknownType = (actor: ActorKey): Refusal => refuse('TYPE_UNKNOWN', `this node has no definition for ${actor}`)

const lostEnd = ({ status }: StoredActor): Refusal =>
  refuse(
    status === 'done' ? 'ACTOR_DONE' : 'ACTOR_FAILED',
    'the actor was over, and its last state was lost with its node',
  )
