/** What is wrong, and what it gets: a typed error, and nothing else. Behind every row of the tables the same is asked: the process
 *  of the node still runs, and a control actor has counted exactly what was acknowledged. */

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import anyTest, { type TestFn } from 'ava'
import { Packr } from 'msgpackr'
import { type ErrorCode, GodwitError, startNode } from '../../src/index.ts'
import { counter } from '../support/actors.ts'
import { startNats, type TestNats } from '../support/nats.ts'
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts'
import { connectPlain, type Fate, type PlainClient } from '../support/plain-client.ts'

const test = anyTest as TestFn<{ nats: TestNats; node: NodeProcess; plain: PlainClient; counted: { events: number } }>

test.before(async (t) => {
  const nats = await startNats({ config: 'max_payload: 24MB' })
  const node = await startNodeProcess({ servers: nats.url, cluster: 'bad', id: 'n1', shards: 4 })
  const plain = await connectPlain(nats.url, 'bad')
  await plain.must('placement.spawn', { type: 'counter', id: 'control' })
  await plain.must('placement.spawn', { type: 'faulty', id: 'f' })
  t.context = { nats, node, plain, counted: { events: 0 } }
})

test.after.always(async (t) => {
  await t.context.plain?.close()
  await t.context.node?.kill()
  await t.context.nats?.stop()
})

/** A request with a JSON body, or with bytes. */
interface BadRequest {
  readonly name: string
  readonly subject: string
  readonly body: unknown
  readonly code: ErrorCode
  /** What the sentence of the refusal must say. */
  readonly says: RegExp
}

const incTo = (id: unknown): object => ({ id, event: { type: 'INC' } })
const eventOf = (event: unknown): object => ({ id: 'control', event })
const bytes = (said: string): Uint8Array => Buffer.from(said)
const msgpack = (value: unknown): Uint8Array => new Packr({ useRecords: false }).pack(value)
const ask = 'actor.counter.ask'

const deepJson = (depth: number): Uint8Array =>
  bytes(`{"id":"control","event":{"type":"INC","a":${'['.repeat(depth)}${']'.repeat(depth)}}}`)
/** Arrays of one item each, around nil. */
const deepMsgpack = (depth: number): Uint8Array => {
  const head = msgpack({ id: 'control', event: null }).subarray(0, -1)
  return Buffer.concat([head, new Uint8Array(depth).fill(0x91), new Uint8Array([0xc0])])
}

const badRequests: readonly BadRequest[] = [
  {
    name: 'an unknown type',
    subject: 'placement.spawn',
    body: { type: 'ghost', id: 'a' },
    code: 'TYPE_UNKNOWN',
    says: /ghost/,
  },
  {
    name: 'an event to an unknown type',
    subject: 'actor.ghost.ask',
    body: incTo('a'),
    code: 'TYPE_UNKNOWN',
    says: /ghost/,
  },
  {
    name: 'a type that is no name',
    subject: 'placement.spawn',
    body: { type: 'a/b', id: 'a' },
    code: 'BAD_REQUEST',
    says: /type/,
  },
  { name: 'no type', subject: 'placement.spawn', body: { id: 'a' }, code: 'BAD_REQUEST', says: /type/ },
  {
    name: 'a missing actor (ask)',
    subject: ask,
    body: incTo('nobody'),
    code: 'ACTOR_NOT_FOUND',
    says: /counter\/nobody/,
  },
  {
    name: 'a missing actor (tell)',
    subject: 'actor.counter.tell',
    body: incTo('nobody'),
    code: 'ACTOR_NOT_FOUND',
    says: /spawn it/,
  },
  {
    name: 'a missing actor (get)',
    subject: 'actor.counter.get',
    body: { id: 'nobody' },
    code: 'ACTOR_NOT_FOUND',
    says: /nobody/,
  },
  {
    name: 'a missing actor (locate)',
    subject: 'placement.locate',
    body: { type: 'counter', id: 'nobody' },
    code: 'ACTOR_NOT_FOUND',
    says: /nobody/,
  },
  {
    name: 'an operation that nobody knows',
    subject: 'actor.counter.dance',
    body: incTo('control'),
    code: 'BAD_REQUEST',
    says: /dance/,
  },
  {
    name: 'an event that the machine does not know',
    subject: ask,
    body: eventOf({ type: 'NO' }),
    code: 'EVENT_REJECTED',
    says: /NO/,
  },
  {
    name: 'an event of XState (init)',
    subject: ask,
    body: eventOf({ type: 'xstate.init' }),
    code: 'BAD_REQUEST',
    says: /xstate/,
  },
  {
    name: 'an event of XState (done)',
    subject: ask,
    body: eventOf({ type: 'xstate.done.actor.x' }),
    code: 'BAD_REQUEST',
    says: /xstate/,
  },
  {
    name: 'an event of XState (after)',
    subject: ask,
    body: eventOf({ type: 'xstate.after.1.x' }),
    code: 'BAD_REQUEST',
    says: /xstate/,
  },
  {
    name: 'an event of XState (stop)',
    subject: ask,
    body: eventOf({ type: 'xstate.stop' }),
    code: 'BAD_REQUEST',
    says: /xstate/,
  },
  { name: 'the wildcard as an event', subject: ask, body: eventOf({ type: '*' }), code: 'BAD_REQUEST', says: /\*/ },
  { name: 'an event without a type', subject: ask, body: eventOf({}), code: 'BAD_REQUEST', says: /type/ },
  { name: 'an event that is a text', subject: ask, body: eventOf('INC'), code: 'BAD_REQUEST', says: /event/ },
  { name: 'no event', subject: ask, body: { id: 'control' }, code: 'BAD_REQUEST', says: /event/ },
  { name: 'no id', subject: ask, body: incTo(undefined), code: 'BAD_REQUEST', says: /id/ },
  { name: 'an id that is a number', subject: ask, body: incTo(7), code: 'BAD_REQUEST', says: /id/ },
  { name: 'an empty id', subject: ask, body: incTo(''), code: 'BAD_REQUEST', says: /id/ },
  {
    name: 'an id of 10 KB',
    subject: 'placement.spawn',
    body: { type: 'counter', id: 'x'.repeat(10_240) },
    code: 'BAD_REQUEST',
    says: /512/,
  },
  { name: 'an id with half a character', subject: ask, body: incTo('\ud800'), code: 'BAD_REQUEST', says: /id/ },
  {
    name: 'a request id of 10 KB',
    subject: ask,
    body: { ...incTo('control'), requestId: 'x'.repeat(10_240) },
    code: 'BAD_REQUEST',
    says: /256/,
  },
  {
    name: 'a timeout of an hour',
    subject: ask,
    body: { ...incTo('control'), timeoutMs: 3_600_000 },
    code: 'BAD_REQUEST',
    says: /60000/,
  },
  {
    name: 'a timeout below zero',
    subject: ask,
    body: { ...incTo('control'), timeoutMs: -1 },
    code: 'BAD_REQUEST',
    says: /timeoutMs/,
  },
  {
    name: 'a payload that breaks off',
    subject: ask,
    body: bytes('{"id":"control","event":{"type"'),
    code: 'BAD_REQUEST',
    says: /JSON/,
  },
  {
    name: 'a payload of plain text',
    subject: ask,
    body: bytes('hello there'),
    code: 'BAD_REQUEST',
    says: /object|MessagePack/,
  },
  {
    name: 'a payload of random bytes',
    subject: ask,
    body: Buffer.concat([new Uint8Array([0xc1]), randomBytes(200)]),
    code: 'BAD_REQUEST',
    says: /MessagePack/,
  },
  {
    name: 'a payload that is not UTF-8',
    subject: ask,
    body: new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
    code: 'BAD_REQUEST',
    says: /JSON/,
  },
  { name: 'a payload that is a list', subject: ask, body: [1, 2], code: 'BAD_REQUEST', says: /object/ },
  { name: 'an empty payload', subject: ask, body: new Uint8Array(0), code: 'BAD_REQUEST', says: /id|event/ },
  { name: 'a JSON payload of depth 10,000', subject: ask, body: deepJson(10_000), code: 'BAD_REQUEST', says: /deep/ },
  {
    name: 'a MessagePack payload of depth 10,000',
    subject: ask,
    body: deepMsgpack(10_000),
    code: 'BAD_REQUEST',
    says: /deep|MessagePack/,
  },
  {
    name: 'a JSON payload of 20 MB',
    subject: ask,
    body: bytes(`{"id":"control","event":{"type":"INC","a":"${'x'.repeat(20 * 2 ** 20)}"}}`),
    code: 'TOO_LARGE',
    says: /900000/,
  },
  {
    name: 'a MessagePack payload of 20 MB',
    subject: ask,
    body: msgpack({ ...incTo('control'), a: 'x'.repeat(20 * 2 ** 20) }),
    code: 'TOO_LARGE',
    says: /900000/,
  },
  {
    name: 'a machine that throws in an assign',
    subject: 'actor.faulty.ask',
    body: { id: 'f', event: { type: 'ASSIGN' } },
    code: 'ACTOR_FAILED',
    says: /thrown in an assign/,
  },
  {
    name: 'a machine that throws in a guard',
    subject: 'actor.faulty.ask',
    body: { id: 'f', event: { type: 'GUARD' } },
    code: 'ACTOR_FAILED',
    says: /thrown in a guard/,
  },
  {
    name: 'a machine that loops for ever',
    subject: 'actor.faulty.ask',
    body: { id: 'f', event: { type: 'LOOP' } },
    code: 'ACTOR_FAILED',
    says: /1000/,
  },
  {
    name: 'a machine that keeps what cannot be stored',
    subject: 'actor.faulty.ask',
    body: { id: 'f', event: { type: 'STORE' } },
    code: 'ACTOR_FAILED',
    says: /stored/,
  },
  {
    name: 'no input where the machine needs one',
    subject: 'placement.spawn',
    body: { type: 'picky', id: 'p' },
    code: 'ACTOR_FAILED',
    says: /input/,
  },
  {
    name: 'input that does not fit',
    subject: 'placement.spawn',
    body: { type: 'picky', id: 'p', input: { name: 7 } },
    code: 'ACTOR_FAILED',
    says: /toUpperCase/,
  },
  {
    name: 'a state that no record holds',
    subject: 'placement.spawn',
    body: { type: 'bulky', id: 'b', input: { bytes: 30 * 2 ** 20 } },
    code: 'TOO_LARGE',
    says: /state/,
  },
  {
    name: 'a drain of a node that does not exist',
    subject: 'cluster.drain',
    body: { node: 'n9' },
    code: 'BAD_REQUEST',
    says: /n9/,
  },
  { name: 'a drain of nothing', subject: 'cluster.drain', body: {}, code: 'BAD_REQUEST', says: /node/ },
  {
    name: 'a list that begins nowhere',
    subject: 'cluster.list',
    body: { after: 7 },
    code: 'BAD_REQUEST',
    says: /after/,
  },
]

for (const { name, subject, body, code, says } of badRequests) {
  test.serial(`${name}: ${code}`, async (t) => {
    const { plain } = t.context
    const payload = body instanceof Uint8Array ? body : bytes(JSON.stringify(body))
    const answer = await plain.send(subject, payload, 15_000)

    t.is(answer.ok, false)
    t.is(answer.error?.code, code)
    t.regex(answer.error!.message, says)
    t.deepEqual(Object.keys(answer.error!), ['code', 'message', 'retryable'])
    await nothingIsLost(t)
  })
}

test.serial(
  'a machine that throws in an action: its effects come after the commit, so the event counts, and the node says what was thrown',
  async (t) => {
    const { node, plain } = t.context
    const told = node.line('warning', { since: node.lines.length })
    const answer = await plain.request('actor.faulty.ask', { id: 'f', event: { type: 'ACT' } })

    t.is(answer.ok, true)
    t.is(answer['reply'].context.n, 1)
    t.like(await told, { actor: 'faulty/f', message: 'Error: thrown in an action' })
    t.is((await plain.must('actor.faulty.ask', { id: 'f', event: { type: 'INC' } }))['reply'], 2)
    await nothingIsLost(t)
  },
)

test.serial('what is refused leaves no trace: the same ids can be used afterwards', async (t) => {
  const { plain } = t.context
  t.true((await plain.must('placement.spawn', { type: 'picky', id: 'p', input: { name: 'x' } }))['created'])
  t.true((await plain.must('placement.spawn', { type: 'bulky', id: 'b', input: { bytes: 10 } }))['created'])
  t.is((await plain.must('actor.counter.ask', { ...incTo('control'), requestId: 'after-all' }))['handled'], true)
  t.context.counted.events++
  await nothingIsLost(t)
})

interface BadStart {
  readonly name: string
  readonly options: Partial<Parameters<typeof startNode>[0]>
  readonly code: ErrorCode
  readonly says: RegExp
}

const badStarts: readonly BadStart[] = [
  {
    name: 'a node with another shard count',
    options: { shards: 5 },
    code: 'BAD_REQUEST',
    says: /shards: 4 in the cluster, 5 here/,
  },
  { name: 'a second node of the same id', options: { nodeId: 'n1' }, code: 'FORBIDDEN', says: /n1 is in use/ },
  { name: 'a node id that is no name', options: { nodeId: 'a b' }, code: 'BAD_REQUEST', says: /node/ },
  { name: 'a cluster that is no name', options: { cluster: 'a.b' }, code: 'BAD_REQUEST', says: /cluster/ },
  { name: 'a node without actors', options: { actors: [] }, code: 'BAD_REQUEST', says: /actors/ },
  { name: 'a type that is there twice', options: { actors: [counter, counter] }, code: 'BAD_REQUEST', says: /counter/ },
  {
    name: 'no server at the address',
    options: { servers: 'nats://127.0.0.1:1' },
    code: 'UNAVAILABLE',
    says: /127\.0\.0\.1:1/,
  },
  {
    name: 'more replicas than servers',
    options: { cluster: 'three', replicas: 3 },
    code: 'BAD_REQUEST',
    says: /replica/,
  },
]

for (const { name, options, code, says } of badStarts) {
  test.serial(`${name}: ${code}`, async (t) => {
    const started = startNode({
      servers: t.context.nats.url,
      cluster: 'bad',
      nodeId: 'n2',
      actors: [counter],
      ...options,
    })
    const error = await t.throwsAsync(started, { instanceOf: GodwitError })

    t.is(error.code, code)
    t.regex(error.message, says)
    await nothingIsLost(t)
  })
}

const badModules = [
  { name: 'an actor module that is not there', source: undefined, says: /does not exist/ },
  { name: 'an actor module that throws', source: "throw new Error('on purpose')", says: /does not load: on purpose/ },
  { name: 'an actor module that is no module', source: 'export {', says: /does not load/ },
  { name: 'an actor module without definitions', source: 'export const a = 1', says: /defineActor|definition/ },
]

for (const { name, source, says } of badModules) {
  test.serial(`${name}: \`godwit node\` says so and ends with 2`, async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'godwit-module-'))
    t.teardown(() => rm(dir, { recursive: true, force: true }))
    const file = join(dir, 'actors.mjs')
    if (source !== undefined) await writeFile(file, source)
    const flags = ['node', '--servers', t.context.nats.url, '--cluster', 'bad', '--id', 'n2', '--actors', file]
    const cli = spawn(process.execPath, ['--import=tsx', 'src/cli/main.ts', ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const [complaint, [code]] = await Promise.all([text(cli.stderr), once(cli, 'exit')])

    t.is(code, 2)
    t.regex(complaint, says)
    await nothingIsLost(t)
  })
}

test.serial('a server without JetStream: UNAVAILABLE', async (t) => {
  const nats = await startNats({ jetstream: false })
  t.teardown(() => nats.stop())
  const error = await t.throwsAsync(startNode({ servers: nats.url, cluster: 'x', nodeId: 'n', actors: [counter] }), {
    instanceOf: GodwitError,
  })
  t.is(error.code, 'UNAVAILABLE')
  t.regex(error.message, /JetStream/)
})

test.serial('wrong credentials: FORBIDDEN, and right ones serve', async (t) => {
  const nats = await startNats({ config: 'authorization { user: godwit, password: right }' })
  t.teardown(() => nats.stop())
  const start = (pass: string) =>
    startNode({ servers: nats.url, user: 'godwit', pass, cluster: 'x', nodeId: 'n', actors: [counter] })
  const error = await t.throwsAsync(start('wrong'), { instanceOf: GodwitError })
  t.is(error.code, 'FORBIDDEN')
  await (await start('right')).close()
})

test.serial(
  'JetStream storage full: STORAGE_FULL, nothing acknowledged is lost, and with room again it goes on',
  async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'godwit-full-'))
    t.teardown(() => rm(dir, { recursive: true, force: true }))
    const withRoom = (room: string, port?: number): Promise<TestNats> =>
      startNats({
        dir,
        jetstream: false,
        config: `jetstream { store_dir: "${dir}", max_file_store: ${room} }`,
        ...(port && { port }),
      })
    const small = await withRoom('4MB')
    t.teardown(() => small.stop())
    const node = await startNodeProcess({ servers: small.url, cluster: 'full', id: 'n1', shards: 4 })
    t.teardown(() => node.kill())
    const plain = await connectPlain(small.url, 'full')
    t.teardown(() => plain.close())
    await plain.must('placement.spawn', { type: 'counter', id: 'control' })

    // First large commits find no room, in the end not even small ones, and beats neither.
    const fillWith = async (size: number): Promise<string> => {
      for (;;) {
        const answer = await plain.request('placement.spawn', {
          type: 'bulky',
          id: `b${spawned.length}`,
          input: { bytes: size },
        })
        if (!answer.ok) return answer.error!.code
        spawned.push(size)
      }
    }
    const spawned: number[] = []
    t.is(await fillWith(200_000), 'STORAGE_FULL')
    t.is(await fillWith(20_000), 'STORAGE_FULL')
    let counted = 0
    let last: Fate
    do {
      last = await plain.ask(
        'counter',
        'control',
        { type: 'INC' },
        { requestId: `r-${counted + 1}`, withinMs: 0, attemptMs: 1_000 },
      )
      if (last.kind === 'acknowledged') counted++
    } while (last.kind === 'acknowledged')
    t.is(last.kind, 'unknown', 'it may be sent again')
    t.true(node.isRunning())

    await small.stop()
    const large = await withRoom('64MB', small.port)
    t.teardown(() => large.stop())
    t.like(await plain.ask('counter', 'control', { type: 'INC' }, { requestId: `r-${counted + 1}` }), {
      kind: 'acknowledged',
      reply: counted + 1,
    })
    for (const [i, size] of spawned.entries())
      t.is((await plain.must('actor.bulky.get', { id: `b${i}` }))['context'].load.length, size)
    t.is(
      (await plain.must('placement.spawn', { type: 'bulky', id: `b${spawned.length}`, input: { bytes: 200_000 } }))[
        'created'
      ],
      true,
    )
    t.true(node.isRunning())
  },
)

/** The node runs, and its control actor has counted every acknowledged event, and no other. */
async function nothingIsLost(t: {
  context: { node: NodeProcess; plain: PlainClient; counted: { events: number } }
  true(value: boolean): void
  is(a: unknown, b: unknown): void
}): Promise<void> {
  const { node, plain } = t.context
  const answer = await plain.must(ask, incTo('control'))
  t.context.counted.events++
  t.is(answer['reply'], t.context.counted.events)
  t.true(node.isRunning())
}
