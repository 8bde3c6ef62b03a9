import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import test, { type ExecutionContext } from 'ava'
import { GodwitError } from '../../src/base/errors.ts'
import { ensureNatsServer, type NatsServerOptions, startNatsServer } from '../../src/workers/nats-server.ts'

const binary = await ensureNatsServer({ onProgress: (line) => console.error(line) })

test('what JetStream acknowledged is there after a kill and a start on the same folder and port', async (t) => {
  const options = newOptions(t)
  const first = await startNatsServer(options)
  await withStream(first.url, async (publish) => void (await publish()))
  await first.kill()

  const second = await startNatsServer({ ...options, port: first.port })
  t.teardown(() => second.kill())

  t.is(second.port, first.port)
  t.is(await withStream(second.url, (publish) => publish()), 2)
})

test('a configuration of the caller adds to ours', async (t) => {
  const server = await startNatsServer({ ...newOptions(t), config: 'authorization { user: a, password: b }' })
  t.teardown(() => server.kill())

  await t.throwsAsync(connect({ servers: server.url }), { name: 'AuthorizationError' })
  const connection = await connect({ servers: server.url, user: 'a', pass: 'b' })
  await t.notThrowsAsync(jetstreamManager(connection), 'JetStream is on as before')
  await connection.close()
})

test('without JetStream there is none', async (t) => {
  const server = await startNatsServer({ ...newOptions(t), jetStream: false })
  t.teardown(() => server.kill())

  const connection = await connect({ servers: server.url })
  t.false(connection.info?.jetstream ?? false)
  await connection.close()
})

test("a server that does not start rejects with the server's own words", async (t) => {
  const running = await startNatsServer(newOptions(t))
  t.teardown(() => running.kill())
  const rejects = async (change: Partial<NatsServerOptions>, message: RegExp): Promise<void> => {
    const error = await t.throwsAsync(startNatsServer({ ...newOptions(t), ...change }), { instanceOf: GodwitError })
    t.is(error.code, 'UNAVAILABLE')
    t.regex(error.message, message)
  }

  await rejects({ port: running.port }, /address already in use/)
  await rejects({ config: 'no_such_setting: 1' }, /unknown field "no_such_setting"/)
  await rejects({ binary: '/nowhere/nats-server' }, /\/nowhere\/nats-server/)
})

test('stopping twice, or a dead one, waits for the same end', async (t) => {
  const server = await startNatsServer(newOptions(t))
  await Promise.all([server.stop(), server.stop()])
  await server.kill()
  t.true(server.process.exitCode !== null || server.process.signalCode !== null)
})

const onLinux = existsSync('/usr/bin/setpriv') ? test : test.skip

onLinux('a server dies with a parent that was killed', async (t) => {
  const source = new URL('../../src/workers/nats-server.ts', import.meta.url).href
  const story = `
    const { startNatsServer } = await import(${JSON.stringify(source)})
    const server = await startNatsServer(${JSON.stringify(newOptions(t))})
    console.log(server.url)
    process.kill(process.pid, 'SIGKILL')`
  const parent = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', story], { stdio: 'pipe' })
  const [url] = (await once(parent.stdout, 'data')) as [Buffer]
  await once(parent, 'exit')

  await t.throwsAsync(async () => {
    const connection = await connect({ servers: url.toString().trim(), reconnect: false })
    await connection.closed()
    throw new Error('the connection broke')
  })
})

function newOptions(t: ExecutionContext): NatsServerOptions {
  const storeDir = mkdtempSync(join(tmpdir(), 'godwit-server-'))
  t.teardown(() => rmSync(storeDir, { recursive: true, force: true }))
  return { binary, storeDir }
}

/** Runs `story` with what appends to a stream of one subject, and answers with the sequence. */
async function withStream<T>(url: string, story: (publish: () => Promise<number>) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: url })
  try {
    const manager = await jetstreamManager(connection)
    await manager.streams.add({ name: 'story', subjects: ['story'] })
    return await story(async () => (await jetstream(connection).publish('story')).seq)
  } finally {
    await connection.close()
  }
}
