/** Node loads XState's production build, which takes in silence what the development build refuses. The host must stand on both: its
 *  tests run once more here, against the other build. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const here = dirname(fileURLToPath(import.meta.url))
const self = 'development.test.ts'
const cli = join(here, '../../node_modules/ava/entrypoints/cli.mjs')

test("the host passes its tests on XState's development build", async (t) => {
  t.timeout(120_000)
  const files = readdirSync(here).filter((file) => file.endsWith('.test.ts') && file !== self)
  const env = { ...process.env, NODE_OPTIONS: '--conditions=development', FORCE_COLOR: '0' }
  const run = spawn(process.execPath, [cli, '--concurrency=1', ...files.map((file) => join(here, file))], {
    env,
    cwd: join(here, '../..'),
  })
  const [output, warnings, [code]] = await Promise.all([text(run.stdout), text(run.stderr), once(run, 'exit')])
  t.is(code, 0, output)
  t.regex(output, /tests passed/)
  t.regex(output + warnings, /Actor type 'nobody' not found/, 'only the development build warns of it')
})
