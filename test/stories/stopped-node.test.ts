/** A node stands still for 8 s (SIGSTOP), its shards go elsewhere, and it wakes (SIGCONT) in the belief that nothing happened. The
 *  log and a third party bear witness: it writes nothing more under its old epochs, opens no connection with one, and what its open
 *  sockets still send is refused. */

import test from 'ava'
import { balanceOf, beginLoad } from '../support/load.ts'
import { readShardLogs } from '../support/log-reader.ts'
import { startNats } from '../support/nats.ts'
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts'
import { startOutside } from '../support/outside.ts'
import { connectPlain } from '../support/plain-client.ts'
import { until } from '../support/until.ts'

const stoppedMs = 8_000

test('a node that was stopped while its shards went elsewhere does nothing under its old epochs', async (t) => {
  const [nats, outside] = await Promise.all([startNats(), startOutside()])
  t.teardown(() => Promise.all([nats.stop(), outside.stop()]))
  const start = async (id: string): Promise<NodeProcess> => {
    const node = await startNodeProcess({ servers: nats.url, cluster: 'stopped', id, shards: 16 })
    t.teardown(() => node.kill())
    return node
  }
  const [first, second] = await Promise.all([start('n1'), start('n2')])
  const [plain, logs] = await Promise.all([connectPlain(nats.url, 'stopped'), readShardLogs(nats.url, 'stopped')])
  t.teardown(() => Promise.all([plain.close(), logs.close()]))
  const counters = Array.from({ length: 40 }, (_, i) => `c${i}`)
  const holders = Array.from({ length: 20 }, (_, i) => `h${i}`)
  await until('both nodes own shards', async () => {
    const { nodes } = await plain.must('cluster.nodes', {})
    return nodes.every(({ shards }: { shards: number }) => shards >= 7)
  })
  await Promise.all(counters.map((id) => plain.must('placement.spawn', { type: 'counter', id })))
  for (const id of holders)
    await plain.must('placement.spawn', { type: 'holder', id, input: { url: outside.url, actor: id, frameMs: 50 } })
  await until('all sockets are open', () => holders.every((id) => outside.holdersOf(id).length === 1))
  const ofStopped = holders.filter((id) => outside.holdersOf(id)[0] === first.pid)
  t.true(ofStopped.length > 0)
  const load = beginLoad(plain, { type: 'counter', actors: counters })
  await load.reaches(200)

  const stoppedAtMs = performance.now()
  first.pause()
  await until('the other node holds every socket', () =>
    ofStopped.every((id) => outside.holdersOf(id).includes(second.pid)),
  )
  await until(`${stoppedMs} ms have passed`, () => performance.now() - stoppedAtMs >= stoppedMs)
  const newest = new Map(
    holders.map((id) => [
      id,
      Math.max(...outside.sightings.filter(({ actor }) => actor === id).map(({ epoch }) => epoch)),
    ]),
  )
  const lastSeq = logs.written.at(-1)!.seq
  const wokenAtMs = performance.now()
  const told = first.lines.length
  first.resume()
  await first.line('fenced', { since: told })
  await first.line('owned', { since: told })
  await load.end()

  const fromStopped = outside.sightings.filter(({ pid, atMs }) => pid === first.pid && atMs >= wokenAtMs)
  const stale = fromStopped.filter(({ actor, epoch, what }) => what !== 'closed' && epoch < newest.get(actor)!)
  t.deepEqual(
    stale.filter(({ accepted }) => accepted),
    [],
    'no frame is accepted under an old epoch',
  )
  t.deepEqual(
    stale.filter(({ what }) => what === 'hello'),
    [],
    'no connection is opened under an old epoch',
  )
  const writes = logs.written.filter(({ seq, record }) => seq > lastSeq && record?.owner === 'n1' && record.inc === 1)
  t.deepEqual(writes, [], 'nothing is written under an old epoch')
  const balance = await balanceOf(plain, 'counter', load)
  t.log(
    `after it woke: ${stale.length} frames refused, ${writes.length} writes, ${balance.acknowledged} asks acknowledged in all`,
  )
  t.deepEqual({ ...balance, acknowledged: 0 }, { acknowledged: 0, unknown: 0, refused: [], lost: 0, doubled: 0 })
})
