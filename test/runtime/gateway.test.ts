import test, { type ExecutionContext } from 'ava'

import { GodwitError, refuse } from '../../src/base/errors.ts'
import { limits } from '../../src/base/limits.ts'
import type { Outcome } from '../../src/core/router.ts'
import type { Call } from '../../src/protocol/call.ts'
import { decodeViewReply } from '../../src/protocol/cluster.ts'
import { decode, encode } from '../../src/protocol/codec.ts'
import { subjects as subjectsOf } from '../../src/protocol/subjects.ts'
import { type Directory, serveGateway } from '../../src/runtime/gateway.ts'
import { MemoryBroker } from '../../src/transport/memory-broker.ts'
import { memoryTransport } from '../../src/transport/memory.ts'
import { viewOf } from '../support/views.ts'

const subjects = subjectsOf('demo')

// requests that are well formed

const calls: Record<string, readonly [subject: string, payload: object, call: object]> = {
  spawn: [
    subjects.spawn,
    { type: 'counter', id: 'c1', input: { start: 5 } },
    { op: 'spawn', address: { type: 'counter', id: 'c1' }, body: { start: 5 } },
  ],
  'spawn without input': [subjects.spawn, { type: 'counter', id: 'c1' }, { op: 'spawn', body: undefined }],
  locate: [subjects.locate, { type: 'counter', id: 'c1' }, { op: 'locate', address: { type: 'counter', id: 'c1' } }],
  stop: [subjects.stop, { type: 'counter', id: 'c1' }, { op: 'stop' }],
  ask: [
    subjects.actor('counter', 'ask'),
    { id: 'c.1 >', event: { type: 'INC', by: 2 }, requestId: 'r-1', timeoutMs: 700 },
    {
      op: 'ask',
      address: { type: 'counter', id: 'c.1 >' },
      body: { type: 'INC', by: 2 },
      request: 'r-1',
      timeoutMs: 700,
    },
  ],
  tell: [
    subjects.actor('counter', 'tell'),
    { id: 'c1', event: { type: 'INC' } },
    { op: 'tell', body: { type: 'INC' }, timeoutMs: limits.timeoutMsDefault },
  ],
  get: [subjects.actor('counter', 'get'), { id: 'c1' }, { op: 'get', address: { type: 'counter', id: 'c1' } }],
  'keys that nobody knows': [subjects.actor('counter', 'get'), { id: 'c1', colour: 'red' }, { op: 'get' }],
}

for (const [title, [subject, payload, expected]] of Object.entries(calls))
  test(`${title}: becomes a call, and its result is answered with ok`, async (t) => {
    const { heard, asJson } = stage(t, () => done({ shard: 'main.1', node: 'n1', epoch: 7 }))
    t.deepEqual(await asJson(subject, payload), { ok: true, shard: 'main.1', node: 'n1', epoch: 7 })
    t.is(heard.length, 1)
    t.like({ ...heard[0], body: decode(heard[0]!.body) }, expected)
  })

test('MessagePack is answered in MessagePack, with what JSON cannot say', async (t) => {
  const { send } = stage(t, () => done({ handled: true, reply: new Date(5) }))
  const reply = await send(subjects.actor('counter', 'ask'), encode({ id: 'c1', event: { type: 'INC' } }))
  t.deepEqual(decode(reply), { ok: true, handled: true, reply: new Date(5) })
})

test('a refusal of the owner is answered as it is', async (t) => {
  const { asJson } = stage(t, () => ({ kind: 'refused', why: refuse('OVERLOADED', 'too much') }))
  t.deepEqual(await asJson(subjects.actor('counter', 'get'), { id: 'c1' }), {
    ok: false,
    error: { code: 'OVERLOADED', message: 'too much', retryable: true },
  })
})

test('a tell that wants no answer is processed all the same', async (t) => {
  const { heard, publish } = stage(t, () => done({}))
  await publish(subjects.actor('counter', 'tell'), Buffer.from('{"id":"c1","event":{"type":"INC"}}'))
  t.is(heard[0]?.op, 'tell')
})

// requests that are not

const malformed: Record<string, readonly [subject: string, payload: string, code: string]> = {
  'no payload at all': [subjects.spawn, '', 'BAD_REQUEST'],
  'half a payload': [subjects.spawn, '{"type":"counter"', 'BAD_REQUEST'],
  'neither JSON nor MessagePack': [subjects.spawn, '\u0000\u0001garbage', 'BAD_REQUEST'],
  'a list': [subjects.spawn, '[]', 'BAD_REQUEST'],
  'a text': [subjects.spawn, '"counter"', 'BAD_REQUEST'],
  'no type': [subjects.spawn, '{"id":"c1"}', 'BAD_REQUEST'],
  'a type that cannot be': [subjects.locate, '{"type":"a b","id":"c1"}', 'BAD_REQUEST'],
  'no id': [subjects.stop, '{"type":"counter"}', 'BAD_REQUEST'],
  'an id that is no text': [subjects.actor('counter', 'get'), '{"id":7}', 'BAD_REQUEST'],
  'an empty id': [subjects.actor('counter', 'get'), '{"id":""}', 'BAD_REQUEST'],
  'no event': [subjects.actor('counter', 'ask'), '{"id":"c1"}', 'BAD_REQUEST'],
  'an event that is a text': [subjects.actor('counter', 'tell'), '{"id":"c1","event":"INC"}', 'BAD_REQUEST'],
  'an event without a type': [subjects.actor('counter', 'ask'), '{"id":"c1","event":{}}', 'BAD_REQUEST'],
  'a timeout that is a text': [subjects.actor('counter', 'get'), '{"id":"c1","timeoutMs":"5"}', 'BAD_REQUEST'],
  'a negative timeout': [subjects.actor('counter', 'get'), '{"id":"c1","timeoutMs":-5}', 'BAD_REQUEST'],
  'a request id that is a number': [subjects.stop, '{"type":"counter","id":"c1","requestId":7}', 'BAD_REQUEST'],
  'an operation that is none': [subjects.actor('counter', 'poke'), '{"id":"c1"}', 'BAD_REQUEST'],
  'a drain of nobody': [subjects.drain, '{}', 'BAD_REQUEST'],
  'a drain for ever': [subjects.drain, '{"node":"n1","timeoutMs":1e12}', 'BAD_REQUEST'],
  'a list from nowhere': [subjects.list, '{"after":{}}', 'BAD_REQUEST'],
  'a list of a type that cannot be': [subjects.list, '{"type":"a.b"}', 'BAD_REQUEST'],
  'a payload that is nested too deeply': [subjects.spawn, `${'{"a":'.repeat(300)}1${'}'.repeat(300)}`, 'BAD_REQUEST'],
  'a payload that is too large': [subjects.spawn, `{"input":"${'x'.repeat(1_000_000)}"}`, 'TOO_LARGE'],
}

for (const [title, [subject, payload, code]] of Object.entries(malformed))
  test(`${title} is refused with a typed error`, async (t) => {
    const { heard, send } = stage(t, () => done({}))
    const reply = JSON.parse(Buffer.from(await send(subject, Buffer.from(payload, 'latin1'))).toString())
    t.like(reply, { ok: false, error: { code, retryable: false } })
    t.regex(reply.error.message, /\w+ \w+/)
    t.is(heard.length, 0)
  })

test('a refusal of a MessagePack request is MessagePack', async (t) => {
  const { send } = stage(t, () => done({}))
  t.like(decode(await send(subjects.spawn, encode({ id: 'c1' }))), { ok: false, error: { code: 'BAD_REQUEST' } })
})

test('an answer that is larger than a message is answered with a refusal', async (t) => {
  const { asJson } = stage(t, () => done({ context: 'x'.repeat(2 ** 20) }))
  const reply = await asJson(subjects.actor('counter', 'get'), { id: 'c1' })
  t.like(reply, { ok: false, error: { code: 'INTERNAL' } })
})

// the cluster

test('nodes, list and drain are answered by what the node knows', async (t) => {
  const orders: unknown[] = []
  const row = { type: 'counter', id: 'c1', status: 'active', shard: 'main.1', node: 'n1' } as const
  const { asJson } = stage(t, () => done({}), {
    nodes: async () => ({ view: 3, nodes: [{ id: 'n1', state: 'up', shards: 16, actors: 2 }] }),
    list: async (query) => ({ rows: [row], next: JSON.stringify(query) }),
    drain: async (order) => {
      orders.push(order)
      if (order.node === 'n9') throw new GodwitError('BAD_REQUEST', 'there is no node n9')
    },
  })
  t.deepEqual(await asJson(subjects.nodes, {}), {
    ok: true,
    view: 3,
    nodes: [{ id: 'n1', state: 'up', shards: 16, actors: 2 }],
  })
  t.deepEqual(await asJson(subjects.list, { type: 'counter', after: 'b' }), {
    ok: true,
    rows: [row],
    next: '{"type":"counter","after":"b"}',
  })
  t.deepEqual(await asJson(subjects.drain, { node: 'n1' }), { ok: true })
  t.like(await asJson(subjects.drain, { node: 'n9', timeoutMs: 5 }), { ok: false, error: { code: 'BAD_REQUEST' } })
  t.deepEqual(orders, [
    { node: 'n1', timeoutMs: 30_000 },
    { node: 'n9', timeoutMs: 5 },
  ])
})

test('the view is answered in Godwit’s own encoding, or why there is none', async (t) => {
  const view = viewOf(4, { n1: ['counter'] })
  const { directory, send } = stage(t, () => done({}))
  directory.view = () => view
  t.deepEqual(decodeViewReply(await send(subjects.view, new Uint8Array(0))), view)
  directory.view = () => undefined
  t.like(decodeViewReply(await send(subjects.view, new Uint8Array(0))), { code: 'UNAVAILABLE' })
})

test('what breaks inside is answered as INTERNAL', async (t) => {
  const { asJson } = stage(t, () => done({}), { nodes: () => Promise.reject(new Error('a bug')) })
  t.like(await asJson(subjects.nodes, {}), { ok: false, error: { code: 'INTERNAL', message: 'a bug' } })
})

test('of several gateways one takes a request, and none after it was closed', async (t) => {
  const broker = new MemoryBroker('test')
  const taken = [0, 0]
  const closers = taken.map((_, i) =>
    serveGateway({
      cluster: 'demo',
      transport: memoryTransport(broker),
      directory: {} as Directory,
      call: async () => {
        taken[i]!++
        return done({})
      },
    }),
  )
  const caller = memoryTransport(broker)
  const ask = () => caller.request(subjects.stop, Buffer.from('{"type":"counter","id":"c1"}'), 1_000)
  for (let i = 0; i < 4; i++) await ask()
  t.deepEqual(taken, [2, 2])
  await Promise.all(closers.map((close) => close()))
  t.deepEqual(await ask(), { kind: 'nobody' })
})

test('a gateway that closes answers what it took before', async (t) => {
  const broker = new MemoryBroker('test')
  let leave!: () => void
  const left = new Promise<void>((resolve) => (leave = resolve))
  const close = serveGateway({
    cluster: 'demo',
    transport: memoryTransport(broker),
    directory: { drain: () => left } as Partial<Directory> as Directory,
    call: async () => done({}),
  })
  const asked = memoryTransport(broker).request(subjects.drain, Buffer.from('{"node":"n1"}'), 1_000)
  await memoryTransport(broker).flush()
  await memoryTransport(broker).flush()

  const closed = close()
  leave()
  await closed
  t.is((await asked).kind, 'reply')
})

interface Stage {
  readonly heard: Call[]
  readonly directory: { -readonly [K in keyof Directory]: Directory[K] }
  readonly send: (subject: string, payload: Uint8Array) => Promise<Uint8Array>
  readonly asJson: (subject: string, payload: object) => Promise<unknown>
  readonly publish: (subject: string, payload: Uint8Array) => Promise<void>
}

function stage(t: ExecutionContext, owner: (call: Call) => Outcome, known: Partial<Directory> = {}): Stage {
  const broker = new MemoryBroker('test')
  const heard: Call[] = []
  const directory: Stage['directory'] = {
    view: () => undefined,
    nodes: () => t.fail(),
    list: () => t.fail(),
    drain: () => t.fail(),
    ...known,
  }
  const call = async (given: Call) => {
    heard.push(given)
    return owner(given)
  }
  t.teardown(serveGateway({ cluster: 'demo', transport: memoryTransport(broker), call, directory }))
  const caller = memoryTransport(broker)
  // Around the caller's own limit: the gateway has to refuse what is too large by itself.
  const send: Stage['send'] = (subject, payload) =>
    new Promise((resolve) => {
      const end = broker.subscribe('reply', ({ bytes }) => {
        end()
        resolve(bytes)
      })
      broker.publish(subject, payload, 'reply')
    })
  return {
    heard,
    directory,
    send,
    asJson: async (subject, payload) =>
      JSON.parse(Buffer.from(await send(subject, Buffer.from(JSON.stringify(payload)))).toString()),
    publish: async (subject, payload) => {
      caller.publish(subject, payload)
      await caller.flush()
      await caller.flush()
    },
  }
}

const done = (result: object): Outcome => ({ kind: 'done', body: encode(result) })
