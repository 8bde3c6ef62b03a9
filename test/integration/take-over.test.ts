/** A node is killed under load: what it had acknowledged is there, nothing counts twice although every ask is repeated, and each
 *  of its actors answers again within 4 s. */

import test from 'ava'
import { balanceOf, beginLoad, firstAnswersMs, percentile } from '../support/load.ts'
import { startNats } from '../support/nats.ts'
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts'
import { connectPlain } from '../support/plain-client.ts'
import { until } from '../support/until.ts'

/** With the default timing; README and design promise it. */
const takeOverMsMax = 4_000

test('a node is killed: no acknowledged event is lost, none counts twice, and its actors answer again within 4 s', async (t) => {
  const nats = await startNats()
  t.teardown(() => nats.stop())
  const start = async (id: string): Promise<NodeProcess> => {
    const node = await startNodeProcess({ servers: nats.url, cluster: 'crash', id, shards: 16 })
    t.teardown(() => node.kill())
    return node
  }
  const nodes = await Promise.all(['n1', 'n2', 'n3'].map(start))
  const plain = await connectPlain(nats.url, 'crash')
  t.teardown(() => plain.close())
  const actors = Array.from({ length: 60 }, (_, i) => `c${i}`)
  const bells = Array.from({ length: 12 }, (_, i) => `a${i}`)
  await Promise.all(actors.map((id) => plain.must('placement.spawn', { type: 'counter', id })))
  await Promise.all(bells.map((id) => plain.must('placement.spawn', { type: 'alarm', id })))
  await until('three nodes own all shards', async () => {
    const { nodes: rows } = await plain.must('cluster.nodes', {})
    return rows.every(({ shards }: { shards: number }) => shards >= 5)
  })
  const homeOf = async (type: string, id: string): Promise<string> =>
    (await plain.must('placement.locate', { type, id }))['node']
  const homes = new Map(await Promise.all(actors.map(async (id) => [id, await homeOf('counter', id)] as const)))
  const orphans = actors.filter((id) => homes.get(id) === 'n2')
  t.true(orphans.length >= 10)

  // Some ring while nobody is there to hear it, some only after the take-over.
  const delaysMs = bells.map((_, i) => 1_000 + i * 600)
  await Promise.all(
    bells.map((id, i) => plain.must('actor.alarm.ask', { id, event: { type: 'ARM', delayMs: delaysMs[i] } })),
  )
  const bellsOfKilled = new Set<string>()
  for (const id of bells) if ((await homeOf('alarm', id)) === 'n2') bellsOfKilled.add(id)
  t.true(bellsOfKilled.size > 0)

  const load = beginLoad(plain, { type: 'counter', actors })
  await load.reaches(300)
  const killedMs = performance.now()
  const killedAtMs = Date.now()
  await nodes[1]!.kill()
  await until('every actor of the killed node has answered', () => {
    const first = firstAnswersMs(load, killedMs)
    return orphans.every((id) => first.has(id))
  })
  await load.end()

  const balance = await balanceOf(plain, 'counter', load)
  t.deepEqual({ ...balance, acknowledged: 0 }, { acknowledged: 0, unknown: 0, refused: [], lost: 0, doubled: 0 })

  const first = firstAnswersMs(load, killedMs)
  const waitsMs = orphans.map((id) => first.get(id)!)
  t.log(
    `${orphans.length} actors of the killed node answered again after ${Math.min(...waitsMs).toFixed(0)} to ${Math.max(...waitsMs).toFixed(0)} ms`,
    `(median ${percentile(waitsMs, 0.5).toFixed(0)} ms); ${balance.acknowledged} asks acknowledged`,
  )
  t.true(Math.max(...waitsMs) <= takeOverMsMax)

  for (const [i, id] of bells.entries()) {
    const { context } = await until(`${id} rings`, async () => {
      const view = await plain.must('actor.alarm.get', { id })
      return view['value'] === 'rung' && view
    })
    const rangMs = context.rungAtMs - context.armedAtMs
    const awayUntilMs = bellsOfKilled.has(id) ? killedAtMs + takeOverMsMax - context.armedAtMs : 0
    t.log(
      `${id} was to ring after ${delaysMs[i]} ms and rang after ${rangMs} ms${bellsOfKilled.has(id) ? ', on another node' : ''}`,
    )
    t.true(rangMs >= delaysMs[i]!, 'never early')
    t.true(rangMs <= Math.max(delaysMs[i]!, awayUntilMs) + 500, 'late only if nobody was there')
  }
})
