import type { NatsConnection } from '@nats-io/transport-node'
import { DiscardPolicy, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import test, { type ExecutionContext } from 'ava'
import type { GodwitError } from '../../src/base/errors.ts'
import { natsLog, type NatsLogOptions, storeDurability } from '../../src/log/nats.ts'
import { connectNats } from '../../src/transport/nats.ts'
import { startNats, type TestNatsOptions } from '../support/nats.ts'
import { logContract, stored } from './log.ts'

const nats = await startNats()
const connection = await connectNats({ servers: nats.url })
test.after.always(async () => {
  await connection.close()
  await nats.stop()
})

const timeoutMs = 10_000
const record = new Uint8Array([1, 2, 3])

// Each handle has a connection of its own, as each node has.
const connections: NatsConnection[] = []
test.after.always(() => Promise.all(connections.map((each) => each.close())))

logContract(test, () => ({
  async open(stream, report) {
    const own = await connectNats({ servers: nats.url })
    connections.push(own)
    return natsLog(own, { stream, prefix: `test.${stream}`, ...(report && { report }) })
  },
}))

test('the stream is created with the settings that the protocol rests on', async (t) => {
  const options = newOptions()
  await open(t, options)

  const { config } = await (await jetstreamManager(connection)).streams.info(options.stream)

  t.like(config, {
    subjects: [`${options.prefix}.>`],
    storage: StorageType.File,
    num_replicas: 1,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    max_age: 0,
    max_msgs_per_subject: -1,
    allow_direct: false,
    allow_rollup_hdrs: true,
  })
})

test('many nodes that open the log at once agree on one stream', async (t) => {
  const options = newOptions()
  const logs = await Promise.all(Array.from({ length: 8 }, () => open(t, options)))
  const identities = await Promise.all(logs.map((log) => log.identity(timeoutMs)))
  t.is(new Set(identities.map((identity) => JSON.stringify(identity))).size, 1)
})

const differences = {
  'max_age is 1000000000': { max_age: 1_000_000_000 },
  'max_msgs_per_subject is 1': { max_msgs_per_subject: 1 },
  'discard is "old"': { discard: DiscardPolicy.Old },
  'allow_direct is true': { allow_direct: true },
  'allow_rollup_hdrs is': { allow_rollup_hdrs: false },
  'retention is "interest"': { retention: RetentionPolicy.Interest },
  'storage is "memory"': { storage: StorageType.Memory },
} as const

for (const [difference, setting] of Object.entries(differences)) {
  test(`a stream whose ${difference} is refused by name`, async (t) => {
    const { stream, prefix } = newOptions()
    const right = { discard: DiscardPolicy.New, allow_direct: false, allow_rollup_hdrs: true }
    await (await jetstreamManager(connection)).streams.add({
      name: stream,
      subjects: [`${prefix}.>`],
      ...right,
      ...setting,
    })

    const error = await refusalOf(natsLog(connection, { stream, prefix, storage: 'file' }))

    t.is(error.code, 'BAD_REQUEST')
    t.true(error.message.includes(difference), error.message)
  })
}

test('a stream of another prefix is refused, and so is a prefix of another stream', async (t) => {
  const options = newOptions()
  await open(t, options)

  t.is((await refusalOf(natsLog(connection, { ...options, prefix: 'test.elsewhere' }))).code, 'BAD_REQUEST')
  t.is((await refusalOf(natsLog(connection, { ...options, stream: `${options.stream}b` }))).code, 'BAD_REQUEST')
})

test('a bound of the whole stream is the operator’s choice, and what is over it is full', async (t) => {
  const options = newOptions()
  const settings = { discard: DiscardPolicy.New, allow_direct: false, allow_rollup_hdrs: true, max_bytes: 20_000 }
  await (await jetstreamManager(connection)).streams.add({
    name: options.stream,
    subjects: [`${options.prefix}.>`],
    ...settings,
  })
  const log = await open(t, options)
  const first = await stored(log.append('x', new Uint8Array(10_000), 0, { timeoutMs }))

  t.like(await log.append('x', new Uint8Array(10_000), first, { timeoutMs }), { kind: 'full' })

  const second = await stored(log.append('x', new Uint8Array(100), first, { timeoutMs }))
  t.true(second > first)
})

test('a server without room is full', async (t) => {
  const url = await serverOf(t, { config: 'jetstream { max_file_store: 100KB, max_memory_store: 50KB }' })
  for (const storage of ['file', 'memory'] as const) {
    const log = await open(t, { ...newOptions(), storage }, await connectTo(t, { servers: url }))
    let last = 0
    const results: string[] = []
    for (let i = 0; i < 12; i++) {
      const result = await log.append('x', new Uint8Array(10_000), last, { timeoutMs })
      if (result.kind === 'stored') last = result.seq
      results.push(result.kind)
    }
    t.is(results[0], 'stored')
    t.is(results.at(-1), 'full', results.join())
  }
})

test('without JetStream the log is UNAVAILABLE, and the message says how to have it', async (t) => {
  const url = await serverOf(t, { jetstream: false })
  const error = await refusalOf(natsLog(await connectTo(t, { servers: url }), newOptions()))
  t.is(error.code, 'UNAVAILABLE')
  t.regex(error.message, /nats-server -js/)
})

test('an account without JetStream is UNAVAILABLE as well', async (t) => {
  const url = await serverOf(t, {
    config:
      'accounts { A { users: [ { user: a, password: x } ] }, J { jetstream: enabled, users: [ { user: j, password: x } ] } }',
  })
  t.is(
    (await refusalOf(natsLog(await connectTo(t, { servers: url, user: 'a', pass: 'x' }), newOptions()))).code,
    'UNAVAILABLE',
  )
  await t.notThrowsAsync(open(t, newOptions(), await connectTo(t, { servers: url, user: 'j', pass: 'x' })))
})

test('a user without permission is FORBIDDEN', async (t) => {
  const url = await serverOf(t, {
    config: 'authorization { users: [ { user: a, password: x, permissions: { publish: "a.>", subscribe: ">" } } ] }',
  })
  const error = await refusalOf(natsLog(await connectTo(t, { servers: url, user: 'a', pass: 'x' }), newOptions()))
  t.is(error.code, 'FORBIDDEN')
  t.regex(error.message, /permissions violation/i)
})

test('replicas on a server that cannot have them are refused', async (t) => {
  const error = await refusalOf(natsLog(connection, { ...newOptions(), replicas: 3 }))
  t.is(error.code, 'BAD_REQUEST')
  t.regex(error.message, /2\.9\.21|replicas/)
})

test('a stream of another number of replicas or storage is accepted by who does not ask', async (t) => {
  const options = newOptions()
  await open(t, { ...options, storage: 'memory' })
  await t.notThrowsAsync(open(t, options))
})

test('records survive a kill of the server, whose identity then is another', async (t) => {
  const server = await startNats()
  t.teardown(() => server.stop())
  const own = await connectTo(t, { servers: server.url })
  const log = await open(t, newOptions(), own)
  const first = await stored(log.append('x', record, 0, { timeoutMs }))
  const before = await log.identity(timeoutMs)

  await server.kill()
  await server.restart()
  const reopened = await open(t, newOptionsLike(log), await connectTo(t, { servers: server.url }))
  const after = await reopened.identity(timeoutMs)

  if (before === 'unknown' || after === 'unknown') return t.fail('unknown')
  t.deepEqual({ ...after, server: '' }, { ...before, server: '' })
  t.not(after.server, before.server)
  t.like(await reopened.tail('x', timeoutMs), { kind: 'entry', entry: { seq: first, bytes: record } })
})

test('the durability of a store has a name and a source', async (t) => {
  const [file, memory] = [newOptions(), newOptions()]
  await open(t, { ...file, storage: 'file' })
  await open(t, { ...memory, storage: 'memory' })

  const maySync = !connection.info!.version.startsWith('2.9.')
  t.deepEqual(await storeDurability(connection, file.stream), {
    name: 'ack',
    replicas: 1,
    source: maySync ? 'assumed' : 'server',
  })
  t.deepEqual(await storeDurability(connection, file.stream, 'fsync'), {
    name: maySync ? 'fsync' : 'ack',
    replicas: 1,
    source: maySync ? 'operator' : 'server',
  })
  t.deepEqual(await storeDurability(connection, memory.stream, 'fsync'), {
    name: 'memory',
    replicas: 1,
    source: 'server',
  })
})

let names = 0
const opened = new WeakMap<object, NatsLogOptions>()

function newOptions(): NatsLogOptions {
  const stream = `N${++names}`
  return { stream, prefix: `test.${stream}` }
}

const newOptionsLike = (log: object): NatsLogOptions => opened.get(log)!

async function open(t: ExecutionContext, options: NatsLogOptions, on = connection) {
  const log = await natsLog(on, options)
  opened.set(log, options)
  t.teardown(() => log.close())
  return log
}

async function serverOf(t: ExecutionContext, options: TestNatsOptions): Promise<string> {
  const server = await startNats(options)
  t.teardown(() => server.stop())
  return server.url
}

async function connectTo(t: ExecutionContext, options: Parameters<typeof connectNats>[0]): Promise<NatsConnection> {
  const own = await connectNats(options)
  t.teardown(() => own.close())
  return own
}

const refusalOf = (opening: Promise<unknown>): Promise<GodwitError> =>
  opening.then(
    () => Promise.reject(new Error('it opened')),
    (error: GodwitError) => error,
  )
