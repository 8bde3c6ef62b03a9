/** The NATS log on a network that breaks at the worst moments. What the port calls 'unknown' is made here on purpose, and
 *  looked at from a second log that does not go through the proxy. */

import test, { type ExecutionContext } from 'ava'
import { natsLog } from '../../src/log/nats.ts'
import type { Log } from '../../src/log/port.ts'
import { connectNats, natsTransport } from '../../src/transport/nats.ts'
import type { Transport } from '../../src/transport/port.ts'
import { seqOfTail, stored, textsOf, watchOf } from '../contract/log.ts'
import { bytesOf } from '../support/bytes.ts'
import { startNats, type TestNats } from '../support/nats.ts'
import { type CutPoint, type Proxy, startProxy } from '../support/proxy.ts'

const nats = await startNats()
test.after.always(() => nats.stop())

/** Long enough that a test which waits for it fails. */
const timeoutMs = 60_000
const options = { timeoutMs }

for (const point of ['before', 'within'] satisfies CutPoint[]) {
  test(`an append that is cut ${point} its record is unknown, and the same record is stored when it is sent again`, async (t) => {
    const { log, direct, proxy, prefix } = await given(t)
    const first = await stored(log.append('x', bytesOf('1'), 0, options))

    const cut = proxy.cutAt(`${prefix}.x`, point)
    const result = await log.append('x', bytesOf('2'), first, options)
    await cut
    t.is(result.kind, 'unknown')
    t.is(await seqOfTail(direct, 'x'), first)

    await until(log, true)
    const second = await stored(log.append('x', bytesOf('2'), first, options))
    t.is(await seqOfTail(direct, 'x'), second)
  })
}

test('an append whose acknowledgement is lost is unknown, and the same record is refused when it is sent again', async (t) => {
  const { log, direct, proxy, prefix } = await given(t)
  const first = await stored(log.append('row.x', bytesOf('1'), 0, options))
  const seen = watchOf(t, direct, 'row')

  const cut = proxy.cutAt(`${prefix}.row.x`, 'after')
  const result = await log.append('row.x', bytesOf('2'), first, options)
  await cut
  t.is(result.kind, 'unknown')
  await seen.until('2')

  await until(log, true)
  t.deepEqual(await log.append('row.x', bytesOf('2'), first, options), { kind: 'refused' })
  t.like(await log.tail('row.x', timeoutMs), { kind: 'entry', entry: { bytes: bytesOf('2') } })
})

test('the same holds for a record that replaces', async (t) => {
  const { log, direct, proxy, prefix } = await given(t)
  const first = await stored(log.append('row.x', bytesOf('1'), 0, options))
  const seen = watchOf(t, direct, 'row')

  void proxy.cutAt(`${prefix}.row.x`, 'after')
  t.is((await log.append('row.x', bytesOf('all'), first, { timeoutMs, replace: true })).kind, 'unknown')
  await seen.until('all')

  await until(log, true)
  t.deepEqual(await log.append('row.x', bytesOf('all'), first, { timeoutMs, replace: true }), { kind: 'refused' })
  t.deepEqual(textsOf(await log.read('row.x', 0, timeoutMs)), ['all'])
})

test('an acknowledgement that never comes on a connection that stands ends in time, and the record may be there', async (t) => {
  const { log, direct, proxy } = await given(t)
  const seen = watchOf(t, direct, 'row')

  proxy.swallow(true)
  t.like(await log.append('row.x', bytesOf('1'), 0, { timeoutMs: 50 }), { kind: 'unknown' })
  t.like(await log.tail('row.x', 50), { kind: 'unknown' })
  t.like(await log.read('row.x', 0, 50), { kind: 'unknown' })
  t.is(await log.purge('row.y', undefined, 50), 'unknown')
  t.is(await log.identity(50), 'unknown')
  await seen.until('1')

  proxy.swallow(false)
  t.deepEqual(await log.append('row.x', bytesOf('1'), 0, options), { kind: 'refused' })
})

test('an append that is under way longer than its time is unknown, and is stored later', async (t) => {
  const { log, direct, proxy } = await given(t)
  const seen = watchOf(t, direct, 'row')
  const first = await stored(direct.append('row.x', bytesOf('1'), 0, options))
  await seen.until('1')

  proxy.delay(300)
  t.like(await log.append('row.x', bytesOf('2'), first, { timeoutMs: 20 }), { kind: 'unknown' })
  t.is(await seqOfTail(direct, 'row.x'), first)

  t.true((await seen.until('2')).seq > first)
})

test('while the connection is down everything is unknown at once, and nothing of it is sent later', async (t) => {
  const { log, direct, proxy } = await given(t)
  proxy.refuse()
  await until(log, false)

  t.is((await log.append('x', bytesOf('1'), 0, options)).kind, 'unknown')
  t.is((await log.tail('x', timeoutMs)).kind, 'unknown')
  t.is((await log.read('x', 0, timeoutMs)).kind, 'unknown')
  t.is(await log.purge('x', undefined, timeoutMs), 'unknown')
  t.is(await log.identity(timeoutMs), 'unknown')

  proxy.accept()
  await until(log, true)
  t.deepEqual(await direct.tail('x', timeoutMs), { kind: 'empty' })
})

for (const request of ['STREAM.MSG.GET', 'CONSUMER.CREATE', 'CONSUMER.MSG.NEXT']) {
  test(`a read that is cut at its ${request} is unknown at once`, async (t) => {
    const { log, proxy } = await given(t)
    const first = await stored(log.append('x', bytesOf('1'), 0, options))
    await stored(log.append('x', bytesOf('2'), first, options))

    void proxy.cutAt(request, 'after')
    t.is((await log.read('x', 0, timeoutMs)).kind, 'unknown')

    await until(log, true)
    t.deepEqual(textsOf(await log.read('x', 0, timeoutMs)), ['1', '2'])
  })
}

test('a read begins again when the middle of what it reads is purged', async (t) => {
  const { log, direct, proxy } = await given(t)
  // More than one window: the second is asked for after the first has come.
  const seqs: number[] = []
  for (let i = 0; i < 12; i++) {
    const record = new Uint8Array(direct.bytesMax).fill(i)
    seqs.push(await stored(direct.append('x', record, seqs.at(-1) ?? 0, options)))
  }
  proxy.delay(200)

  const firstWindow = proxy.seen('CONSUMER.MSG.NEXT')
  const reading = log.read('x', 0, timeoutMs)
  await firstWindow
  await proxy.seen('CONSUMER.MSG.NEXT')
  t.is(await direct.purge('x', seqs[10], timeoutMs), 'done')

  const result = await reading
  t.deepEqual(result.kind === 'entries' && result.entries.map(({ seq, bytes }) => [seq, bytes[0]]), [
    [seqs[10], 10],
    [seqs[11], 11],
  ])
})

test('a slow network changes nothing but the time', async (t) => {
  const { log, direct, proxy } = await given(t)
  proxy.delay(20)
  const seen = watchOf(t, log, 'row')

  const first = await stored(log.append('row.x', bytesOf('1'), 0, options))
  const second = await stored(log.append('row.x', bytesOf('2'), first, options))

  t.is(await seqOfTail(log, 'row.x'), second)
  t.deepEqual(textsOf(await log.read('row.x', 0, timeoutMs)), ['1', '2'])
  t.is(await seqOfTail(direct, 'row.x'), second)
  await seen.until('2')
})

test('a watch goes on after a reconnect, and shows what it missed', async (t) => {
  const { log, direct, proxy } = await given(t)
  const seen = watchOf(t, log, 'row')
  const first = await stored(direct.append('row.x', bytesOf('1'), 0, options))
  await seen.until('1')

  proxy.refuse()
  await until(log, false)
  const second = await stored(direct.append('row.x', bytesOf('missed'), first, options))
  await stored(direct.append('row.y', bytesOf('missed as well'), 0, options))
  proxy.accept()

  t.is((await seen.until('missed')).seq, second)
  t.is((await seen.until('missed as well')).name, 'row.y')
  const third = await stored(direct.append('row.x', bytesOf('later'), second, options))
  t.is((await seen.until('later')).seq, third)
})

test('a watch finds what was lost on a connection that stands', async (t) => {
  const { log, direct, proxy } = await given(t)
  const [seen, other] = [watchOf(t, log, 'row'), watchOf(t, direct, 'row')]
  const first = await stored(direct.append('row.x', bytesOf('1'), 0, options))
  await seen.until('1')

  proxy.swallow(true)
  const lost = await stored(direct.append('row.x', bytesOf('lost'), first, options))
  await other.until('lost')
  proxy.swallow(false)

  t.is((await seen.until('lost')).seq, lost)
})

test('a watch begins as soon as there is a connection', async (t) => {
  const { log, direct, proxy } = await given(t)
  proxy.refuse()
  await until(log, false)
  const seen = watchOf(t, log, 'row')
  const first = await stored(direct.append('row.x', bytesOf('1'), 0, options))

  proxy.accept()

  t.is((await seen.until('1')).seq, first)
})

test('a watch survives a kill of the server, which forgets its consumers', async (t) => {
  const { server, log } = await givenServer(t)
  const seen = watchOf(t, log, 'row')
  const first = await stored(log.append('row.x', bytesOf('1'), 0, options))
  await seen.until('1')

  await server.kill()
  await until(log, false)
  await server.restart()
  await until(log, true)
  const second = await stored(log.append('row.x', bytesOf('2'), first, options))

  t.true(second > first)
  await seen.until('2')
})

let streams = 0
const transports = new Map<Log, Transport>()

/** Waits until the log's connection is up or down. */
const until = (log: Log, wanted: boolean): Promise<void> =>
  new Promise((resolve) => {
    // In a turn of its own: the log hears of it in the same turn as we do.
    transports.get(log)!.onConnection((connected) => void (connected === wanted && setImmediate(resolve)))
  })

/** A log behind a proxy, and another on the same stream that is not. */
async function given(t: ExecutionContext): Promise<{ log: Log; direct: Log; proxy: Proxy; prefix: string }> {
  const stream = `F${++streams}`
  const prefix = `test.${stream}`
  const proxy = await startProxy(nats.port)
  const [log, direct] = [await openAt(t, proxy.url, stream), await openAt(t, nats.url, stream)]
  t.teardown(() => proxy.stop())
  return { log, direct, proxy, prefix }
}

/** A log on a server of its own. */
async function givenServer(t: ExecutionContext): Promise<{ server: TestNats; log: Log }> {
  const server = await startNats()
  t.teardown(() => server.stop())
  return { server, log: await openAt(t, server.url, 'F') }
}

async function openAt(t: ExecutionContext, servers: string, stream: string): Promise<Log> {
  const connection = await connectNats({ servers })
  const transport = natsTransport(connection, { owned: true })
  const log = await natsLog(connection, { stream, prefix: `test.${stream}` })
  transports.set(log, transport)
  t.teardown(async () => {
    await log.close()
    await transport.close()
  })
  return log
}
