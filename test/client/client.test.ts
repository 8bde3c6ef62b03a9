import test, { type ExecutionContext } from 'ava'
import { expectTypeOf } from 'expect-type'
import { assign as assignContext, setup } from 'xstate'

import { GodwitError, type ErrorCode, refuse } from '../../src/base/errors.ts'
import { limits } from '../../src/base/limits.ts'
import { seededRandom } from '../../src/base/random.ts'
import { createClient } from '../../src/client/client.ts'
import type { ActorRef } from '../../src/client/ref.ts'
import { decode, encodeAs, parsePayload } from '../../src/protocol/codec.ts'
import { subjects } from '../../src/protocol/subjects.ts'
import { defineActor, type } from '../../src/runtime/definition.ts'
import { MemoryBroker } from '../../src/transport/memory-broker.ts'
import { memoryTransport } from '../../src/transport/memory.ts'
import { fakeNode } from '../support/fake-node.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { viewOf } from '../support/views.ts'

const machine = setup({
  types: {
    context: {} as { count: number },
    events: {} as { type: 'INC' } | { type: 'ADD'; by: number },
    input: {} as { start: number },
  },
}).createMachine({
  context: ({ input }) => ({ count: input.start }),
  on: { INC: { actions: assignContext({ count: ({ context }) => context.count + 1 }) }, ADD: {} },
})
const counter = defineActor({ type: 'counter', machine, replies: { INC: type<number>() } })

// calls

test('every method sends its operation and resolves with its result', async (t) => {
  const { client, n1, clock } = stage(t)
  const results: Record<string, object> = {
    spawn: { created: true, type: 'counter', id: 'c1', shard: 'main.1', node: 'n1', epoch: 7 },
    ask: { handled: true, reply: 6 },
    tell: {},
    get: { status: 'active', value: {}, context: { count: 6 }, tags: [] },
    stop: { stopped: true },
    locate: { shard: 'main.1', node: 'n1', epoch: 7 },
  }
  n1.does = ({ op }) => results[op]
  const ref = client.actor(counter, 'c1')

  const all = Promise.all([
    ref.spawn({ start: 5 }),
    ref.ask({ type: 'INC' }),
    ref.tell({ type: 'ADD', by: 2 }),
    ref.get(),
    ref.stop(),
    client.locate(counter, 'c1'),
    ref.request({ type: 'INC' }),
  ])
  await clock.settle()

  const { spawn, tell: _, get, stop, locate, ask } = results
  t.deepEqual(await all, [spawn, 6, undefined, get, stop, locate, ask] as unknown as Awaited<typeof all>)
  t.is(n1.batches.length, 1, 'one message for all calls of one turn')
  const bodies = n1.batches[0]!.map(({ op, body }) => [op, decode(body)])
  t.deepEqual(bodies.slice(0, 3), [
    ['spawn', { start: 5 }],
    ['ask', { type: 'INC' }],
    ['tell', { type: 'ADD', by: 2 }],
  ])
})

test('a request id travels with its request', async (t) => {
  const { client, n1, clock } = stage(t)
  n1.does = () => ({ handled: true, reply: 1 })
  const asked = client.actor(counter, 'c1').ask({ type: 'INC' }, { requestId: 'r-1' })
  await clock.settle()
  await asked
  t.is(n1.batches[0]![0]!.request, 'r-1')
})

test('a refusal of the owner rejects with its code and its words', async (t) => {
  const { client, n1, clock } = stage(t)
  n1.does = () => ({ kind: 'refused', why: refuse('ACTOR_NOT_FOUND', 'there is no actor counter/c1') })
  const asked = client.actor(counter, 'c1').ask({ type: 'INC' })
  await settles(t, clock, asked, 'ACTOR_NOT_FOUND', /no actor counter\/c1/)
})

test('a silent owner costs no more than the time that was given', async (t) => {
  const { client, n1, clock } = stage(t)
  const asked = client.actor(counter, 'c1').ask({ type: 'INC' }, { timeoutMs: 1_500 })
  await clock.pass(1_510)
  await settles(t, clock, asked, 'DEADLINE', /n1 has not answered/)
  t.deepEqual(
    n1.batches.map((frames) => frames.map(({ id, leftMs }) => [id === n1.batches[0]![0]!.id, leftMs])),
    [[[true, 1_500]], [[true, 500]]],
    'the same frame was sent again after a second',
  )
})

test('without a node a call ends at its deadline and names the cluster', async (t) => {
  const { client, n1, clock } = stage(t)
  n1.stop()
  const asked = client.actor(counter, 'c1').get({ timeoutMs: 300 })
  await clock.pass(310)
  await settles(t, clock, asked, 'UNAVAILABLE', /no node of cluster demo answers/)
})

test('a node that has no view yet says so', async (t) => {
  const { client, n1, clock } = stage(t)
  n1.view = undefined
  const asked = client.actor(counter, 'c1').get({ timeoutMs: 300 })
  await clock.pass(310)
  await settles(t, clock, asked, 'UNAVAILABLE', /not in the cluster yet/)
})

test('a cluster whose ring this release does not know is not guessed at', async (t) => {
  const { client, n1, clock } = stage(t)
  n1.view = { ...n1.view!, ringVersion: 99 }
  const asked = client.actor(counter, 'c1').get({ timeoutMs: 300 })
  await clock.pass(310)
  await settles(t, clock, asked, 'UNAVAILABLE', /ring 99/)
})

test('a type that nobody offers is refused at once', async (t) => {
  const { client, clock } = stage(t)
  await settles(t, clock, client.actor('unheard', 'c1').get(), 'TYPE_UNKNOWN', /unheard/)
})

test('frames that the owner moved away from go to the next owner', async (t) => {
  const { client, n1, clock, broker } = stage(t)
  const n2 = fakeNode(memoryTransport(broker), 'demo', 'n2', clock)
  const next = viewOf(2, { n1: [], n2: ['counter'] })
  n2.view = next
  n2.does = () => ({ handled: true, reply: 2 })
  n1.does = () => {
    n1.view = next
    return { kind: 'moved', view: 2 }
  }
  const asked = client.actor(counter, 'c1').ask({ type: 'INC' })
  await clock.pass(100)
  t.is(await asked, 2)
  t.is(n2.batches[0]![0]!.id, n1.batches[0]![0]!.id)
})

test('a caller that gives up is rejected at once; before the call, nothing is sent', async (t) => {
  const { client, n1, clock } = stage(t)
  const giveUp = new AbortController()
  const asked = client.actor(counter, 'c1').ask({ type: 'INC' }, { signal: giveUp.signal })
  await clock.settle()
  giveUp.abort()
  await settles(t, clock, asked, 'DEADLINE', /gave it up/)

  const late = client.actor(counter, 'c1').ask({ type: 'INC' }, { signal: giveUp.signal })
  await settles(t, clock, late, 'UNAVAILABLE', /gave it up/)
  t.is(n1.batches.length, 1)
})

test('closing settles what is open, and later calls are refused', async (t) => {
  const { client, clock } = stage(t)
  const open = client.actor(counter, 'c1').ask({ type: 'INC' })
  await clock.settle()
  await client.close()
  await settles(t, clock, open, 'DEADLINE', /closed/)
  await settles(t, clock, client.actor(counter, 'c1').get(), 'UNAVAILABLE', /closed/)
  await settles(t, clock, client.nodes(), 'UNAVAILABLE', /closed/)
  t.true(clock.isIdle, 'no timer keeps the process')
})

test('a client whose calls are settled keeps no timer', async (t) => {
  const { client, n1, clock } = stage(t)
  n1.does = () => ({ handled: true, reply: 1 })
  const asked = client.actor(counter, 'c1').ask({ type: 'INC' })
  await clock.pass(10_000)
  t.is(await asked, 1)
  t.true(clock.isIdle)
})

// what is refused before it is sent

const refusedLocally: Record<string, readonly [ErrorCode, (ref: ActorRef) => Promise<unknown>]> = {
  'an event that is no object': ['BAD_REQUEST', (ref) => ref.ask('INC' as never)],
  'an event without a type': ['BAD_REQUEST', (ref) => ref.tell({ typ: 'INC' } as never)],
  'an event type that no machine can have': ['EVENT_REJECTED', (ref) => ref.ask({ type: 'x'.repeat(1_000) })],
  'an event that is too large': ['TOO_LARGE', (ref) => ref.ask({ type: 'INC', data: new Uint8Array(1_000_000) })],
  'an input that holds itself': ['BAD_REQUEST', (ref) => ref.spawn(cyclic())],
  'an input that is nested too deeply': ['BAD_REQUEST', (ref) => ref.spawn(nested(limits.payloadDepthMax + 5))],
  'a timeout of nothing': ['BAD_REQUEST', (ref) => ref.get({ timeoutMs: 0 })],
  'a timeout that is too long': ['BAD_REQUEST', (ref) => ref.get({ timeoutMs: limits.timeoutMsMax + 1 })],
  'a timeout that is no number': ['BAD_REQUEST', (ref) => ref.get({ timeoutMs: '5' as never })],
  'an empty request id': ['BAD_REQUEST', (ref) => ref.stop({ requestId: '' })],
  'a request id that is too long': ['BAD_REQUEST', (ref) => ref.stop({ requestId: 'ü'.repeat(200) })],
}

for (const [title, [code, act]] of Object.entries(refusedLocally))
  test(`${title} is refused without a message`, async (t) => {
    const { client, n1, clock } = stage(t)
    await settles(t, clock, act(client.actor('counter', 'c1')), code)
    t.is(n1.batches.length, 0)
  })

for (const [title, name, id] of [
  ['an empty id', 'counter', ''],
  ['an id that is too long', 'counter', 'x'.repeat(513)],
  ['half a character as an id', 'counter', '\ud800'],
  ['a type that cannot be', 'coun.ter', 'c1'],
] as const)
  test(`${title} is refused where the actor is named`, (t) => {
    const { client } = stage(t)
    t.throws(() => client.actor(name, id), { instanceOf: GodwitError, code: 'BAD_REQUEST' })
  })

test('a message limit of the broker below our own is refused as TOO_LARGE', async (t) => {
  const { client, n1, clock } = stage(t, { bytesMax: 10_000 })
  n1.does = () => ({})
  const ref = client.actor('counter', 'c1')
  const small = ref.tell({ type: 'INC' })
  await settles(t, clock, ref.tell({ type: 'INC', data: new Uint8Array(12_000) }), 'TOO_LARGE', /10000 bytes/)
  await small
  t.pass()
})

// the cluster

test('nodes, drain and list ask the public subjects', async (t) => {
  const { client, clock, broker } = stage(t)
  const nodes = { view: 3, nodes: [{ id: 'n1', state: 'up', shards: 16, actors: 2 }] }
  const row = (id: string) => ({ type: 'counter', id, status: 'active', shard: 'main.1', node: 'n1' })
  const heard: unknown[] = []
  const serve = (subject: string, answer: (body: { after?: string }) => object) => {
    const transport = memoryTransport(broker)
    transport.subscribe(subject, ({ bytes, replyTo }) => {
      const { value, encoding } = parsePayload(bytes)
      heard.push(value)
      transport.publish(replyTo!, encodeAs(answer(value as object), encoding))
    })
  }
  serve(subjects('demo').nodes, () => ({ ok: true, ...nodes }))
  serve(subjects('demo').drain, () => ({ ok: false, error: refuse('DEADLINE', 'n1 has not left in time') }))
  serve(subjects('demo').list, ({ after }) =>
    after === undefined ? { ok: true, rows: [row('a'), row('b')], next: 'b' } : { ok: true, rows: [row('c')] },
  )

  const shown = client.nodes()
  await clock.settle()
  t.deepEqual(await shown, nodes as never)

  await settles(t, clock, client.drain('n1', { timeoutMs: 100 }), 'DEADLINE', /not left in time/)

  const listed = idsOf(client.list({ type: counter }))
  await clock.pass(10)
  t.deepEqual(await listed, ['a', 'b', 'c'])
  t.deepEqual(heard, [{}, { node: 'n1', timeoutMs: 100 }, { type: 'counter' }, { type: 'counter', after: 'b' }])
})

test('without a node, requests about the cluster are refused at once', async (t) => {
  const { client, clock } = stage(t)
  await settles(t, clock, client.nodes(), 'UNAVAILABLE', /no node of cluster demo answers/)
})

// types

test('references are typed by the definition, or by its type alone', (t) => {
  const { client } = stage(t)
  const ref = client.actor(counter, 'c1')
  const byName = client.actor<typeof counter>('counter', 'c1')
  expectTypeOf(byName).toEqualTypeOf(ref)
  expectTypeOf<Parameters<typeof ref.spawn>[0]>().toEqualTypeOf<{ start: number }>()
  expectTypeOf<Parameters<typeof ref.tell>[0]>().toEqualTypeOf<{ type: 'INC' } | { type: 'ADD'; by: number }>()
  expectTypeOf(() => ref.ask({ type: 'INC' })).returns.resolves.toEqualTypeOf<number>()
  expectTypeOf(() => ref.ask({ type: 'ADD', by: 1 })).returns.resolves.toHaveProperty('context')
  expectTypeOf(() => ref.get())
    .returns.resolves.toHaveProperty('context')
    .toEqualTypeOf<{ count: number }>()
  const untyped = client.actor('counter', 'c1')
  expectTypeOf(() => untyped.ask({ type: 'ADD', by: 1 })).returns.resolves.toEqualTypeOf<unknown>()
  // @ts-expect-error: the machine knows no such event
  expectTypeOf(() => ref.tell({ type: 'DEC' })).returns.resolves.toEqualTypeOf<void>()
  t.pass()
})

function stage(t: ExecutionContext, options: { readonly bytesMax?: number } = {}) {
  const clock = new ManualClock()
  const broker = new MemoryBroker('test', { clock, ...options })
  const n1 = fakeNode(memoryTransport(broker), 'demo', 'n1', clock)
  n1.view = viewOf(1, { n1: ['counter'], n2: [] })
  const client = createClient({ cluster: 'demo', transport: memoryTransport(broker), clock, random: seededRandom(1) })
  t.teardown(() => client.close())
  return { clock, broker, n1, client }
}

async function settles(
  t: ExecutionContext,
  clock: ManualClock,
  call: Promise<unknown>,
  code: ErrorCode,
  message: RegExp = /./,
): Promise<void> {
  const thrown = t.throwsAsync(call, { instanceOf: GodwitError, code, message })
  await clock.settle()
  await thrown
}

async function idsOf(rows: AsyncIterable<{ readonly id: string }>): Promise<readonly string[]> {
  const ids: string[] = []
  for await (const { id } of rows) ids.push(id)
  return ids
}

function cyclic(): object {
  const value: { self?: object } = {}
  value.self = value
  return value
}

const nested = (depth: number): object => (depth === 0 ? {} : { inner: nested(depth - 1) })
