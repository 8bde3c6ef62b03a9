/** Lingering: children that were stopped and have not let go of the outside yet: promises that were aborted and still run,
 *  resources whose asynchronous stop is under way. A planned move waits for them. */

import type { Clock } from '../base/clock.ts'
import type { ActorKey } from '../protocol/address.ts'

export interface Lingering {
  readonly add: (actor: ActorKey, rest: Promise<unknown>) => void
  /** Resolves when all children of these actors have let go, or after `graceMs`, with the actors whose children had not. */
  readonly settled: (actors: readonly ActorKey[], graceMs: number) => Promise<readonly ActorKey[]>
}

export function createLingering(clock: Clock, report: (actor: ActorKey, thrown: unknown) => void): Lingering {
  const rests = new Map<ActorKey, Set<Promise<unknown>>>()

  function add(actor: ActorKey, rest: Promise<unknown>): void {
    let set = rests.get(actor)
    if (set === undefined) rests.set(actor, (set = new Set()))
    const tracked = rest
      .catch((thrown: unknown) => report(actor, thrown))
      .finally(() => {
        set.delete(tracked)
        if (set.size === 0 && rests.get(actor) === set) rests.delete(actor)
      })
    set.add(tracked)
  }

  async function settled(actors: readonly ActorKey[], graceMs: number): Promise<readonly ActorKey[]> {
    const open = actors.flatMap((actor) => [...(rests.get(actor) ?? [])])
    if (open.length === 0) return []
    await new Promise<void>((resolve) => {
      const cancel = clock.after(graceMs, resolve)
      void Promise.all(open).then(() => {
        cancel()
        resolve()
      })
    })
    return actors.filter((actor) => rests.has(actor))
  }

  return { add, settled }
}
