/** Rigging: the scope that a machine's transitions get instead of XState's own. The machine's actions end in the turn's draft, and
 *  what XState would do right after the transition waits until it is known that the transition did not throw. */

import type { AnyActorRef, AnyActorScope, AnyEventObject } from 'xstate'
import { stageOf, type System } from './host-stage.ts'

/** XState's scope of one of its actors lives as long as that does, and carries the rigging. */
interface RiggedScope extends AnyActorScope {
  [key]?: Rigging
}

const key = Symbol('godwit.rigging')

export const riggingOf = (scope: RiggedScope): Rigging => (scope[key] ??= new Rigging(scope))

export class Rigging implements AnyActorScope {
  readonly self: AnyActorRef
  readonly id: string
  readonly sessionId: string
  readonly system: System
  readonly stopChild: AnyActorScope['stopChild']
  /** Replaced by XState itself for the time of each microstep, and called without `this`. */
  actionExecutor: AnyActorScope['actionExecutor']
  /** While the machine moves: what XState does once it has moved. */
  deferred: (() => void)[] | undefined
  readonly #scope: AnyActorScope

  constructor(scope: AnyActorScope) {
    this.#scope = scope
    this.self = scope.self
    this.id = scope.id
    this.sessionId = scope.sessionId
    this.system = scope.system
    this.stopChild = scope.stopChild
    this.actionExecutor = (action) => this.#execute(action)
  }

  defer(run: () => void): void {
    if (this.deferred === undefined) this.#scope.defer(run)
    else this.deferred.push(run)
  }

  get logger(): AnyActorScope['logger'] {
    return (...values) => stageOf(this.system)!.log(values)
  }

  emit(event: AnyEventObject): void {
    this.#perform(() => stageOf(this.system)!.emit(event))
  }

  /** Before an actor has started, XState keeps its actions for the start; after that it executes them as they come. */
  #execute(action: Action): void {
    const { type, exec, info, params } = action
    if (exec === undefined) return
    const perform = (): void => this.#perform(() => exec(info, params))
    if (this.deferred === undefined) {
      if (isBuiltIn(type)) this.#scope.actionExecutor(action)
      else this.#scope.defer(perform)
    } else if (isBuiltIn(type)) exec(info, params)
    else perform()
  }

  #perform(run: () => unknown): void {
    stageOf(this.system)!.draft?.effects.push({ run, needsMachine: false })
  }
}

type Action = Parameters<AnyActorScope['actionExecutor']>[0]

/** What XState's own actions do concerns the actor's own system, and is state; `log` alone is for the outside. */
const isBuiltIn = (actionType: string): boolean => actionType.startsWith('xstate.') && actionType !== 'xstate.log'
