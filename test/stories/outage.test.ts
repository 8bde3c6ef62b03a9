/** The broker is killed and restarted, is gone for 20 s, is cut off in the middle of an append, answers into the void: whatever happens
 *  between the nodes and nats-server, nothing that was acknowledged is lost, no shard moves, nobody is declared dead, and the
 *  nodes go on by themselves. */

import test, { type ExecutionContext } from 'ava'
import { balanceOf, beginLoad, type Load, longestGapsMs } from '../support/load.ts'
import { startNats, type TestNats } from '../support/nats.ts'
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts'
import { connectPlain, type PlainClient } from '../support/plain-client.ts'
import { type CutPoint, type Proxy, startProxy } from '../support/proxy.ts'
import { until } from '../support/until.ts'

const actors = Array.from({ length: 60 }, (_, i) => `c${i}`)

interface Scene {
  readonly nats: TestNats
  /** Between the nodes and the server. The client has a connection of its own. */
  readonly proxy: Proxy
  readonly plain: PlainClient
  readonly nodes: readonly NodeProcess[]
  readonly load: Load
  /** Resolves once each actor has answered again. */
  allAnswerAgain(): Promise<void>
}

/** Three nodes under load; `happens` to them; then everything is compared with before. */
async function survives(
  t: ExecutionContext,
  happens: (scene: Scene) => Promise<void>,
  { claimedAnew = false } = {},
): Promise<void> {
  const nats = await startNats()
  t.teardown(() => nats.stop())
  const proxy = await startProxy(nats.port)
  t.teardown(() => proxy.stop())
  const nodes = await Promise.all(
    ['n1', 'n2', 'n3'].map(async (id) => {
      const node = await startNodeProcess({ servers: proxy.url, cluster: 'outage', id, shards: 16 })
      t.teardown(() => node.kill())
      return node
    }),
  )
  const plain = await connectPlain(nats.url, 'outage')
  t.teardown(() => plain.close())
  await until('all nodes own shards', async () => {
    const { nodes: rows } = await plain.must('cluster.nodes', {})
    return rows.every(({ shards }: { shards: number }) => shards >= 5)
  })
  await Promise.all(actors.map((id) => plain.must('placement.spawn', { type: 'counter', id })))
  const before = await homesOf(plain)
  const told = nodes.map((node) => node.lines.length)
  const load = beginLoad(plain, { type: 'counter', actors, askWithinMs: 90_000, restMs: 20 })
  await load.reaches(300)

  const beganMs = performance.now()
  const allAnswerAgain = async (): Promise<void> => {
    const sinceMs = performance.now()
    await until('every actor answers again', () => answeredSince(load, sinceMs).size === actors.length, 60_000)
  }
  await happens({ nats, proxy, plain, nodes, load, allAnswerAgain })
  await allAnswerAgain()
  const endedMs = performance.now()
  await load.end()

  const balance = await balanceOf(plain, 'counter', load)
  t.log(
    `${balance.acknowledged} asks acknowledged; longest gap of an actor ${Math.max(...longestGapsMs(load, beganMs, endedMs)).toFixed(0)} ms`,
  )
  t.deepEqual({ ...balance, acknowledged: 0 }, { acknowledged: 0, unknown: 0, refused: [], lost: 0, doubled: 0 })
  const after = await homesOf(plain)
  const nodesOf = (homes: Homes): Record<string, string> =>
    Object.fromEntries([...homes].map(([shard, { node }]) => [shard, node]))
  t.deepEqual(nodesOf(after), nodesOf(before), 'no shard moves')
  for (const [shard, { epoch }] of after)
    if (claimedAnew) t.true(epoch > before.get(shard)!.epoch, `${shard} has a new epoch`)
    else t.is(epoch, before.get(shard)!.epoch, `${shard} has no new epoch`)
  for (const [i, node] of nodes.entries()) {
    t.true(node.isRunning())
    const events = new Set(node.lines.slice(told[i]).map(({ event }) => event))
    for (const bad of ['declared dead', 'fenced', 'disowned', 'history broken', 'healed', 'refused', 'warning'])
      t.false(events.has(bad), `${node.id}: ${bad}`)
  }
}

const answeredSince = (load: Load, sinceMs: number): ReadonlySet<string> =>
  new Set(
    load.settled
      .filter(({ sentMs, fate }) => sentMs > sinceMs && fate.kind === 'acknowledged')
      .map(({ actor }) => actor),
  )

/** The owner of every shard that has actors, and the epoch under which it writes. */
async function homesOf(plain: PlainClient): Promise<Homes> {
  const homes = await Promise.all(actors.map((id) => plain.must('placement.locate', { type: 'counter', id })))
  return new Map(homes.map(({ shard, node, epoch }) => [shard, { node, epoch }]))
}

type Homes = ReadonlyMap<string, { readonly node: string; readonly epoch: number }>

const resumed = (nodes: readonly NodeProcess[], since: readonly number[]): Promise<unknown> =>
  Promise.all(nodes.map((node, i) => node.line('resumed', { since: since[i]!, withinMs: 60_000 })))

const lengths = (nodes: readonly NodeProcess[]): readonly number[] => nodes.map((node) => node.lines.length)

test.serial('the server is killed and comes back at once', (t) =>
  survives(t, async ({ nats, nodes, allAnswerAgain }) => {
    for (let round = 0; round < 2; round++) {
      const since = lengths(nodes)
      await nats.kill()
      await nats.restart()
      await resumed(nodes, since)
      await allAnswerAgain()
    }
  }),
)

// A server that does not sync may have forgotten that a node was declared dead and its shards claimed: they are claimed anew (R2).
test.serial('the server is gone for 20 s', (t) =>
  survives(
    t,
    async ({ nats, nodes }) => {
      const since = lengths(nodes)
      const goneMs = performance.now()
      await nats.kill()
      await Promise.all(nodes.map((node, i) => node.line('suspended', { since: since[i]! })))
      await until('20 s have passed', () => performance.now() - goneMs >= 20_000)
      await nats.restart()
      await resumed(nodes, since)
    },
    { claimedAnew: true },
  ),
)

test.serial('the connections are cut in the middle of an append', (t) =>
  survives(t, async ({ proxy, nodes, allAnswerAgain }) => {
    const points: readonly CutPoint[] = ['before', 'within', 'after', 'after', 'within', 'before']
    for (const point of points) {
      const since = lengths(nodes)
      await proxy.cutAt('PUB godwit.outage.log.', point)
      await until('its node resumes', () =>
        nodes.some((node, i) => node.lines.slice(since[i]).some(({ event }) => event === 'resumed')),
      )
      await allAnswerAgain()
    }
  }),
)

test.serial('what the server answers is lost for a while, on connections that stay up', (t) =>
  survives(t, async ({ proxy, nodes }) => {
    const since = lengths(nodes)
    proxy.swallow(true)
    await Promise.all(nodes.map((node, i) => node.line('suspended', { since: since[i]! })))
    const swallowingMs = performance.now()
    await until('answers are lost for 4 s more', () => performance.now() - swallowingMs >= 4_000)
    proxy.swallow(false)
    await resumed(nodes, since)
  }),
)

// The server takes the old connections for alive and goes on handing requests to them: those are repeated, which takes its time.
test.serial('the cable is pulled: connections stay up and carry nothing more', (t) =>
  survives(t, async ({ proxy, nodes }) => {
    const since = lengths(nodes)
    proxy.freeze()
    await Promise.all(nodes.map((node, i) => node.line('suspended', { since: since[i]! })))
    await resumed(nodes, since)
  }),
)
