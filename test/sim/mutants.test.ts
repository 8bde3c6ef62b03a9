/** The planted bugs fit the code as it is; whether they are noticed takes longer: `npm run sim:mutants`. */

import { fileURLToPath } from 'node:url'
import test from 'ava'
import { applyPatch, readPatches } from './mutants/patches.ts'

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

test('every planted bug says what it is, and applies', (t) => {
  const patches = readPatches()
  t.true(patches.length >= 26)
  for (const patch of patches) {
    t.regex(patch.sentence, /^[A-Z].*\.$/, patch.name)
    t.regex(patch.rule, /^\S.{0,20}$/, patch.name)
    t.is(applyPatch(patch, root, 'check'), undefined, patch.name)
  }
})
