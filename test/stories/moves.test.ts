/** Planned moves: a node joins, another is drained, and 100 actors are asked all the while. How long was each of them away? The figures are
 *  logged, not asserted: they are worth something on a quiet machine only. What is asserted is that nothing was lost. */

import test from 'ava'
import { balanceOf, beginLoad, type Load, percentile } from '../support/load.ts'
import { startNats } from '../support/nats.ts'
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts'
import { connectPlain } from '../support/plain-client.ts'
import { until } from '../support/until.ts'

const actors = Array.from({ length: 100 }, (_, i) => `c${i}`)

test('a join and a drain: the longest unanswered gap of each actor', async (t) => {
  const nats = await startNats()
  t.teardown(() => nats.stop())
  const start = async (id: string): Promise<NodeProcess> => {
    const node = await startNodeProcess({ servers: nats.url, cluster: 'moves', id })
    t.teardown(() => node.kill())
    return node
  }
  const nodes = await Promise.all(['n1', 'n2', 'n3'].map(start))
  const plain = await connectPlain(nats.url, 'moves')
  t.teardown(() => plain.close())
  await Promise.all(actors.map((id) => plain.must('placement.spawn', { type: 'counter', id })))
  const homes = async (): Promise<readonly string[]> =>
    Promise.all(actors.map(async (id) => (await plain.must('placement.locate', { type: 'counter', id }))['node']))
  const settled = (members: readonly string[]) =>
    until('the shards are where they belong', async () => {
      const { nodes: rows } = await plain.must('cluster.nodes', {})
      const up = rows.filter(({ state }: { state: string }) => state === 'up')
      return (
        up.length === members.length &&
        up.every(({ shards }: { shards: number }) => Math.abs(shards - 64 / members.length) <= 2)
      )
    })
  await settled(['n1', 'n2', 'n3'])

  const load = beginLoad(plain, { type: 'counter', actors, restMs: 20 })
  await load.reaches(2_000)
  const quietMs = performance.now()
  await load.reaches(8_000)

  const beforeJoin = await homes()
  const joiningMs = performance.now()
  // The process starts in peace; only what happens once it is a member counts.
  nodes.push(await start('n4'))
  await settled(['n1', 'n2', 'n3', 'n4'])
  const joinedMs = performance.now()
  const afterJoin = await homes()

  const drainingMs = performance.now()
  t.is(await nodes[0]!.stop(), 0)
  const drainedMs = performance.now()
  const afterDrain = await homes()
  await load.reaches(load.settled.length + 1_000)
  await load.end()

  const movedBy = (from: readonly string[], to: readonly string[]): ReadonlySet<string> =>
    new Set(actors.filter((_, i) => from[i] !== to[i]))
  const report = (what: string, of: ReadonlySet<string>, fromMs: number, toMs: number): void => {
    const gapsMs = gapsOf(load, of, fromMs, toMs)
    t.log(
      `${what}: ${of.size} actors; longest gap p50 ${percentile(gapsMs, 0.5).toFixed(0)} ms, p99 ${percentile(gapsMs, 0.99).toFixed(0)} ms, max ${Math.max(...gapsMs).toFixed(0)} ms`,
    )
  }
  report('no move', new Set(actors), quietMs, joiningMs)
  report('moved by the join', movedBy(beforeJoin, afterJoin), joiningMs, joinedMs)
  report('moved by the drain', movedBy(afterJoin, afterDrain), drainingMs, drainedMs)
  const balance = await balanceOf(plain, 'counter', load)
  t.deepEqual({ ...balance, acknowledged: 0 }, { acknowledged: 0, unknown: 0, refused: [], lost: 0, doubled: 0 })
})

/** The longest time that an ask of each actor took, of those that were open between the two moments. */
function gapsOf(load: Load, actorsOf: ReadonlySet<string>, fromMs: number, toMs: number): readonly number[] {
  const longest = new Map<string, number>()
  for (const { actor, sentMs, settledMs } of load.settled)
    if (actorsOf.has(actor) && settledMs >= fromMs && sentMs <= toMs)
      longest.set(actor, Math.max(longest.get(actor) ?? 0, settledMs - sentMs))
  return [...longest.values()]
}
