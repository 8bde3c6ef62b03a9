import test from 'ava'
import { limits } from '../../src/base/limits.ts'
import {
  createOutbox,
  entriesOf,
  floorOf,
  forgetSettled,
  isFull,
  numbered,
  type Outbox,
  post,
  type Post,
  putOff,
  quietStreams,
  replay,
  restoreStreams,
  settle,
  settledOf,
  takeSendable,
} from '../../src/core/outbox.ts'
import { encodeRecord } from '../../src/protocol/records.ts'
import { owned } from './support/driver.ts'

const toB: Post = { source: 'relay/a', target: 'counter/b', op: 'tell', body: new Uint8Array(1) }
const toC: Post = { ...toB, target: 'counter/c' }

function idsOf(): () => string {
  let made = 0
  return () => `s${++made}`
}

/** Commits these. */
function send(outbox: Outbox, posts: readonly Post[], makeId = idsOf()): void {
  post(outbox, numbered(outbox, posts, makeId), 0)
}

const numbersOf = (outbox: Outbox, stream = 's1', nowMs = 0): readonly number[] =>
  takeSendable(outbox.streams.get(stream)!, nowMs).map(({ number }) => number)

test('M3: what one actor sends to one other is numbered without gaps, each pair by itself', (t) => {
  const outbox = createOutbox()
  const makeId = idsOf()
  const first = numbered(outbox, [toB, toC, toB], makeId)
  post(outbox, first, 0)
  const second = numbered(outbox, [toC, toB], makeId)

  t.deepEqual(
    [...first, ...second].map(({ stream, number }) => `${stream}.${number}`),
    ['s1.1', 's2.1', 's1.2', 's2.2', 's1.3'],
  )
})

test('M3: numbers that a void commit gave out are given out again', (t) => {
  const outbox = createOutbox()
  numbered(outbox, [toB, toB], idsOf())

  t.deepEqual(
    numbered(outbox, [toC, toB], idsOf()).map(({ number }) => number),
    [1, 1],
  )
  t.is(outbox.streams.size, 0)
})

test('M3: a message is sent once in an attempt, and so many are on their way at once', (t) => {
  const outbox = createOutbox()
  send(
    outbox,
    Array.from({ length: limits.messagesInFlightMax + 2 }, () => toB),
  )

  t.is(numbersOf(outbox).length, limits.messagesInFlightMax)
  t.deepEqual(numbersOf(outbox), [])

  settle(outbox, 's1', 2, 0)
  t.deepEqual(numbersOf(outbox), [], 'the floor has not moved')
  settle(outbox, 's1', 1, 0)
  t.deepEqual(numbersOf(outbox), [limits.messagesInFlightMax + 1, limits.messagesInFlightMax + 2])
})

test('M3: what is put off is sent again from the floor on, after a rest that grows and ends', (t) => {
  const outbox = createOutbox()
  send(outbox, [toB, toB, toB])
  const stream = outbox.streams.get('s1')!
  numbersOf(outbox)
  settle(outbox, 's1', 1, 0)

  putOff(stream, 0, 0)
  putOff(stream, 0, 0)
  t.deepEqual(numbersOf(outbox, 's1', limits.messageRestMsMin - 1), [])
  t.deepEqual(numbersOf(outbox, 's1', limits.messageRestMsMin), [2, 3])

  let restedMs = 0
  for (let i = 1; i <= 20; i++) {
    putOff(stream, i, 0)
    t.true(stream.restsUntilMs >= restedMs)
    restedMs = stream.restsUntilMs
  }
  t.is(restedMs, limits.messageRestMsMax)

  settle(outbox, 's1', 2, 0)
  putOff(stream, stream.attempt, 0)
  t.is(stream.restsUntilMs, limits.messageRestMsMin, 'somebody is there again')
})

test('M3: what is settled is told by the next commit, and by no later one', (t) => {
  const outbox = createOutbox()
  send(outbox, [toB, toB, toC])
  settle(outbox, 's1', 2, 0)
  settle(outbox, 's1', 2, 0)
  settle(outbox, 'unknown', 1, 0)
  const told = settledOf(outbox)
  settle(outbox, 's1', 1, 0)

  t.deepEqual(told, [['s1', 2]])
  forgetSettled(outbox, told)
  t.deepEqual(settledOf(outbox), [['s1', 1]])
  t.is(floorOf(outbox.streams.get('s1')!), 3)
})

test('M3: a stream that is empty for a while ends; what comes later is a new one', (t) => {
  const outbox = createOutbox()
  const makeId = idsOf()
  send(outbox, [toB], makeId)
  t.deepEqual(quietStreams(outbox, limits.streamLingerMs), [])

  settle(outbox, 's1', 1, 100)
  t.deepEqual(quietStreams(outbox, limits.streamLingerMs + 99), [])
  t.is(quietStreams(outbox, limits.streamLingerMs + 100).length, 1)

  send(outbox, [{ ...toB, op: 'end' }, toB], makeId)
  t.deepEqual(quietStreams(outbox, Infinity), [])
  t.deepEqual(
    entriesOf(outbox).map(({ stream, messages }) => `${stream} ${messages.map(({ op }) => op)}`),
    ['s1 end', 's2 tell'],
  )
  settle(outbox, 's1', 2, 0)
  t.deepEqual([...outbox.streams.keys()], ['s2'])
})

test('M3: the end of a stream waits until all before it is settled', (t) => {
  const outbox = createOutbox()
  send(outbox, [toB, { ...toB, op: 'end' }])
  t.deepEqual(numbersOf(outbox), [1])
  t.deepEqual(numbersOf(outbox), [])
  settle(outbox, 's1', 1, 0)
  t.deepEqual(numbersOf(outbox), [2])
})

test('M3: an actor is full while so many of its messages are not settled', (t) => {
  const outbox = createOutbox()
  send(
    outbox,
    Array.from({ length: limits.messagesPerActorMax - 1 }, () => toB),
  )
  t.false(isFull(outbox, 'relay/a'))
  send(outbox, [toC], () => 'c')
  t.true(isFull(outbox, 'relay/a'))
  settle(outbox, 'c', 1, 0)
  t.false(isFull(outbox, 'relay/a'))
})

test('M3: what the log tells is what was not settled, with its numbers, wherever a checkpoint lies', (t) => {
  const makeId = idsOf()
  const live = createOutbox()
  const folded = createOutbox()
  const commit = (posts: readonly Post[]): void => {
    const sent = numbered(live, posts, makeId)
    const settled = settledOf(live)
    post(live, sent, 0)
    forgetSettled(live, settled)
    replay(folded, { sent, settled })
  }
  commit([toB, toB, toC])
  settle(live, 's1', 1, 0)
  commit([toB])
  settle(live, 's2', 1, 0)
  commit([{ ...toC, op: 'end' }])
  settle(live, 's2', 2, 0)
  commit([toB])
  t.deepEqual(entriesOf(folded), entriesOf(live))

  const restored = createOutbox()
  restoreStreams(restored, entriesOf(folded), 0)
  t.deepEqual(entriesOf(restored), entriesOf(live))
  t.deepEqual(numbersOf(restored), [2, 3, 4])
  t.is(numbered(restored, [toB], makeId)[0]!.number, 5)
})

test('M3: an empty stream keeps its next number through a checkpoint', (t) => {
  const outbox = createOutbox()
  send(outbox, [toB, toB])
  settle(outbox, 's1', 1, 0)
  settle(outbox, 's1', 2, 0)
  const restored = createOutbox()
  restoreStreams(restored, entriesOf(outbox), 0)

  const [next] = numbered(restored, [toB], () => 'other')
  t.deepEqual([next!.stream, next!.number], ['s1', 3])
})

// A is handed over to B before a commit has told that 1 is settled, B ends the stream: the log still holds 1, and when its target has
// forgotten the stream, whoever folds the log sends it as the first of one that is not known.
test('M3: what was settled before a handoff is settled in the log when the stream ends', (t) => {
  const log = createOutbox()
  const a = createOutbox()
  const sent = numbered(a, [toB], idsOf())
  post(a, sent, 0)
  replay(log, { sent })
  settle(a, 's1', 1, 0)

  const b = createOutbox()
  restoreStreams(b, entriesOf(a), 0)
  replay(log, { sent: numbered(b, [{ ...toB, op: 'end' }], idsOf()), settled: settledOf(b) })

  t.deepEqual(
    entriesOf(log).flatMap(({ messages }) => messages.map(({ op }) => op)),
    ['end'],
  )
})

// The stream looks empty while its next message waits for its commit: its end follows in the same commit, and what comes then is a
// stream of its own, which does not wait for the one before.
test('M3: a stream does not end while a message of it is on its way into the log', (t) => {
  const a = owned()
  const source = a.world.actorIn('main.0')
  const target = a.world.actorIn('main.0', 'counter', 1)
  a.call('spawn', source)
  a.ask(source, { type: 'ADD', post: target })
  const { message, attempt } = a.expectEffect('send message')
  a.tell({ kind: 'message answered', shard: 'main.0', message, attempt, outcome: 'done', final: true })
  a.world.pass(limits.streamLingerMs - 200)
  a.forgetEffects()

  a.moods.set('append', 'hold')
  a.ask(source, { type: 'ADD' })
  a.ask(source, { type: 'ADD', post: target })
  a.world.pass(400)
  a.ask(source, { type: 'ADD', post: target })
  a.letGo('append')

  t.deepEqual(
    a.all('send message').map(({ message: { stream, number } }) => [stream, number]),
    [
      [message.stream, 2],
      [message.stream, 3],
    ],
  )
})

// Else the store refuses every commit of the shard from then on.
test('S4, M3: what a volatile actor sends while the store is full fits into records when there is room', (t) => {
  const recordBytesMax = 20_000
  const a = owned({ recordBytesMax })
  const flash = a.world.actorIn('main.0', 'flash')
  a.call('spawn', flash)
  a.moods.set('append', 'full')
  for (let i = 0; i < 400; i++) {
    a.ask(flash, { type: 'ADD', post: 'counter/b' })
    a.world.pass(300)
  }
  a.moods.delete('append')
  a.forgetEffects()
  a.world.pass(2_000)

  const sizes = a.all('append').map(({ record }) => encodeRecord(record).length)
  t.true(sizes.length > 0)
  t.deepEqual(
    sizes.filter((size) => size > recordBytesMax),
    [],
  )
})
