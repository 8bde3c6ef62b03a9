/** Until: waits for something to be so. It looks again and again, because what a test waits for happens in other processes; when
 *  time is over it says what it waited for and what it last saw. */

import { inspect } from 'node:util'
import { sleep, systemClock } from '../../src/base/clock.ts'

const lookMs = 20

/** The first value of `look` that is neither `undefined` nor `false`. What `look` throws counts as not yet. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  withinMs = 30_000,
): Promise<Exclude<T, undefined | false>> {
  const endMs = systemClock.now().monoMs + withinMs
  let seen: unknown
  for (;;) {
    try {
      const value = await look()
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>
      seen = value
    } catch (thrown) {
      seen = thrown
    }
    if (systemClock.now().monoMs > endMs)
      throw new Error(`waited ${withinMs} ms for: ${what}; last seen: ${inspect(seen, { depth: 4, breakLength: 120 })}`)
    await sleep(systemClock, lookMs)
  }
}

/** `promise`, or an error that says what did not come. */
export async function within<T>(withinMs: number, what: string, promise: Promise<T>): Promise<T> {
  let cancel = (): void => {}
  const late = new Promise<never>((_, reject) => {
    cancel = systemClock.after(withinMs, () => reject(new Error(`waited ${withinMs} ms for: ${what}`)))
  })
  return Promise.race([promise, late]).finally(cancel)
}
