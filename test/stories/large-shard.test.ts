/** A shard of 50 MB: its checkpoint goes into parts while commits go on, and after a crash another node takes it over whole. */

import test from 'ava'
import { balanceOf, beginLoad, firstAnswersMs, longestGapsMs, percentile } from '../support/load.ts'
import { readShardLogs } from '../support/log-reader.ts'
import { startNats } from '../support/nats.ts'
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts'
import { connectPlain, type PlainClient } from '../support/plain-client.ts'
import { until } from '../support/until.ts'

const large = Array.from({ length: 20_000 }, (_, i) => `b${i}`)
const stateBytes = 2_500
const counters = Array.from({ length: 20 }, (_, i) => `c${i}`)

test('a shard of 50 MB is checkpointed while commits go on, and is taken over without loss', async (t) => {
  const nats = await startNats()
  t.teardown(() => nats.stop())
  const start = async (id: string): Promise<NodeProcess> => {
    const node = await startNodeProcess({ servers: nats.url, cluster: 'large', id, shards: 1 })
    t.teardown(() => node.kill())
    return node
  }
  const first = await start('n1')
  const [plain, logs] = await Promise.all([connectPlain(nats.url, 'large'), readShardLogs(nats.url, 'large')])
  t.teardown(() => Promise.all([plain.close(), logs.close()]))
  await Promise.all(counters.map((id) => plain.must('placement.spawn', { type: 'counter', id })))
  const load = beginLoad(plain, { type: 'counter', actors: counters, restMs: 5 })

  const spawningMs = performance.now()
  await inBatches(large, 250, (id) =>
    plain.must('placement.spawn', { type: 'bulky', id, input: { bytes: stateBytes } }),
  )
  t.log(`${large.length} actors of ${stateBytes} bytes in ${(performance.now() - spawningMs).toFixed(0)} ms`)

  // Every one of them changes until a checkpoint of all is due: the log since the last one must outweigh the state.
  const sinceSeq = logs.written.at(-1)!.seq
  const partsSince = () => logs.written.filter(({ seq, record }) => seq > sinceSeq && record === undefined)
  const pointer = () =>
    logs.written.find(({ seq, record }) => seq > (partsSince()[0]?.seq ?? Infinity) && record?.kind === 'checkpoint')
  let touched = 0
  await inBatches(large, 250, async (id) => {
    if (pointer() !== undefined) return
    touched++
    await plain.must('actor.bulky.tell', { id, event: { type: 'INC' }, requestId: `t-${id}` })
  })
  const checkpoint = await until('the checkpoint is in the log', pointer, 60_000)
  const parts = partsSince()
  const uploadedBytes = parts.reduce((sum, { bytes }) => sum + bytes, 0)
  const commits = logs.written.filter(
    ({ seq, record }) => record?.kind === 'commit' && seq > parts[0]!.seq && seq < checkpoint.seq,
  )
  const gapsMs = longestGapsMs(load, parts[0]!.atMs, checkpoint.atMs)
  t.log(
    `${parts.length} parts of ${(uploadedBytes / 2 ** 20).toFixed(1)} MB in ${(checkpoint.atMs - parts[0]!.atMs).toFixed(0)} ms, ${commits.length} commits meanwhile;`,
    `longest gap of an actor ${Math.max(...gapsMs).toFixed(0)} ms`,
  )
  t.true(uploadedBytes > 0.9 * large.length * stateBytes)
  t.true(commits.length > 0, 'commits go on while parts are uploaded')

  const second = await start('n2')
  // A planned move would take the shard to n2 or leave it with n1: kill whoever has it.
  const owner = (await plain.must('placement.locate', { type: 'counter', id: 'c0' }))['node'] === 'n1' ? first : second
  const since = owner === first ? second.lines.length : first.lines.length
  const killedMs = performance.now()
  await owner.kill()
  const owned = await (owner === first ? second : first).line('owned', { since, withinMs: 60_000 })
  t.is(owned['actors'], large.length + counters.length)
  await until('every counter answers again', () => firstAnswersMs(load, killedMs).size === counters.length)
  await load.end()

  const waits = [...firstAnswersMs(load, killedMs).values()]
  const balance = await balanceOf(plain, 'counter', load)
  t.log(
    `taken over: answers after ${percentile(waits, 0.5).toFixed(0)} ms (longest ${Math.max(...waits).toFixed(0)} ms); ${balance.acknowledged} asks acknowledged`,
  )
  t.deepEqual({ ...balance, acknowledged: 0 }, { acknowledged: 0, unknown: 0, refused: [], lost: 0, doubled: 0 })
  t.is(await sumOf(plain, large), touched)
})

/** Reads every actor: each must have its whole load. Gives the sum of their counts. */
async function sumOf(plain: PlainClient, ids: readonly string[]): Promise<number> {
  let sum = 0
  await inBatches(ids, 250, async (id) => {
    const { context } = await plain.must('actor.bulky.get', { id })
    if (context.load.length !== stateBytes) throw new Error(`${id} has lost its load`)
    sum += context.n
  })
  return sum
}

async function inBatches<T>(items: readonly T[], size: number, work: (item: T) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < items.length; i += size) await Promise.all(items.slice(i, i + size).map(work))
}
