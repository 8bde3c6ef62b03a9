/** The contract of the transport: every twin must pass these. */

import type { TestFn } from 'ava'
import type { Message, Transport } from '../../src/transport/port.ts'
import { bytesOf, same, textOf } from '../support/bytes.ts'

/** A broker to connect to. */
export interface TransportPlace {
  /** `report` hears what handlers throw. */
  connect(report?: (error: Error) => void): Promise<Transport>
}

const waitMs = 5_000

export function transportContract(test: TestFn, placeOf: () => TransportPlace): void {
  let roots = 0
  /** Two connections, and subjects that no other test uses. */
  const given = async (t: { teardown(end: () => Promise<void>): void }) => {
    const [a, b] = [await placeOf().connect(), await placeOf().connect()]
    t.teardown(async () => void (await Promise.all([a.close(), b.close()])))
    return { a, b, root: `test.${process.pid}.${++roots}` }
  }

  test('a message reaches everyone who subscribed, with its subject, reply subject and bytes', async (t) => {
    const { a, b, root } = await given(t)
    const [first, second] = [inboxOf(a, `${root}.x`), inboxOf(b, `${root}.x`)]
    await settled(a, b)

    t.is(a.publish(`${root}.x`, bytesOf('hello'), { replyTo: 'somewhere' }), 'sent')

    for (const inbox of [first, second]) {
      const message = await inbox.next()
      t.deepEqual(
        { ...message, bytes: textOf(message.bytes) },
        { subject: `${root}.x`, replyTo: 'somewhere', bytes: 'hello' },
      )
    }
  })

  test('a message without a reply subject has none', async (t) => {
    const { a, root } = await given(t)
    const inbox = inboxOf(a, root)
    a.publish(root, bytesOf(''))
    t.is((await inbox.next()).replyTo, undefined)
  })

  test('* stands for one token, > for one or more', async (t) => {
    const { a, root } = await given(t)
    const one = inboxOf(a, `${root}.*.end`)
    const more = inboxOf(a, `${root}.>`)
    await settled(a)

    for (const rest of ['', '.x', '.x.end', '.x.y.end', '.x.ending']) a.publish(`${root}${rest}`, bytesOf(rest))
    await settled(a)

    t.deepEqual(one.texts(), ['.x.end'])
    t.deepEqual(more.texts(), ['.x', '.x.end', '.x.y.end', '.x.ending'])
  })

  test('each message reaches one of a queue group, and all members have their share', async (t) => {
    const { a, b, root } = await given(t)
    const members = [inboxOf(a, root, 'q'), inboxOf(b, root, 'q'), inboxOf(b, root, 'q')]
    const outsider = inboxOf(a, root)
    await settled(a, b)

    for (let i = 0; i < 200; i++) a.publish(root, bytesOf(String(i)))
    await settled(a)
    await settled(b)

    const heard = members.flatMap((member) => member.texts())
    t.deepEqual(
      heard.toSorted((x, y) => Number(x) - Number(y)),
      [...Array(200).keys()].map(String),
    )
    for (const member of members) t.true(member.texts().length > 0)
    t.is(outsider.texts().length, 200)
  })

  test('messages of one publisher arrive in order', async (t) => {
    const { a, b, root } = await given(t)
    const inbox = inboxOf(b, `${root}.*`)
    await settled(b)

    for (let i = 0; i < 2_000; i++) a.publish(`${root}.${i % 7}`, bytesOf(String(i)))
    await settled(a)
    await settled(b)

    t.deepEqual(inbox.texts(), [...Array(2_000).keys()].map(String))
  })

  test('a handler is never called inside publish', async (t) => {
    const { a, root } = await given(t)
    let publishing = false
    const heard = new Promise<boolean>((resolve) => a.subscribe(root, () => resolve(publishing)))
    await settled(a)

    publishing = true
    a.publish(root, bytesOf('x'))
    publishing = false

    t.false(await heard)
  })

  test('what a handler throws is reported, and the next message arrives', async (t) => {
    const { b, root } = await given(t)
    const reported: string[] = []
    const transport = await placeOf().connect((error) => reported.push(error.message))
    t.teardown(() => transport.close())
    const last = new Promise<void>((resolve) => {
      transport.subscribe(root, ({ bytes }) => {
        if (textOf(bytes) === 'last') return resolve()
        throw new Error('a mistake')
      })
    })
    await settled(transport)

    b.publish(root, bytesOf('first'))
    b.publish(root, bytesOf('last'))
    await last

    t.deepEqual(reported, ['a mistake'])
  })

  test('any bytes arrive as they were sent', async (t) => {
    const { a, root } = await given(t)
    const inbox = inboxOf(a, root)
    const samples = [
      new Uint8Array(),
      Uint8Array.from(Array(256).keys()),
      bytesOf('\r\nMSG x 1 0\r\n'),
      new Uint8Array(300_000).fill(7),
    ]

    for (const sample of samples) a.publish(root, sample)

    for (const sample of samples) t.true(same((await inbox.next()).bytes, sample))
  })

  test('bytes belong to the receiver: they stay as they were, whatever others do with theirs', async (t) => {
    const { a, root } = await given(t)
    const [first, second] = [inboxOf(a, root), inboxOf(a, root)]
    await settled(a)
    const sent = bytesOf('mine')

    a.publish(root, sent)
    await a.flush()
    sent.fill(0)
    const message = await first.next()
    message.bytes.fill(1)
    // Enough to use a socket's buffer again.
    for (let i = 0; i < 50; i++) a.publish(`${root}.other`, new Uint8Array(100_000))
    await settled(a)

    t.is(textOf((await second.next()).bytes), 'mine')
    t.deepEqual(message.bytes, new Uint8Array(4).fill(1))
  })

  test('a message above the largest size is refused, one of that size arrives', async (t) => {
    const { a, root } = await given(t)
    const inbox = inboxOf(a, root)

    t.is(a.publish(root, new Uint8Array(a.bytesMax + 1)), 'too large')
    t.is(a.publish(root, new Uint8Array(a.bytesMax)), 'sent')

    t.is((await inbox.next()).bytes.length, a.bytesMax)
    t.is(inbox.count(), 1)
  })

  test('an ended subscription hears nothing more', async (t) => {
    const { a, b, root } = await given(t)
    const inbox = inboxOf(a, root)
    await settled(a)
    b.publish(root, bytesOf('before'))
    await inbox.next()

    inbox.end()
    inbox.end()
    await settled(a)
    b.publish(root, bytesOf('after'))
    await settled(b)
    await settled(a)

    t.deepEqual(inbox.texts(), ['before'])
  })

  test('a subscription that is ended twice takes none of another along', async (t) => {
    const { a, b, root } = await given(t)
    const first = inboxOf(a, root)
    first.end()
    await settled(a)
    const second = inboxOf(b, root)
    await settled(b)

    first.end()
    await settled(a)
    a.publish(root, bytesOf('here'))

    t.is(textOf((await second.next()).bytes), 'here')
  })

  test('a request is answered', async (t) => {
    const { a, b, root } = await given(t)
    b.subscribe(root, ({ bytes, replyTo }) => b.publish(replyTo!, bytesOf(`${textOf(bytes)}!`)))
    await settled(b)

    const results = await Promise.all(['x', 'y', 'z'].map((text) => a.request(root, bytesOf(text), waitMs)))

    t.deepEqual(
      results.map((result) => result.kind === 'reply' && textOf(result.bytes)),
      ['x!', 'y!', 'z!'],
    )
  })

  test('an empty answer is an answer', async (t) => {
    const { a, b, root } = await given(t)
    b.subscribe(root, ({ replyTo }) => b.publish(replyTo!, new Uint8Array()))
    await settled(b)
    t.deepEqual(await a.request(root, bytesOf('x'), waitMs), { kind: 'reply', bytes: new Uint8Array() })
  })

  test('a request that nobody hears says so', async (t) => {
    const { a, root } = await given(t)
    t.deepEqual(await a.request(root, bytesOf('x'), waitMs), { kind: 'nobody' })
  })

  test('a request without an answer ends as unknown at its time', async (t) => {
    const { a, b, root } = await given(t)
    b.subscribe(root, () => {})
    await settled(b)
    t.is((await a.request(root, bytesOf('x'), 20)).kind, 'unknown')
  })

  test('a second answer to a request is nobody’s', async (t) => {
    const { a, b, root } = await given(t)
    b.subscribe(root, ({ bytes, replyTo }) => {
      b.publish(replyTo!, bytes)
      b.publish(replyTo!, bytesOf('again'))
    })
    await settled(b)

    const results = [await a.request(root, bytesOf('x'), waitMs), await a.request(root, bytesOf('y'), waitMs)]

    t.deepEqual(
      results.map((result) => result.kind === 'reply' && textOf(result.bytes)),
      ['x', 'y'],
    )
  })

  test('the inbox is a subject of the connection’s own', async (t) => {
    const { a, b } = await given(t)
    t.not(a.inbox, b.inbox)
    const inbox = inboxOf(a, `${a.inbox}.answers`)
    await settled(a)

    b.publish(`${a.inbox}.answers`, bytesOf('here'))

    t.is(textOf((await inbox.next()).bytes), 'here')
  })

  test('a new listener hears at once whether there is a connection, and a close when it comes', async (t) => {
    const transport = await placeOf().connect()
    const heard: boolean[] = []
    const forgotten: boolean[] = []
    transport.onConnection((connected) => heard.push(connected))
    transport.onConnection((connected) => forgotten.push(connected))()

    t.deepEqual(heard, [true])
    await transport.close()

    t.deepEqual(heard, [true, false])
    t.deepEqual(forgotten, [true])
  })

  test('a closed transport sends nothing, hears nothing and lets nobody wait', async (t) => {
    const { a, b, root } = await given(t)
    const inbox = inboxOf(a, root)
    b.subscribe(`${root}.silent`, () => {})
    await settled(a, b)
    const open = a.request(`${root}.silent`, bytesOf('x'), waitMs)

    await a.close()
    b.publish(root, bytesOf('late'))
    await settled(b)

    t.is((await open).kind, 'unknown')
    t.is(a.publish(root, bytesOf('x')), 'closed')
    t.is((await a.request(root, bytesOf('x'), waitMs)).kind, 'unknown')
    t.deepEqual(inbox.texts(), [])
    await t.notThrowsAsync(a.flush())
    await t.notThrowsAsync(a.close())
  })
}

/** Everything published and every subscription made before has taken effect, and what was on the way here has been heard. */
async function settled(...transports: Transport[]): Promise<void> {
  for (const transport of transports) {
    await transport.flush()
    // A turn of our own through the broker comes behind whatever was queued for us.
    const subject = `${transport.inbox}.settled`
    const back = new Promise<void>((resolve) => {
      const end = transport.subscribe(subject, () => {
        end()
        resolve()
      })
    })
    transport.publish(subject, new Uint8Array())
    await back
  }
}

/** Keeps what a subscription hears. */
function inboxOf(transport: Transport, subject: string, queue?: string) {
  const heard: Message[] = []
  let read = 0
  let wake = (): void => {}
  const end = transport.subscribe(
    subject,
    (message) => {
      heard.push(message)
      wake()
    },
    queue === undefined ? undefined : { queue },
  )
  return {
    end,
    count: () => heard.length,
    texts: () => heard.map(({ bytes }) => textOf(bytes)),
    async next(): Promise<Message> {
      while (heard.length <= read) await new Promise<void>((resolve) => void (wake = resolve))
      return heard[read++]!
    },
  }
}
