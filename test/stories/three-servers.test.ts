/** Three nats-servers hold three copies of everything, and the one that leads the streams is killed under load. Nodes wait for the election
 *  of another leader: nobody is declared dead, no shard moves, nothing is lost, and work goes on. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { subjects } from '../../src/protocol/subjects.ts'
import { ensureNatsServer } from '../../src/workers/nats-server.ts'
import { balanceOf, beginLoad, longestGapsMs, percentile } from '../support/load.ts'
import { startNatsCluster } from '../support/nats-cluster.ts'
import { startNodeProcess } from '../support/node-process.ts'
import { connectPlain } from '../support/plain-client.ts'
import { until } from '../support/until.ts'

/** First the one that leads the shards' logs is killed, then the one that leads rows and views: often another one. */
const streams = [subjects('three').logStream, subjects('three').controlStream]
const actors = Array.from({ length: 60 }, (_, i) => `c${i}`)

test('the leader of the streams is killed under load: no member is declared dead, no shard moves, nothing is lost', async (t) => {
  const binary = await ensureNatsServer({ minVersion: '2.12' })
  const dir = await mkdtemp(join(tmpdir(), 'godwit-three-'))
  const servers = await startNatsCluster({ binary, dir, servers: 3 })
  t.teardown(async () => {
    await servers.stop()
    await rm(dir, { recursive: true, force: true })
  })
  const nodes = await Promise.all(
    ['n1', 'n2', 'n3'].map(async (id) => {
      const node = await startNodeProcess({
        servers: servers.urls.join(','),
        cluster: 'three',
        id,
        shards: 16,
        replicas: 3,
      })
      t.teardown(() => node.kill())
      return node
    }),
  )
  const plain = await connectPlain(servers.urls, 'three')
  t.teardown(() => plain.close())
  await until('all nodes own shards', async () => {
    const { nodes: rows } = await plain.must('cluster.nodes', {})
    return rows.every(({ shards }: { shards: number }) => shards >= 5)
  })
  await Promise.all(actors.map((id) => plain.must('placement.spawn', { type: 'counter', id })))
  const homes = async (): Promise<Record<string, string>> => {
    const located = await Promise.all(actors.map((id) => plain.must('placement.locate', { type: 'counter', id })))
    return Object.fromEntries(located.map(({ shard, node, epoch }) => [shard, `${node}, epoch ${epoch}`]))
  }
  const before = await homes()
  const told = nodes.map((node) => node.lines.length)
  const load = beginLoad(plain, { type: 'counter', actors, askWithinMs: 90_000, restMs: 20 })
  await load.reaches(600)

  for (const stream of streams) {
    const leader = await until(`${stream} has a leader`, () => servers.leaderOf(stream))
    const killedMs = performance.now()
    await servers.kill(leader)
    const since = load.settled.length
    await until(
      'every actor answers what it was asked after the kill',
      () => {
        const answered = load.settled
          .slice(since)
          .filter(({ sentMs, fate }) => sentMs > killedMs && fate.kind === 'acknowledged')
        return new Set(answered.map(({ actor }) => actor)).size === actors.length
      },
      90_000,
    )
    const gapsMs = longestGapsMs(load, killedMs, performance.now())
    t.log(
      `leader of ${stream} killed: longest gap of an actor ${Math.max(...gapsMs).toFixed(0)} ms, median ${percentile(gapsMs, 0.5).toFixed(0)} ms`,
    )
    await servers.restart(leader)
    await until('the streams have leaders again', async () => {
      const leaders = await Promise.all(streams.map((name) => servers.leaderOf(name)))
      return leaders.every((index) => index !== undefined)
    })
  }
  await load.end()

  const balance = await balanceOf(plain, 'counter', load)
  t.log(`${balance.acknowledged} asks acknowledged`)
  t.deepEqual({ ...balance, acknowledged: 0 }, { acknowledged: 0, unknown: 0, refused: [], lost: 0, doubled: 0 })
  t.deepEqual(await homes(), before)
  for (const [i, node] of nodes.entries()) {
    t.true(node.isRunning())
    const events = new Set(node.lines.slice(told[i]).map(({ event }) => event))
    for (const bad of ['declared dead', 'fenced', 'disowned', 'history broken', 'healed', 'refused', 'warning'])
      t.false(events.has(bad), `${node.id}: ${bad}`)
  }
})
