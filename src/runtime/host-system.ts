/** System: XState's registry of an actor and its children, taken over before the first of them has a state. This is the one place
 *  that needs more of XState than its published types; test/host pins all of it. */

import { Actor, type AnyActor, type AnyActorLogic, type AnyActorRef, type AnyActorScope, type Snapshot } from 'xstate'
import type { Delays } from './host-delays.ts'
import { setStage, type Stage, stageOf, type System } from './host-stage.ts'
import { staged } from './host-staging.ts'

interface InnerSystem extends System {
  _sendInspectionEvent: (event: Inspected) => void
  _set: (systemId: string, ref: AnyActorRef) => void
  _unregister: (ref: AnyActorRef) => void
  [originals]?: Pick<InnerSystem, '_set' | '_unregister'>
}

interface Inspected {
  readonly type: string
  readonly actorRef: AnyActor
}

const originals = Symbol('godwit.originals')

/** Comes to a root as its input or its snapshot, with the stage on which it is to play. */
export interface Arrival {
  readonly stage: Stage
  readonly delays: Delays
  /** Taken out on arrival: XState keeps what it was given for as long as the actor lives. */
  content: unknown
}

const roots = new WeakMap<AnyActorLogic, AnyActorLogic>()

/** The machine's logic for a root: staged, and first of all it takes over the system that XState has just made. */
export function arriving(machine: AnyActorLogic): AnyActorLogic {
  const known = roots.get(machine)
  if (known !== undefined) return known
  const logic = staged(machine)
  const root: AnyActorLogic = {
    ...logic,
    getInitialSnapshot: (scope, arrival: Arrival) => logic.getInitialSnapshot(scope, arrive(arrival, scope)),
    restoreSnapshot: (arrival, scope) =>
      logic.restoreSnapshot!(arrive(arrival as object as Arrival, scope) as Snapshot<unknown>, scope),
  }
  roots.set(machine, root)
  return root
}

function arrive(arrival: Arrival, { self, system }: AnyActorScope): unknown {
  const { stage, delays, content } = arrival
  arrival.content = undefined
  takeOver(system as InnerSystem, stage, delays)
  self.stop = refuseStop
  return content
}

/** `self.stop()` in an action would leave a machine that is neither over nor alive. */
function refuseStop(this: AnyActorRef): void {
  stageOf(this.system)!.report(
    new Error('a machine ends in a final state, or is stopped by a client; it cannot stop itself'),
  )
}

export const stopRoot = (root: AnyActor): void => void Actor.prototype.stop.call(root)

function takeOver(system: InnerSystem, stage: Stage, delays: Delays): void {
  setStage(system, stage)
  system.scheduler = delays
  // Instead of `inspect`, which costs two thirds of the speed of a turn (measured).
  system._sendInspectionEvent = onInspected
  system[originals] = { _set: system._set, _unregister: system._unregister }
  system._set = nameActor
  system._unregister = unnameActor
}

/** XState tells of each actor that it creates before it makes the actor's first state: the moment to put staged logic under it,
 *  whether it was invoked, spawned, named, inline or restored. */
function onInspected({ type, actorRef }: Inspected): void {
  if (type === '@xstate.actor') actorRef.logic = staged(actorRef.logic)
}

/** A transition that throws must leave the names (`systemId`) of its system as they were. */
function nameActor(this: InnerSystem, systemId: string, ref: AnyActorRef): void {
  const { _set, _unregister } = this[originals]!
  const known = this.get(systemId) === ref
  _set(systemId, ref)
  if (!known) stageOf(this)!.draft?.unname.push(() => _unregister(ref))
}

function unnameActor(this: InnerSystem, ref: AnyActorRef): void {
  const { _set, _unregister } = this[originals]!
  const { systemId } = ref as AnyActor
  const known = systemId !== undefined && this.get(systemId) === ref
  _unregister(ref)
  if (known) stageOf(this)!.draft?.unname.push(() => _set(systemId, ref))
}
