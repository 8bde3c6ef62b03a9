/** Planned moves of actors that hold something outside, seen from outside: the next owner never meets its predecessor, and one that
 *  does not let go keeps its shard and is named. */

import test, { type ExecutionContext } from 'ava'
import { type Outside, startOutside } from '../support/outside.ts'
import { startNats } from '../support/nats.ts'
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts'
import { connectPlain, type PlainClient } from '../support/plain-client.ts'
import { until } from '../support/until.ts'

interface Stage {
  readonly outside: Outside
  readonly plain: PlainClient
  start(id: string): Promise<NodeProcess>
  where(actor: string): Promise<string>
}

async function stageOf(t: ExecutionContext): Promise<Stage> {
  const [nats, outside] = await Promise.all([startNats(), startOutside()])
  t.teardown(() => Promise.all([nats.stop(), outside.stop()]))
  const plain = await connectPlain(nats.url, 'held')
  t.teardown(() => plain.close())
  return {
    outside,
    plain,
    async start(id) {
      const node = await startNodeProcess({ servers: nats.url, cluster: 'held', id, shards: 2 })
      t.teardown(() => node.kill())
      return node
    },
    where: async (actor) => (await plain.must('placement.locate', { type: 'holder', id: actor }))['node'],
  }
}

test('a move waits for an asynchronous stop, and the state comes along', async (t) => {
  const { outside, plain, start, where } = await stageOf(t)
  const stopMs = 400
  const actors = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6']
  const first = await start('n1')
  for (const id of actors)
    await plain.must('placement.spawn', { type: 'holder', id, input: { url: outside.url, actor: id, stopMs } })
  for (const id of actors) t.is((await plain.must('actor.holder.ask', { id, event: { type: 'INC' } }))['reply'], 1)
  await until('all hold their sockets', () => actors.every((id) => outside.holdersOf(id)[0] === first.pid))

  const second = await start('n2')
  const moved = await until('half of the shards have moved', async () => {
    const homes = await Promise.all(actors.map(where))
    const onSecond = actors.filter((_, i) => homes[i] === 'n2')
    return onSecond.length > 0 && onSecond
  })
  await until('they hold their sockets again', () => moved.every((id) => outside.holdersOf(id)[0] === second.pid))

  for (const id of actors) {
    t.is(outside.mostHoldersOf(id), 1, `${id}: never two at once`)
    t.true(outside.sightings.every(({ accepted }) => accepted))
    t.is((await plain.must('actor.holder.ask', { id, event: { type: 'INC' } }))['reply'], 2)
  }
  for (const id of moved) {
    const seen = outside.sightings.filter(({ actor }) => actor === id)
    t.deepEqual(
      seen.map(({ what, pid }) => [what, pid]),
      [
        ['hello', first.pid],
        ['closed', first.pid],
        ['hello', second.pid],
      ],
    )
    t.true(seen[2]!.epoch > seen[0]!.epoch)
  }
})

test('a stop that hangs keeps the shard where it is, the node says which, and the actor goes on', async (t) => {
  const { outside, plain, start, where } = await stageOf(t)
  const actors = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6']
  const first = await start('n1')
  for (const id of actors)
    await plain.must('placement.spawn', { type: 'holder', id, input: { url: outside.url, actor: id, stopMs: 'never' } })
  await until('all hold their sockets', () => actors.every((id) => outside.holdersOf(id)[0] === first.pid))

  await start('n2')
  const stuck = await first.line('stuck')

  const id = (stuck['actors'][0] as string).replace('holder/', '')
  t.is(await where(id), 'n1')
  t.is((await plain.must('actor.holder.ask', { id, event: { type: 'INC' }, requestId: 'r-1' }))['reply'], 1)
  t.deepEqual(
    outside.sightings.filter(({ actor }) => actor === id).map(({ what }) => what),
    ['hello'],
  )
})
