/** Insist: tries a call until it is answered, or there is no sense in it. What may be tried again is Godwit's word
 *  (`retryable`); how often, and for how long, is the caller's own business. */

import { setTimeout as sleep } from 'node:timers/promises'
import { GodwitError } from '../../src/index.ts'

const insistMs = 30_000
const againMs = 50

/** Rejects with what the last try was refused with. */
export async function insist<T>(attempt: () => Promise<T>, onAgain: () => void): Promise<T> {
  const endMs = performance.now() + insistMs
  for (;;) {
    try {
      return await attempt()
    } catch (thrown) {
      if (!(thrown instanceof GodwitError && thrown.retryable) || performance.now() > endMs) throw thrown
      onAgain()
      await sleep(againMs)
    }
  }
}

/** Many at once, but not all. */
export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  async function worker(): Promise<void> {
    while (next < items.length) await work(items[next++]!)
  }
  await Promise.all(Array.from({ length: callsAtOnce }, worker))
}

const callsAtOnce = 64
