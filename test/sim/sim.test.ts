/** A bounded number of simulated worlds, always the same ones, and one of them twice: the same seed is the same run. Fresh
 *  ones: `npm run sim -- --seeds 1000`; a failing one, with its transcript: `npm run sim -- --seed 42 --verbose`. */

import test from 'ava'
import { simulate } from './simulation.ts'

const seeds = Array.from({ length: 40 }, (_, i) => i + 1)

test.serial('every promise holds', async (t) => {
  for (const seed of seeds) {
    const { violations } = await simulate(seed)
    t.deepEqual(violations, [], `npm run sim -- --seed ${seed} --verbose`)
  }
})

test.serial('the same seed is the same run', async (t) => {
  const [first, second] = [await simulate(7), await simulate(7)]
  t.is(first.hash, second.hash)
  t.deepEqual(first.transcript, second.transcript)
})

test.serial('another seed is another run', async (t) => {
  t.not((await simulate(8)).hash, (await simulate(9)).hash)
})
