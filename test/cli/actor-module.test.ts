import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { loadDefinitions } from '../../src/cli/actor-module.ts'
import { UsageError } from '../../src/cli/failure.ts'

const index = new URL('../../src/index.ts', import.meta.url).href
const xstate = import.meta.resolve('xstate')
const dir = mkdtempSync(join(tmpdir(), 'godwit-modules-'))
test.after.always(() => rmSync(dir, { recursive: true }))

const prelude = `
  import { defineActor } from '${index}'
  import { createMachine } from '${xstate}'
  const define = (type) => defineActor({ type, machine: createMachine({}) })
`

function file(name: string, text: string): string {
  const path = join(dir, name)
  writeFileSync(path, text)
  return path
}

const modules: readonly [name: string, text: string, types: readonly string[]][] = [
  ['named.mjs', `${prelude} export const a = define('a'), b = define('b'), limit = 7`, ['a', 'b']],
  ['default.mjs', `${prelude} export default define('a')`, ['a']],
  [
    'lists.mjs',
    `${prelude} export const some = [define('a'), define('b')]; export default [define('c')]`,
    ['a', 'b', 'c'],
  ],
  ['twice.mjs', `${prelude} export const a = define('a'); export default a`, ['a']],
  ['record.mjs', `${prelude} export default { a: define('a'), b: define('b') }`, ['a', 'b']],
  ['typed.ts', `${prelude.replace('(type)', '(type: string)')} enum Kind { A } export const a = define('a')`, ['a']],
]

for (const [name, text, types] of modules) {
  test(`definitions of ${name}`, async (t) => {
    const definitions = await loadDefinitions([file(name, text)])
    t.deepEqual(definitions.map(({ type }) => type).toSorted(), types)
  })
}

test('the example actors load, also as several files', async (t) => {
  const path = (name: string): string => fileURLToPath(new URL(`../../actors/${name}.ts`, import.meta.url))
  const definitions = await loadDefinitions([path('counter'), path('reminder')])
  t.deepEqual(
    definitions.map(({ type }) => type),
    ['counter', 'reminder'],
  )
})

const wrongModules: readonly [name: string, text: string, reason: RegExp][] = [
  ['syntax.ts', 'export const x = {', /does not load: .*(Unexpected|ParseError)/],
  ['throws.mjs', 'throw new Error("no database")', /does not load: no database\nat .*throws\.mjs/],
  ['missing.mjs', 'import "./nowhere.mjs"', /does not load: .*nowhere\.mjs/],
  ['empty.mjs', '', /exports no definition \(defineActor\); it exports nothing/],
  ['none.mjs', 'export const a = 1, b = { type: "b" }', /exports no definition \(defineActor\); its exports are: a, b/],
]

for (const [name, text, reason] of wrongModules) {
  test(`${name} is refused with its name and the reason`, async (t) => {
    const path = file(name, text)
    const { message } = await t.throwsAsync(loadDefinitions([path]), { instanceOf: UsageError })
    t.true(message.startsWith(`actor module ${path} `))
    t.regex(message, reason)
  })
}

test('a file that is not there is named', async (t) => {
  await t.throwsAsync(loadDefinitions(['nowhere.ts']), { message: /^actor module \/.*\/nowhere\.ts does not exist$/ })
})
