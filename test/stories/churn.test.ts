/** Churn: nodes join, are drained and are killed, one after the other, under a load of 20,000 asks to 300 actors. At the end the
 *  plain client reads every actor: what was acknowledged has counted, once, and nothing else has. */

import test from 'ava'
import { balanceOf, beginLoad, longestGapsMs, percentile } from '../support/load.ts'
import { startNats } from '../support/nats.ts'
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts'
import { connectPlain } from '../support/plain-client.ts'

const asks = 20_000
const actors = Array.from({ length: 300 }, (_, i) => `c${i}`)

type Deed = readonly [atAsks: number, what: 'join' | 'drain' | 'kill', node: string]

const deeds: readonly Deed[] = [
  [1_000, 'join', 'n4'],
  [3_500, 'kill', 'n1'],
  [6_000, 'join', 'n5'],
  [8_500, 'drain', 'n2'],
  [11_000, 'kill', 'n4'],
  [13_500, 'join', 'n6'],
  [15_500, 'drain', 'n3'],
  [17_500, 'kill', 'n5'],
]

test(`3 joins, 2 drains and 3 kills: ${asks} asks to ${actors.length} actors count exactly once`, async (t) => {
  const nats = await startNats()
  t.teardown(() => nats.stop())
  const nodes = new Map<string, NodeProcess>()
  const join = async (id: string): Promise<void> => {
    const node = await startNodeProcess({ servers: nats.url, cluster: 'churn', id })
    t.teardown(() => node.kill())
    nodes.set(id, node)
  }
  await Promise.all(['n1', 'n2', 'n3'].map(join))
  const plain = await connectPlain(nats.url, 'churn')
  t.teardown(() => plain.close())
  await Promise.all(actors.map((id) => plain.must('placement.spawn', { type: 'counter', id })))

  const beganMs = performance.now()
  const load = beginLoad(plain, { type: 'counter', actors, asks, restMs: 500 })
  for (const [atAsks, what, id] of deeds) {
    await load.reaches(atAsks)
    const node = nodes.get(id)
    if (what === 'join') await join(id)
    else if (what === 'kill') await node!.kill()
    else t.is(await node!.stop(), 0)
    t.log(`${what} ${id} done at ${load.settled.length} asks`)
  }
  await load.reaches(asks)
  await load.end()

  const tookMs = performance.now() - beganMs
  const balance = await balanceOf(plain, 'counter', load)
  const gapsMs = longestGapsMs(load, beganMs, beganMs + tookMs)
  t.log(
    `${balance.acknowledged} acknowledged, ${balance.unknown} given up in ${tookMs.toFixed(0)} ms; longest gap of an actor ${Math.max(...gapsMs).toFixed(0)} ms, median ${percentile(gapsMs, 0.5).toFixed(0)} ms`,
  )
  t.deepEqual(balance.refused, [])
  t.is(balance.acknowledged + balance.unknown, asks)
  t.is(balance.lost, 0)
  t.is(balance.doubled, 0)
  t.deepEqual(
    [...nodes.values()].filter((node) => node.isRunning()).map(({ id }) => id),
    ['n6'],
  )
})
