/** Actors send to each other while nodes are killed and leave: whatever an acknowledged turn sent is processed once, in order, and each
 *  ask between them is answered once. */

import test from 'ava'
import { balanceOf, beginLoad } from '../support/load.ts'
import { startNats } from '../support/nats.ts'
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts'
import { connectPlain } from '../support/plain-client.ts'
import { until } from '../support/until.ts'

test('messages between actors survive a kill and a drain: none is lost, none comes twice, none overtakes', async (t) => {
  const nats = await startNats()
  t.teardown(() => nats.stop())
  const start = async (id: string): Promise<NodeProcess> => {
    const node = await startNodeProcess({ servers: nats.url, cluster: 'post', id, shards: 16 })
    t.teardown(() => node.kill())
    return node
  }
  const nodes = await Promise.all(['n1', 'n2', 'n3'].map(start))
  const plain = await connectPlain(nats.url, 'post')
  t.teardown(() => plain.close())
  const relays = Array.from({ length: 20 }, (_, i) => `r${i}`)
  const sinks = Array.from({ length: 5 }, (_, i) => `s${i}`)
  await Promise.all(relays.map((id) => plain.must('placement.spawn', { type: 'relay', id })))
  await Promise.all(sinks.map((id) => plain.must('placement.spawn', { type: 'sink', id })))

  const load = beginLoad(plain, { type: 'relay', actors: relays })
  await load.reaches(300)
  await nodes[1]!.kill()
  await load.reaches(900, 60_000)
  t.is(await nodes[0]!.stop(), 0)
  await load.reaches(1_500, 60_000)
  await load.end()
  const balance = await balanceOf(plain, 'relay', load)
  t.deepEqual({ ...balance, acknowledged: 0 }, { acknowledged: 0, unknown: 0, refused: [], lost: 0, doubled: 0 })

  const contextOf = async (type: string, id: string): Promise<any> =>
    (await plain.must(`actor.${type}.get`, { id }))['context']
  const sent = new Map<string, number>()
  for (const id of relays) sent.set(id, (await contextOf('relay', id)).n)
  const total = [...sent.values()].reduce((sum, n) => sum + n, 0)
  const marks = async (): Promise<readonly (readonly string[])[]> =>
    Promise.all(sinks.map(async (id) => (await contextOf('sink', id)).marks))
  await until('everything has arrived', async () => (await marks()).flat().length >= total)
  await until('every ask is answered', async () => {
    for (const id of relays)
      if ((await contextOf('relay', id)).heard.length < Math.floor(sent.get(id)! / 5)) return false
    return true
  })

  for (const [i, seen] of (await marks()).entries())
    for (const id of relays) {
      const numbers = seen.filter((mark) => mark.startsWith(`${id} `)).map((mark) => Number(mark.split(' ')[1]))
      const expected = Array.from({ length: sent.get(id)! }, (_, k) => k + 1).filter((k) => k % 5 === i)
      t.deepEqual(numbers, expected, `${id} to ${sinks[i]}`)
    }
  for (const id of relays)
    t.is((await contextOf('relay', id)).heard.length, Math.floor(sent.get(id)! / 5), `answers to ${id}`)
  t.log(`${total} messages between ${relays.length} and ${sinks.length} actors`)
})
