/** Effects: what turns want done and may do once they are committed, kept by actor and turn until the core asks for it. */

import type { ActorKey } from '../protocol/address.ts'
import type { Activation } from './host-activation.ts'
import type { Effect } from './host-draft.ts'

export interface Effects {
  readonly keep: (actor: ActorKey, turn: number, of: Activation, effects: readonly Effect[]) => void
  readonly perform: (actor: ActorKey, turn: number, epoch: number) => void
  /** Drops those of `turn` and all later ones. */
  readonly undo: (actor: ActorKey, turn: number) => void
  readonly drop: (actor: ActorKey) => void
}

interface Kept {
  readonly activation: Activation
  readonly effects: readonly Effect[]
}

export function createEffects(): Effects {
  const kept = new Map<ActorKey, Map<number, Kept>>()

  function keep(actor: ActorKey, turn: number, activation: Activation, effects: readonly Effect[]): void {
    let turns = kept.get(actor)
    if (turns === undefined) kept.set(actor, (turns = new Map()))
    turns.set(turn, { activation, effects })
  }

  function perform(actor: ActorKey, turn: number, epoch: number): void {
    const turns = kept.get(actor)
    const due = turns?.get(turn)
    if (turns === undefined || due === undefined) return
    turns.delete(turn)
    if (turns.size === 0) kept.delete(actor)
    due.activation.epoch = epoch
    performAll(due.activation, due.effects)
  }

  function undo(actor: ActorKey, turn: number): void {
    const turns = kept.get(actor)
    if (turns === undefined) return
    for (const number of turns.keys()) if (number >= turn) turns.delete(number)
    if (turns.size === 0) kept.delete(actor)
  }

  return { keep, perform, undo, drop: (actor) => void kept.delete(actor) }
}

/** One that throws, or rejects later, is reported; the others run. */
export function performAll(activation: Activation, effects: readonly Effect[]): void {
  for (const { run, needsMachine } of effects) {
    if (needsMachine && activation.closed) continue
    try {
      const ended = run()
      if (isThenable(ended)) ended.then(undefined, (thrown: unknown) => activation.report(thrown))
    } catch (thrown) {
      activation.report(thrown)
    }
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
