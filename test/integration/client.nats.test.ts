/** What the sender's side gains from a real broker. */

import type { NatsConnection } from '@nats-io/transport-node'
import test from 'ava'

import { type Clock, systemClock } from '../../src/base/clock.ts'
import { limits } from '../../src/base/limits.ts'
import { createClient } from '../../src/client/client.ts'
import { connectClient } from '../../src/client/connect.ts'
import { connectNats, natsTransport } from '../../src/transport/nats.ts'
import { subjects } from '../../src/protocol/subjects.ts'
import { fakeNode } from '../support/fake-node.ts'
import { startNats } from '../support/nats.ts'
import { viewOf } from '../support/views.ts'

test('an owner that is gone is noticed at once: the broker says that nobody is there', async (t) => {
  const nats = await startNats()
  t.teardown(() => nats.stop())
  const n1 = await connectNats({ servers: nats.url })
  const n2 = await connectNats({ servers: nats.url })
  const transport = natsTransport(await connectNats({ servers: nats.url }), { owned: true })
  const client = createClient({ cluster: 'demo', transport, clock: withoutResending })
  t.teardown(() => Promise.all([client.close(), n1.close(), n2.close()]))
  const one = fakeNode(natsTransport(n1), 'demo', 'n1')
  const two = fakeNode(natsTransport(n2), 'demo', 'n2')
  one.view = viewOf(1, { n1: ['counter'], n2: [] })
  two.view = one.view
  one.does = two.does = ({ shard }) => ({ shard, node: 'n', epoch: 1 })
  t.is((await client.locate('counter', 'c1')).epoch, 1)
  t.is(one.batches.length, 1)

  await n1.close()
  await brokerForgets(n2, subjects('demo').frames('n1'))
  const located = client.locate('counter', 'c1')
  two.view = viewOf(2, { n2: ['counter'] })

  t.is((await located).epoch, 1)
  t.is(two.batches.length, 1)
})

/** Resolves once the broker knows that nobody subscribes to the subject any more. */
async function brokerForgets(connection: NatsConnection, subject: string): Promise<void> {
  const transport = natsTransport(connection)
  while ((await transport.request(subject, new Uint8Array(0), 100)).kind !== 'nobody');
}

/** A clock on which no frame is ever sent again for its silence alone. */
const withoutResending: Clock = {
  ...systemClock,
  after: (delayMs, run) => (delayMs >= limits.resendMs / 2 ? () => {} : systemClock.after(delayMs, run)),
}

test('calls made while the broker is away are sent when it is back', async (t) => {
  const nats = await startNats()
  t.teardown(() => nats.stop())
  const n1 = await connectNats({ servers: nats.url })
  const client = await connectClient({ servers: nats.url, cluster: 'demo' })
  t.teardown(() => Promise.all([client.close(), n1.close()]))
  const one = fakeNode(natsTransport(n1), 'demo', 'n1')
  one.view = viewOf(1, { n1: ['counter'] })
  one.does = ({ shard }) => ({ shard, node: 'n1', epoch: 1 })
  await client.locate('counter', 'c1')

  await nats.kill()
  const located = Array.from({ length: 20 }, () => client.locate('counter', 'c1', { timeoutMs: 20_000 }))
  await nats.restart()
  t.is((await Promise.all(located)).length, 20)
})
