/** A bounded number of simulated worlds: always the same ones, fresh ones while there is time, and one of them twice, for the same seed is
 *  the same run. More: `npm run sim -- --seeds 1000`; a failing one, with its transcript: `npm run sim -- --seed 42 --verbose`. */

import test from 'ava'
import { simulate } from './simulation.ts'

const fixedSeeds = Array.from({ length: 60 }, (_, i) => i + 1)
const freshFrom = Date.now() % 1_000_000_000
const freshMax = 20
const freshMsMax = 15_000

async function holds(seed: number): Promise<string | undefined> {
  const { violations } = await simulate(seed)
  return violations.length === 0 ? undefined : `${violations.join('\n')}\nnpm run sim -- --seed ${seed} --verbose`
}

test.serial('every promise holds in the worlds that are always the same', async (t) => {
  for (const seed of fixedSeeds) t.is(await holds(seed), undefined)
})

test.serial('every promise holds in worlds that nobody has seen yet', async (t) => {
  const untilMs = performance.now() + freshMsMax
  let seed = freshFrom
  for (; seed < freshFrom + freshMax && performance.now() < untilMs; seed++) t.is(await holds(seed), undefined)
  t.log(`${seed - freshFrom} fresh seeds, from ${freshFrom} on`)
})

test.serial('the same seed is the same run', async (t) => {
  const [first, second] = [await simulate(7), await simulate(7)]
  t.is(first.hash(), second.hash())
  t.deepEqual(first.transcript(), second.transcript())
})

test.serial('another seed is another run', async (t) => {
  t.not((await simulate(8)).hash(), (await simulate(9)).hash())
})
