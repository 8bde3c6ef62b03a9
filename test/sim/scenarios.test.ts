/** Scenarios: mistakes that were made once and are understood, as the smallest plans that show them. Each is named after the planted bug
 *  that stands for the mistake, and written by `npm run sim:mutants -- --only NAME --scenario`. */

import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { readPatches } from './mutants/patches.ts'
import type { Plan } from './plan.ts'
import { simulate } from './simulation.ts'

const folder = new URL('scenarios/', import.meta.url)
const sentences = new Map(readPatches().map(({ name, sentence }) => [name, sentence]))

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const name = file.replace('.json', '')
  const plan = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Plan
  test.serial(`not so: ${sentences.get(name) ?? name}`, async (t) => {
    t.deepEqual((await simulate(plan.seed, { plan })).violations, [])
  })
}
