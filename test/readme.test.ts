import { readFileSync } from 'node:fs'
import test from 'ava'
import { errorCodes } from '../src/base/errors.ts'

const readme = readFileSync('README.md', 'utf8')
const architecture = readFileSync('src/README.md', 'utf8')

test('the table of errors names every code, and says of each whether it may have run', (t) => {
  const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| [^|]+ \| (no|yes) \|/gm)].map(([, code, mayHaveRun]) => [
    code,
    mayHaveRun === 'yes',
  ])
  t.deepEqual(
    rows,
    Object.entries(errorCodes).map(([code, { mayHaveRun }]) => [code, mayHaveRun]),
  )
})

test('every file that the life of a request names is there', (t) => {
  const files = [
    ...architecture.matchAll(/`((?:base|protocol|core|transport|log|runtime|client|workers|cli)\/[a-z-]+\.ts)`/g),
  ]
  t.true(files.length > 10)
  for (const [, file] of files) t.notThrows(() => readFileSync(`src/${file}`), file)
})

test('the two commands of the README are scripts of the package', (t) => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  for (const [, script] of readme.matchAll(/npm run ([a-z:]+)/g)) t.truthy(scripts[script!], script)
})
