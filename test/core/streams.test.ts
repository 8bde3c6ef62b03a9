import test from 'ava'
import { limits } from '../../src/base/limits.ts'
import {
  askerOf,
  messageOf,
  note,
  placeOf,
  requestOf,
  settledBelow,
  type Streams,
  tokenOf,
  unnote,
} from '../../src/core/streams.ts'
import { owned } from './support/driver.ts'

const known = (...numbers: readonly number[]): Streams => {
  const streams: Streams = new Map()
  for (const number of numbers) note(streams, 'counter/b', { stream: 's', number })
  return streams
}

const place = (streams: Streams, number: number, floor: number): string =>
  placeOf(streams, 'counter/b', { stream: 's', number, floor })

test('M3: a stream of which nothing is known begins at its floor', (t) => {
  t.is(place(known(), 1, 1), 'next')
  t.is(place(known(), 7, 7), 'next')
  t.is(place(known(), 2, 1), 'early')
})

test('M3: numbers are processed in order, each once', (t) => {
  const streams = known(3, 4)
  t.is(place(streams, 3, 3), 'known')
  t.is(place(streams, 4, 3), 'known')
  t.is(place(streams, 5, 3), 'next')
  t.is(place(streams, 6, 3), 'early')
})

test('M3: what was refused for good is passed over, and never runs later', (t) => {
  const streams = known(3)
  t.is(place(streams, 5, 3), 'early', 'number 4 is not settled')
  t.is(place(streams, 5, 5), 'next', 'number 4 was refused for good')
  note(streams, 'counter/b', { stream: 's', number: 5 })
  t.is(place(streams, 4, 3), 'settled')
})

test('M3: what is below all that is known was settled and forgotten', (t) => {
  t.is(place(known(8, 9), 7, 7), 'settled')
})

test('M3: what its source will not send again is forgotten, but for the place where the stream stands', (t) => {
  const streams = known(1, 2, 3)
  t.deepEqual(settledBelow(streams, 'counter/b', { stream: 's', floor: 3 }), [1, 2])
  t.deepEqual(settledBelow(streams, 'counter/b', { stream: 's', floor: 9 }), [1, 2])
  t.deepEqual(settledBelow(streams, 'counter/b', { stream: 'other', floor: 9 }), [])
  for (const number of [1, 2, 3]) unnote(streams, 'counter/b', { stream: 's', number })
  t.is(streams.size, 0)
})

test('M3: the request of a message names it', (t) => {
  const message = { stream: 'boot-1f', number: 12 }
  t.deepEqual(messageOf(requestOf(message)), message)
  t.is(messageOf('boot-1f.12'), undefined)
})

test('M3: the token of an ask tells where its reply goes, whatever its asker is called', (t) => {
  const message = { stream: 's', number: 1, floor: 1, source: 'relay/a\u0000b', onReply: 'GOT' }
  t.deepEqual(askerOf(tokenOf(requestOf(message), message)), { source: 'relay/a\u0000b', onReply: 'GOT' })
  t.is(askerOf(requestOf(message)), undefined)
  t.is(askerOf('a caller’s own'), undefined)
})

// The last message before the end has no horizon, and nothing raises the floor above it any more.
test('M3: a stream that has ended is forgotten after the horizon', (t) => {
  const a = owned()
  const target = a.world.actorIn('main.0')
  a.call('spawn', target)
  const head = { source: 'counter/a', stream: 's' }
  a.call('tell', target, { type: 'ADD' }, { message: { ...head, number: 1, floor: 1 } })
  a.call('end', target, undefined, { message: { ...head, number: 2, floor: 2 } })

  a.world.pass(limits.requestKeepMs + 2_000)

  const { entries, streams } = a.shard()!.requests
  t.deepEqual(
    [...entries.values()].map(({ request }) => messageOf(request)).filter((message) => message !== undefined),
    [],
  )
  t.is(streams.size, 0)
})
