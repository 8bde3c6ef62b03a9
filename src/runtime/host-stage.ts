/** Stage: the place where one live actor plays. XState hands its logic a `system` and nothing else to tell actors apart, so
 *  this is also where wrapped logic, `reply` and `held` find the actor that they run in. Outside of the host, in a plain
 *  `createActor`, there is no stage, and they do without. */

import type { ActorSystem, AnyActorRef, AnyEventObject } from 'xstate'
import type { ActorKey } from '../protocol/address.ts'
import type { Draft } from './host-draft.ts'

/** XState's registry of one actor and all its children. */
export type System = ActorSystem<any>

/** A child that touches the outside, as its actor sees it. */
export interface Part {
  /** A turn stopped it; what it holds is let go when that turn is committed. */
  readonly leaving: boolean
  /** Lets go of the outside now. */
  end(): void
}

export interface Stage {
  readonly actor: ActorKey
  /** The claim under which the actor last took a turn or woke. */
  readonly epoch: number
  /** What the turn under way has said and wants done; nothing between turns. */
  readonly draft: Draft | undefined
  /** The machine is gone; whatever still arrives from outside is for nobody. */
  readonly closed: boolean
  /** The callbacks, promises, observables and held resources that the machine and its child machines have. */
  readonly parts: Set<Part>
  /** Of all actors of the host: stops of `held` children that are under way, by actor and child. */
  readonly stopping: Map<string, Promise<void>>
  isRoot(ref: AnyActorRef): boolean
  /** Keeps an event that came between turns for a turn of its own. */
  postpone(target: AnyActorRef, event: AnyEventObject): void
  /** The actor must be stored again. */
  touch(): void
  /** Awaits the end of something that lets go of the outside. */
  linger(rest: Promise<unknown>): void
  report(thrown: unknown): void
  /** XState's `log` and `emit`, performed. */
  log(values: readonly unknown[]): void
  emit(event: AnyEventObject): void
}

/** Of the whole process: an actor module may have loaded another copy of Godwit than the node that runs it, as `npx godwit`
 *  does, and its `reply` must not go nowhere. */
const stageKey = Symbol.for('godwit.stage')

interface StagedSystem extends System {
  [stageKey]?: Stage
}

export const stageOf = (system: System): Stage | undefined => (system as StagedSystem)[stageKey]

/** On the system itself: a weak map of a million actors costs more than the actors (measured). */
export function setStage(system: System, stage: Stage): void {
  ;(system as StagedSystem)[stageKey] = stage
}

/** What an effect shows to the outside, so that a stale owner can be told from the present one. */
export interface FencingToken {
  readonly epoch: number
  readonly actor: ActorKey
}

/** The fencing token of the actor whose action, promise or callback got this `system`. Under plain XState the epoch is 0. */
export function epochOf(system: System): FencingToken {
  const stage = stageOf(system)
  return { epoch: stage?.epoch ?? 0, actor: stage?.actor ?? '' }
}
