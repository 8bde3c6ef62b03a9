import test from 'ava'
import { limits } from '../../src/base/limits.ts'
import {
  createMailbox,
  type Delivery,
  lengthOf,
  put,
  putBack,
  take,
  takeAll,
  takeExpired,
} from '../../src/core/mailbox.ts'

const delivery = (id: string, more: Partial<Delivery> = {}): Delivery => ({
  id,
  op: 'ask',
  type: 'counter',
  actor: '1',
  shard: 'main.0',
  body: new Uint8Array(0),
  leftMs: 1_000,
  view: 1,
  lane: 0,
  base: 0,
  first: 0,
  from: 'client',
  replyTo: 'inbox',
  deadlineMs: 1_000,
  ...more,
})

const idsOf = (deliveries: readonly Delivery[]): string => deliveries.map(({ id }) => id).join(' ')

test('frames leave in the order of their arrival', (t) => {
  const mailbox = createMailbox()
  for (let n = 0; n < 5_000; n++) put(mailbox, delivery(String(n)))

  for (let n = 0; n < 3_000; n++) t.is(take(mailbox)?.id, String(n))

  t.is(lengthOf(mailbox), 2_000)
  t.is(takeAll(mailbox)[0]?.id, '3000')
  t.is(take(mailbox), undefined)
})

test('a full mailbox refuses, by count and by bytes, and drops nothing that waits', (t) => {
  const many = createMailbox()
  for (let n = 0; n < limits.parkedFramesMax; n++) t.is(put(many, delivery(String(n))), 'waits')
  const heavy = createMailbox()
  const body = new Uint8Array(limits.parkedBytesMax / 2)
  put(heavy, delivery('first', { body }))

  t.is(put(many, delivery('one more')), 'full')
  t.is(put(heavy, delivery('second', { body })), 'full')

  t.is(lengthOf(many), limits.parkedFramesMax)
  t.is(take(heavy)?.id, 'first')
})

test('room that was taken is given back', (t) => {
  const mailbox = createMailbox()
  const body = new Uint8Array(limits.parkedBytesMax / 2)
  put(mailbox, delivery('1', { body }))

  take(mailbox)

  t.is(put(mailbox, delivery('2', { body })), 'waits')
  t.is(put(mailbox, delivery('3', { body })), 'full')
  takeAll(mailbox)
  t.is(put(mailbox, delivery('3', { body })), 'waits')
})

test('a frame that is put back is the first again', (t) => {
  const mailbox = createMailbox()
  for (const id of ['1', '2', '3']) put(mailbox, delivery(id))

  putBack(mailbox, take(mailbox)!)

  t.is(idsOf(takeAll(mailbox)), '1 2 3')
  put(mailbox, delivery('4'))
  putBack(mailbox, take(mailbox)!)
  t.is(idsOf(takeAll(mailbox)), '4')
})

test('what waited to its deadline is handed back, the others keep their order', (t) => {
  const mailbox = createMailbox()
  for (const [id, deadlineMs] of [
    ['1', 500],
    ['2', 2_000],
    ['3', 1_000],
    ['4', 3_000],
  ] as const)
    put(mailbox, delivery(id, { deadlineMs }))

  const expired = takeExpired(mailbox, 1_000)

  t.is(idsOf(expired), '1 3')
  t.is(idsOf(takeAll(mailbox)), '2 4')
  t.deepEqual(takeExpired(createMailbox(), 1_000), [])
})
