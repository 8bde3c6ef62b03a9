/** The table of public subjects, row by row, in JSON and in MessagePack, by a client that knows nothing of Godwit. Two nodes serve
 *  it, so that about half of the requests are picked up by a node that does not own the actor. */

import anyTest, { type TestFn } from 'ava'
import { type GodwitNode, startNode } from '../../src/index.ts'
import * as actors from '../support/actors.ts'
import { startNats, type TestNats } from '../support/nats.ts'
import { type Answer, connectPlain, type Encoding, type PlainClient } from '../support/plain-client.ts'
import { until } from '../support/until.ts'

const test = anyTest as TestFn<{ nats: TestNats; nodes: GodwitNode[]; plain: PlainClient }>

test.before(async (t) => {
  const nats = await startNats()
  const start = (nodeId: string): Promise<GodwitNode> =>
    startNode({ servers: nats.url, cluster: 'public', nodeId, actors: Object.values(actors), shards: 16 })
  const nodes = await Promise.all([start('n1'), start('n2')])
  t.context = { nats, nodes, plain: await connectPlain(nats.url, 'public') }
})

test.after.always(async (t) => {
  await t.context.plain?.close()
  await Promise.all((t.context.nodes ?? []).map((node) => node.close()))
  await t.context.nats?.stop()
})

for (const encoding of ['json', 'msgpack'] as const satisfies Encoding[]) {
  const asker = (plain: PlainClient) => (what: string, body: object) => plain.request(what, body, { encoding })

  test(`${encoding}: spawn says where the actor lives, and a second one that it lived before`, async (t) => {
    const ask = asker(t.context.plain)
    const body = { type: 'counter', id: `spawn-${encoding}`, input: { start: 5 } }
    const first = await ask('placement.spawn', body)
    const second = await ask('placement.spawn', { ...body, input: { start: 9 } })

    t.is(first.ok, true)
    t.deepEqual(
      { ...first, shard: '', node: '', epoch: 0 },
      { ok: true, created: true, type: 'counter', id: body.id, shard: '', node: '', epoch: 0 },
    )
    t.regex(first['shard'], /^main\.\d+$/)
    t.regex(first['node'], /^n[12]$/)
    t.true(Number.isSafeInteger(first['epoch']) && first['epoch'] > 0)
    t.is(second['created'], false)
    t.is((await ask('actor.counter.get', body))['context'].n, 5)
  })

  test(`${encoding}: locate says the same as spawn`, async (t) => {
    const ask = asker(t.context.plain)
    const body = { type: 'counter', id: `locate-${encoding}` }
    await ask('placement.spawn', body)
    // Asked again: the shards may still be moving to the second node.
    const both = await until('locate and spawn agree', async () => {
      const [{ shard, node, epoch }, located] = [
        await ask('placement.spawn', body),
        await ask('placement.locate', body),
      ]
      return JSON.stringify(located) === JSON.stringify({ ok: true, shard, node, epoch }) && located
    })
    t.true(both.ok)
  })

  test(`${encoding}: stop ends the actor, and says when there was none`, async (t) => {
    const ask = asker(t.context.plain)
    const body = { type: 'counter', id: `stop-${encoding}` }
    await ask('placement.spawn', body)

    t.deepEqual(await ask('placement.stop', body), { ok: true, stopped: true })
    t.deepEqual(await ask('placement.stop', body), { ok: true, stopped: false })
    t.is((await ask('actor.counter.get', body)).error?.code, 'ACTOR_NOT_FOUND')
  })

  test(`${encoding}: ask answers with the machine's reply, else with the view`, async (t) => {
    const ask = asker(t.context.plain)
    const id = `ask-${encoding}`
    await ask('placement.spawn', { type: 'counter', id })

    t.deepEqual(await ask('actor.counter.ask', { id, event: { type: 'INC' } }), { ok: true, handled: true, reply: 1 })
    t.deepEqual(await ask('actor.counter.ask', { id, event: { type: 'ADD', by: 4 }, timeoutMs: 4_000 }), {
      ok: true,
      handled: true,
      reply: { status: 'active', value: 'open', context: { n: 5 }, tags: ['busy'] },
    })
  })

  test(`${encoding}: an event without a transition in the present state is not handled`, async (t) => {
    const ask = asker(t.context.plain)
    const id = `handled-${encoding}`
    await ask('placement.spawn', { type: 'counter', id })
    t.deepEqual(await ask('actor.counter.ask', { id, event: { type: 'OPEN' } }), {
      ok: true,
      handled: false,
      reply: { status: 'active', value: 'open', context: { n: 0 }, tags: ['busy'] },
    })
  })

  test(`${encoding}: tell is acknowledged once committed, and get shows it`, async (t) => {
    const ask = asker(t.context.plain)
    const id = `tell-${encoding}`
    await ask('placement.spawn', { type: 'counter', id })

    t.deepEqual(await ask('actor.counter.tell', { id, event: { type: 'INC' } }), { ok: true })
    t.deepEqual(await ask('actor.counter.get', { id }), {
      ok: true,
      status: 'active',
      value: 'open',
      context: { n: 1 },
      tags: ['busy'],
    })
  })

  test(`${encoding}: an actor that is done shows its output, takes no event, and a spawn starts it anew`, async (t) => {
    const ask = asker(t.context.plain)
    const body = { type: 'counter', id: `done-${encoding}`, input: { start: 3 } }
    await ask('placement.spawn', body)
    await ask('actor.counter.ask', { id: body.id, event: { type: 'END' } })

    t.like(await ask('actor.counter.get', body), { ok: true, status: 'done', value: 'over', output: { total: 3 } })
    t.like(await ask('actor.counter.ask', { id: body.id, event: { type: 'INC' } }), {
      ok: false,
      error: { code: 'ACTOR_DONE' },
    })
    t.is((await ask('placement.spawn', { ...body, input: { start: 7 } }))['created'], true)
    t.like(await ask('actor.counter.get', body), { status: 'active', context: { n: 7 } })
  })

  test(`${encoding}: a request id is processed once, also by another node, and never for another payload`, async (t) => {
    const ask = asker(t.context.plain)
    const id = `request-${encoding}`
    await ask('placement.spawn', { type: 'counter', id })
    const body = { id, event: { type: 'INC' }, requestId: 'r-1' }
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('actor.counter.ask', body)))

    for (const answer of [...answers, await ask('actor.counter.ask', body)])
      t.deepEqual(answer, { ok: true, handled: true, reply: 1 })
    t.like(await ask('actor.counter.ask', { ...body, event: { type: 'ADD', by: 1 } }), {
      ok: false,
      error: { code: 'BAD_REQUEST' },
    })
    t.like(await ask('actor.counter.tell', body), { ok: false, error: { code: 'BAD_REQUEST' } })
    t.is((await ask('actor.counter.get', { id }))['context'].n, 1)
  })

  test(`${encoding}: a spawn under a request id is the same spawn again`, async (t) => {
    const ask = asker(t.context.plain)
    const body = { type: 'counter', id: `respawn-${encoding}`, requestId: 's-1' }
    const [first, second] = [await ask('placement.spawn', body), await ask('placement.spawn', body)]
    t.is(first['created'], true)
    t.is(second['created'], true)
  })

  test(`${encoding}: nodes tells who is in, and list who lives where`, async (t) => {
    const ask = asker(t.context.plain)
    await ask('placement.spawn', { type: 'picky', id: `list-${encoding}`, input: { name: 'x' } })
    const { ok, view, nodes } = await ask('cluster.nodes', {})
    t.true(ok)
    t.true(view >= 1)
    t.deepEqual(
      nodes.map(({ id, state }: Answer) => [id, state]),
      [
        ['n1', 'up'],
        ['n2', 'up'],
      ],
    )
    t.deepEqual(Object.keys(nodes[0]), ['id', 'state', 'shards', 'actors'])

    const { rows } = await ask('cluster.list', { type: 'picky' })
    t.like(
      rows.find(({ id }: Answer) => id === `list-${encoding}`),
      { type: 'picky', status: 'active' },
    )
  })
}

test('ids may hold dots, spaces, slashes, wildcards, unicode and emoji, and stay apart', async (t) => {
  const { plain } = t.context
  const ids = [
    'a.b',
    'a b',
    'a/b',
    'a',
    '*',
    '>',
    'a.*',
    'größe',
    '注文',
    '🐦‍⬛🪽',
    '\u0000',
    ' ',
    '..',
    '%2e',
    '"',
    '\n',
    'É',
    'E\u0301',
    'x'.repeat(512),
  ]
  for (const [i, id] of ids.entries())
    t.is((await plain.must('placement.spawn', { type: 'counter', id, input: { start: i } }))['created'], true, id)

  for (const [i, id] of ids.entries()) {
    t.is((await plain.must('actor.counter.ask', { id, event: { type: 'INC' }, requestId: 'once' }))['reply'], i + 1, id)
    t.is((await plain.must('placement.spawn', { type: 'counter', id }))['id'], id)
  }
})

test('keys that nobody knows are tolerated', async (t) => {
  const answer = await t.context.plain.request('placement.spawn', { type: 'counter', id: 'extra', future: { a: 1 } })
  t.true(answer.ok)
})

test('what asks for no answer gets none, and is processed', async (t) => {
  const { plain } = t.context
  await plain.must('placement.spawn', { type: 'counter', id: 'quiet' })
  plain.connection.publish('godwit.public.actor.counter.tell', JSON.stringify({ id: 'quiet', event: { type: 'INC' } }))
  t.true(
    await until(
      'the event is processed',
      async () => (await plain.must('actor.counter.get', { id: 'quiet' }))['context'].n === 1,
    ),
  )
})

test('drain hands the shards of a node over and ends it', async (t) => {
  const { plain, nats } = t.context
  const third = await startNode({ servers: nats.url, cluster: 'public', nodeId: 'n3', actors: Object.values(actors) })
  t.true((await plain.request('cluster.drain', { node: 'n3' }, { timeoutMs: 35_000 })).ok)
  await third.closed
  t.is((await plain.request('cluster.drain', { node: 'n3' })).error?.code, 'BAD_REQUEST')
})
