import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'

interface Report {
  readonly benchmark: string
  readonly date: string
  readonly node: string
  readonly machine: string
  readonly sizes: { readonly nodes: number; readonly keys: number }
  readonly results: readonly {
    readonly name: string
    readonly buildMs: number
    readonly lookupsPerSecond: number
    readonly fullest: number
    readonly emptiest: number
    readonly moved: number
    readonly least: number
  }[]
  readonly large: { readonly buildMs: number }
}

test('the ring benchmark runs, and finds that hash-ring puts every key on one node', async (t) => {
  // given
  const folder = await mkdtemp(join(tmpdir(), 'godwit-bench-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'ring.json')
  // when
  const command = ['--import', 'tsx', 'bench/ring/ring.bench.ts', '--small', '--json', file]
  const { stdout } = await promisify(execFile)(process.execPath, command)
  const report = JSON.parse(await readFile(file, 'utf8')) as Report
  // then
  const [godwit, hashring, hashRing] = report.results
  t.is(report.benchmark, 'ring')
  t.is(report.node, process.version)
  t.false(Number.isNaN(Date.parse(report.date)))
  t.true(report.machine.includes('cores'))
  for (const { name, buildMs, lookupsPerSecond } of report.results) {
    t.true(stdout.includes(name))
    t.true(buildMs > 0 && lookupsPerSecond > 0)
  }
  t.true(report.large.buildMs > 0)
  t.is(hashRing!.fullest, report.sizes.keys)
  t.is(hashRing!.emptiest, 0)
  for (const { emptiest, least, moved } of [godwit!, hashring!]) {
    t.true(emptiest > 0)
    t.true(moved >= least && least > 0)
  }
})
