/** Staging: XState's logic under the host's command. XState itself does all the work of a system of machines: mailboxes, children,
 *  their done and error events, delays, the order of it all. Its logic is wrapped at two places only:
 *
 *  - A machine (or reducer) moves only inside a turn. An event that comes between turns is postponed, to be a turn of its own.
 *    What its transition wants done outside goes to the turn's draft; what it does to its own system (delays, sends to other
 *    machines, child machines that start and stop) happens at once, since all of that is state, and is stored with it. So a turn
 *    is one event from outside and everything that the machines of this actor tell one another because of it.
 *  - A child that touches the outside is started, fed and stopped by the turn's effects (`host-child.ts`).
 *
 *  A transition that throws leaves no trace. At the root that is all that happens; a child machine fails as under XState alone,
 *  and its parent hears of it. */

import type {
  AnyActorLogic,
  AnyActorRef,
  AnyActorScope,
  AnyEventObject,
  AnyMachineSnapshot,
  AnyStateMachine,
} from 'xstate'
import { limits } from '../base/limits.ts'
import { isMachine } from './definition.ts'
import { awaited, Child } from './host-child.ts'
import { riggingOf } from './host-rigging.ts'
import { type Stage, stageOf } from './host-stage.ts'

const wrapped = new WeakMap<AnyActorLogic, AnyActorLogic>()

/** The same logic, staged; one wrapping for all actors. */
export function staged(logic: AnyActorLogic): AnyActorLogic {
  let result = wrapped.get(logic)
  if (result === undefined) {
    result = isMachine(logic)
      ? stagedMachine(logic)
      : logic.start === undefined
        ? stagedReducer(logic)
        : stagedChild(logic)
    wrapped.set(logic, result)
  }
  return result
}

function stagedMachine(original: AnyStateMachine): AnyActorLogic {
  const machine = original.provide({})
  const { maxIterations = Infinity } = machine.options ?? {}
  machine.options = { ...machine.options, maxIterations: Math.min(maxIterations, limits.machineStepsMax) }
  return {
    config: machine.config,
    start: (snapshot) => machine.start(snapshot),
    restoreSnapshot: (snapshot, scope) => machine.restoreSnapshot(snapshot, scope),
    getPersistedSnapshot: (snapshot, options) => machine.getPersistedSnapshot(snapshot, options),
    getInitialSnapshot(scope, input) {
      const first = machine.getInitialSnapshot(riggingOf(scope), input)
      if (first.status !== 'error') checkChildren({}, first.children)
      return first
    },
    transition: (snapshot, event, scope) => moveInTurn(snapshot, event, scope, machine),
  }
}

function moveInTurn(
  snapshot: AnyMachineSnapshot,
  event: AnyEventObject,
  scope: AnyActorScope,
  machine: AnyStateMachine,
): AnyMachineSnapshot {
  // A child machine is stopped by its parent's turn, or with the whole actor; its own children's logic knows which.
  if (event.type === 'xstate.stop') return machine.transition(snapshot, event, scope)
  const stage = stageOf(scope.system)!
  const { draft } = stage
  if (draft === undefined) {
    stage.postpone(scope.self, event)
    return snapshot
  }
  const rigging = riggingOf(scope)
  const mark = draft.mark()
  const deferred: (() => void)[] = []
  rigging.deferred = deferred
  draft.unname.length = 0
  try {
    draft.step()
    const next = machine.transition(snapshot, event, rigging)
    if (next.children !== snapshot.children) checkChildren(snapshot.children, next.children)
    rigging.deferred = undefined
    for (const run of deferred) scope.defer(run)
    if (next !== snapshot) stage.touch()
    return next
  } catch (thrown) {
    rigging.deferred = undefined
    draft.revert(mark)
    // A child machine fails in XState's way: its parent hears of it.
    if (!stage.isRoot(scope.self)) throw thrown
    if (draft.first) draft.failure = { thrown }
    else stage.report(thrown)
    return snapshot
  }
}

/** A reducer (`fromTransition`) is pure as well. */
function stagedReducer(logic: AnyActorLogic): AnyActorLogic {
  return {
    ...logic,
    transition(snapshot, event, scope) {
      if (event.type === 'xstate.stop') return logic.transition(snapshot, event, scope)
      const stage = stageOf(scope.system)!
      if (stage.draft === undefined) {
        stage.postpone(scope.self, event)
        return snapshot
      }
      stage.draft.step()
      stage.touch()
      return logic.transition(snapshot, event, scope)
    },
  }
}

function stagedChild(original: AnyActorLogic): AnyActorLogic {
  const logic = awaited(original)
  return {
    ...logic,
    start(snapshot, scope) {
      const stage = stageOf(scope.system)!
      const child = new Child(stage, scope, logic, snapshot)
      ;(scope as ChildScope)[childKey] = child
      // Between turns an actor wakes: that it has this child is committed.
      if (stage.draft === undefined) child.begin()
      else later(stage, child.beginLater)
    },
    transition(snapshot, event, scope) {
      const stage = stageOf(scope.system)!
      const child = (scope as ChildScope)[childKey]
      if (event.type === 'xstate.stop') {
        if (stage.draft === undefined) child?.end()
        else if (child !== undefined) {
          child.leaving = true
          later(stage, child.end)
        }
        return { ...snapshot, status: 'stopped', error: undefined }
      }
      if (child === undefined) return snapshot
      if (stage.draft === undefined) return child.hear(snapshot, event)
      later(stage, () => child.feed(event))
      return snapshot
    },
  }
}

const later = (stage: Stage, run: () => void): void => void stage.draft!.effects.push({ run, needsMachine: true })

/** XState's scope of a child lives as long as that does, and carries what is known of it here. */
interface ChildScope extends AnyActorScope {
  [childKey]?: Child
}

const childKey = Symbol('godwit.child')

/** XState persists a child by its name and takes an unknown or an inline one in silence (tried): the actor could not wake. */
function checkChildren(before: Children, after: Children): void {
  for (const id in after) {
    const child = after[id]
    if (child === before[id] && child !== undefined) continue
    if (child === undefined)
      throw new Error(`child ${id} has a source that the machine does not name in setup({ actors })`)
    if (typeof child.src !== 'string')
      throw new Error(`child ${id} was spawned from inline logic, which cannot be stored; name it in setup({ actors })`)
  }
}

type Children = Readonly<Record<string, AnyActorRef | undefined>>
