import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, nkeys } from '@nats-io/transport-node'
import test, { type ExecutionContext } from 'ava'
import type { GodwitError } from '../../src/base/errors.ts'
import { connectNats, natsTransport, type NatsOptions } from '../../src/transport/nats.ts'
import type { Transport } from '../../src/transport/port.ts'
import { startNats } from '../support/nats.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { transportContract } from './transport.ts'

const nats = await startNats({ jetstream: false })
test.after.always(() => nats.stop())

const bytes = new Uint8Array([1, 2, 3])
const waitMs = 60_000

transportContract(test, () => ({
  connect: async (report) =>
    natsTransport(await connectNats({ servers: nats.url }), { owned: true, ...(report && { report }) }),
}))

test('a broken connection settles what is in flight at once, refuses new messages, and comes back by itself', async (t) => {
  const { transport, proxy } = await throughProxy(t)
  transport.subscribe('test.cut.silent', () => {})
  transport.subscribe('test.cut.echo', (message) => transport.publish(message.replyTo!, message.bytes))
  await transport.flush()
  const states = statesOf(transport)

  const open = transport.request('test.cut.silent', bytes, waitMs)
  await transport.flush()
  proxy.refuse()

  t.is((await open).kind, 'unknown')
  await states.until(false)
  t.is(transport.publish('test.cut.echo', bytes), 'closed')
  t.is((await transport.request('test.cut.echo', bytes, waitMs)).kind, 'unknown')
  await transport.flush()

  proxy.accept()
  await states.until(true)
  t.deepEqual(states.all, [true, false, true])
  t.deepEqual(await transport.request('test.cut.echo', bytes, waitMs), { kind: 'reply', bytes })
})

test('a reconnect goes on for as long as it takes', async (t) => {
  const { transport, proxy } = await throughProxy(t)
  const states = statesOf(transport)
  let refused = 0
  const manyRefused = new Promise<void>((resolve) => proxy.onRefused(() => void (++refused === 12 && resolve())))

  proxy.refuse()
  // The library's own limit is ten attempts.
  await manyRefused
  proxy.accept()

  await states.until(true)
  t.deepEqual(states.all, [true, false, true])
})

test('a connection that is dead without a word is left for a new one, however much waits to be written', async (t) => {
  const proxy = await startProxy(nats.port)
  const connection = await connect({
    servers: proxy.url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    pingInterval: 50,
  })
  const transport = natsTransport(connection, { owned: true })
  t.teardown(async () => {
    await transport.close()
    await proxy.stop()
  })
  const states = statesOf(transport)

  proxy.freeze()
  for (let i = 0; i < 30; i++) transport.publish('test.stale', new Uint8Array(transport.bytesMax))

  await states.until(false)
  await states.until(true)
  t.deepEqual(states.all, [true, false, true])
})

test('a broker that cannot be reached is UNAVAILABLE, and the message says which', async (t) => {
  const error = await refusalOf({ servers: 'nats://127.0.0.1:1', connectTimeoutMs: 2_000 })
  t.is(error.code, 'UNAVAILABLE')
  t.regex(error.message, /127\.0\.0\.1:1\b/)
})

test('a server that accepts and says nothing is UNAVAILABLE within the connect timeout', async (t) => {
  const sockets: Socket[] = []
  const mute = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1')
  await once(mute, 'listening')
  t.teardown(() => {
    mute.close()
    // The library keeps the socket of a first connect that timed out; it goes with its other end.
    for (const socket of sockets) socket.destroy()
  })
  const { port } = mute.address() as { port: number }

  const error = await refusalOf({ servers: `nats://127.0.0.1:${port}`, connectTimeoutMs: 100 })

  t.is(error.code, 'UNAVAILABLE')
})

test('wrong credentials are FORBIDDEN, right ones connect', async (t) => {
  const guarded = await startNats({ jetstream: false, config: 'authorization { user: me, password: right }' })
  t.teardown(() => guarded.stop())

  t.is((await refusalOf({ servers: guarded.url })).code, 'FORBIDDEN')
  t.is((await refusalOf({ servers: guarded.url, user: 'me', pass: 'wrong' })).code, 'FORBIDDEN')
  await t.notThrowsAsync(connectAndClose({ servers: guarded.url, user: 'me', pass: 'right' }))
})

test('a token and an nkey open the door that asks for them', async (t) => {
  const key = nkeys.createUser()
  const seed = new TextDecoder().decode(key.getSeed())
  const [byToken, byKey] = await Promise.all([
    startNats({ jetstream: false, config: 'authorization { token: secret }' }),
    startNats({ jetstream: false, config: `authorization { users: [ { nkey: ${key.getPublicKey()} } ] }` }),
  ])
  t.teardown(async () => void (await Promise.all([byToken.stop(), byKey.stop()])))

  await t.notThrowsAsync(connectAndClose({ servers: byToken.url, token: 'secret' }))
  await t.notThrowsAsync(connectAndClose({ servers: byKey.url, nkeySeed: seed }))
  t.is((await refusalOf({ servers: byKey.url })).code, 'FORBIDDEN')
  t.is((await refusalOf({ servers: byKey.url, nkeySeed: 'SUNSET' })).code, 'BAD_REQUEST')
  t.is((await refusalOf({ servers: byKey.url, credentialsFile: '/nowhere/at/all' })).code, 'BAD_REQUEST')
})

test('TLS connects with the authority’s certificate and not without', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'godwit-tls-'))
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')]
  const args = `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost`
  execFileSync('openssl', [...args.split(' '), '-keyout', key, '-out', cert], { stdio: 'ignore' })
  const secure = await startNats({ jetstream: false, config: `tls { cert_file: "${cert}", key_file: "${key}" }` })
  t.teardown(async () => {
    await secure.stop()
    await rm(dir, { recursive: true })
  })

  const servers = `localhost:${secure.port}`
  await t.notThrowsAsync(connectAndClose({ servers, tls: { caFile: cert } }))
  t.is((await refusalOf({ servers })).code, 'UNAVAILABLE')
})

test('a request without permission settles at once, and the reason says so', async (t) => {
  const config = `authorization { users: [ { user: me, password: x, permissions: { publish: "open", subscribe: "_INBOX.me.>" } } ] }`
  const guarded = await startNats({ jetstream: false, config })
  t.teardown(() => guarded.stop())
  const options = { servers: guarded.url, user: 'me', pass: 'x' }
  const reported: string[] = []
  const connection = await connectNats({ ...options, inboxPrefix: '_INBOX.me' })
  const transport = natsTransport(connection, { owned: true, report: (error) => reported.push(error.message) })
  t.teardown(() => transport.close())

  const refused = await transport.request('closed', bytes, waitMs)
  t.like(refused, { kind: 'unknown' })
  t.regex(refused.kind === 'unknown' ? refused.reason : '', /permissions violation/i)
  t.deepEqual(await transport.request('open', bytes, waitMs), { kind: 'nobody' })

  transport.subscribe('elsewhere', () => {})
  await transport.flush()
  t.regex(reported.join(), /elsewhere/)

  // Another's inbox: answers would never arrive.
  const deaf = natsTransport(await connectNats(options), { owned: true, report: () => {} })
  t.teardown(() => deaf.close())
  t.regex(JSON.stringify(await deaf.request('open', bytes, waitMs)), /permissions violation/i)
})

test('a connection of the caller’s stays open when the transport closes, its subscriptions do not', async (t) => {
  const connection = await connectNats({ servers: nats.url })
  t.teardown(() => connection.close())
  const heard: string[] = []
  const transport = natsTransport(connection)
  transport.subscribe('test.owned', () => heard.push('x'))
  await transport.flush()

  await transport.close()
  connection.publish('test.owned')
  await connection.flush()

  t.is(await connectNats(connection), connection)
  t.false(connection.isClosed())
  t.deepEqual(heard, [])
})

test('a transport notices when the caller closes the connection', async (t) => {
  const connection = await connectNats({ servers: nats.url })
  const transport = natsTransport(connection)
  const states = statesOf(transport)
  transport.subscribe('test.closed.silent', () => {})
  await transport.flush()
  const open = transport.request('test.closed.silent', bytes, waitMs)

  await connection.close()

  t.is((await open).kind, 'unknown')
  await states.until(false)
  t.is(transport.publish('x', bytes), 'closed')
  t.notThrows(() => transport.subscribe('x', () => {}))
})

async function throughProxy(t: ExecutionContext): Promise<{ transport: Transport; proxy: Proxy }> {
  const proxy = await startProxy(nats.port)
  const transport = natsTransport(await connectNats({ servers: proxy.url }), { owned: true })
  t.teardown(async () => {
    await transport.close()
    await proxy.stop()
  })
  return { transport, proxy }
}

/** Every state that a listener heard, and a promise of the next one. */
function statesOf(transport: Transport) {
  const all: boolean[] = []
  let wake = (): void => {}
  transport.onConnection((connected) => {
    all.push(connected)
    wake()
  })
  return {
    all,
    async until(connected: boolean): Promise<void> {
      while (all.at(-1) !== connected) await new Promise<void>((resolve) => void (wake = resolve))
    },
  }
}

async function connectAndClose(options: NatsOptions): Promise<void> {
  const connection = await connectNats(options)
  await connection.flush()
  await connection.close()
}

const refusalOf = (options: NatsOptions): Promise<GodwitError> =>
  connectAndClose(options).then(
    () => Promise.reject(new Error('it connected')),
    (error: GodwitError) => error,
  )
