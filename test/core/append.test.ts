/** S2: an append whose outcome is in doubt. Each story ends in one of two ways: the record is at the tail, or another one is. */

import test from 'ava'
import type { LogRecord } from '../../src/protocol/records.ts'
import { type Driver, owned } from './support/driver.ts'

/** An actor and an `ADD` to it whose append fares as the mood says. */
function inDoubt(mood: 'lost' | 'unknown' | 'refused' | 'hold'): {
  readonly a: Driver
  readonly actor: string
  readonly id: string
} {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.call('spawn', actor)
  a.forgetEffects()
  a.moods.set('append', mood)
  const id = a.send('ask', actor, { type: 'ADD' })
  a.world.run()
  return { a, actor, id }
}

/** Somebody else claims the shard over whatever is its tail. */
function claimByAnother({ world }: Driver): void {
  const tail = world.broker.tail('shard.main.0')
  const seq = tail === 'empty' ? 0 : tail.seq
  world.broker.append(
    'shard.main.0',
    { token: 'z', prev: seq, epoch: 0, owner: 'z', inc: 1, kind: 'claim', over: 'dead owner' },
    seq,
  )
}

const adds = (log: readonly LogRecord[]): number => log.filter((record) => record.kind === 'commit').length

test('S2: nothing is answered while an append is in doubt', (t) => {
  const { a, id } = inDoubt('unknown')

  a.world.pass(3_000)

  t.is(a.said(id), undefined)
  a.rejectEvent('disowned')
})

test('S2: an append without an answer is sent again, with identical bytes and expectation', (t) => {
  const { a, actor, id } = inDoubt('unknown')
  a.world.pass(500)
  const sendings = a.all('append')
  t.true(sendings.length > 1)
  for (const { record, expected } of sendings)
    t.deepEqual([record, expected], [sendings[0]!.record, sendings[0]!.expected])

  a.moods.delete('append')
  a.world.pass(200)

  t.like(a.said(id), { handled: true })
  t.is(a.count(actor), 1)
  t.is(adds(a.world.log()), 2)
})

test('S2: an append that was stored although its answer was lost is found at the tail', (t) => {
  const { a, actor, id } = inDoubt('lost')
  a.moods.delete('append')

  a.world.pass(200)

  t.like(a.said(id), { handled: true })
  t.is(a.count(actor), 1)
  t.is(adds(a.world.log()), 2, 'it is there once')
})

test('S2: a refusal is in doubt too: the tail tells', (t) => {
  const { a, id } = inDoubt('refused')
  a.expectEffect('read tail')
  a.rejectEvent('disowned')

  a.moods.delete('append')
  a.world.pass(200)

  t.like(a.said(id), { handled: true })
})

test('S2: a tail that cannot be read concludes nothing', (t) => {
  const { a, id } = inDoubt('refused')
  a.moods.set('read tail', 'unknown')

  a.world.pass(1_000)

  t.is(a.said(id), undefined)
  a.rejectEvent('disowned')
  a.moods.clear()
  a.world.pass(300)
  t.like(a.said(id), { handled: true })
})

test("S2: another's record at the tail means step down; what was in doubt is not answered", (t) => {
  const { a, actor, id } = inDoubt('unknown')
  claimByAnother(a)
  a.moods.delete('append')

  const later = a.send('ask', actor, { type: 'ADD' })
  a.world.pass(300)

  t.is(a.said(id), undefined, 'it may have been stored for all that is known')
  t.is(a.said(later), 'moved')
  a.expectEvent('disowned')
})

test("S2: own record stored, then another's over it: step down all the same", (t) => {
  const { a, id } = inDoubt('lost')
  claimByAnother(a)
  a.moods.delete('append')

  a.world.pass(300)

  t.is(a.said(id), undefined)
  a.expectEvent('disowned')
})

test('S2: one append in flight per shard: what comes meanwhile goes into the next one', (t) => {
  const { a, actor } = inDoubt('hold')

  for (let n = 0; n < 10; n++) a.send('ask', actor, { type: 'ADD' })
  a.world.pass(500)

  t.is(a.all('append').length, 1)
  a.letGo('append')
  t.is(a.all('append').length, 2)
  t.is(a.count(actor), 11)
})

test('S2: a late answer to an earlier append says nothing about this one', (t) => {
  const { a, actor, id } = inDoubt('lost')
  const [first] = a.all('append')
  a.moods.delete('append')
  a.world.pass(200)
  t.like(a.said(id), { handled: true })
  a.moods.set('append', 'hold')
  const second = a.send('ask', actor, { type: 'ADD' })
  a.world.run()

  a.tell({ kind: 'appended', shard: 'main.0', token: first!.record.token, result: { kind: 'stored', seq: 99 } })
  a.world.run()

  t.is(a.said(second), undefined)
  a.letGo('append')
  t.like(a.said(second), { handled: true })
})

test('full: a first sending that the store has no room for is certainly not stored', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.call('spawn', actor)
  a.moods.set('append', 'full')

  t.is(a.ask(actor), 'STORAGE_FULL')

  a.moods.delete('append')
  t.is(a.count(actor), 0)
})

test('full: after a sending in doubt it is no conclusion', (t) => {
  const { a, actor, id } = inDoubt('unknown')
  a.moods.set('append', 'full')

  a.world.pass(1_000)

  t.is(a.said(id), undefined)
  a.moods.delete('append')
  a.world.pass(200)
  t.like(a.said(id), { handled: true })
  t.is(a.count(actor), 1)
})

test('R1: an append in doubt is not sent again before the history was looked at', (t) => {
  const { a, id } = inDoubt('unknown')
  a.disconnect()
  a.moods.set('read identity', 'hold')
  a.connect()
  a.moods.delete('append')
  a.forgetEffects()

  a.world.pass(1_000)
  a.rejectEffect('append')

  a.letGo('read identity')
  a.world.pass(300)
  t.like(a.said(id), { handled: true })
})

test('R1: an acknowledgement that comes while the history is looked at does not let the next append out', (t) => {
  const { a, actor } = inDoubt('hold')
  a.send('tell', actor, { type: 'ADD' })
  a.world.run()
  a.disconnect()
  a.moods.set('read row', 'hold')
  a.connect()
  a.world.run()
  a.forgetEffects()

  a.letGo('append')
  a.world.pass(500)
  a.rejectEffect('append')

  a.letGo('read row')
  a.world.pass(300)
  a.expectEffect('append')
  t.is(a.count(actor), 2)
})

test('R3: a record of another history at the expected sequence is not appended to', (t) => {
  const { a, id } = inDoubt('unknown')
  a.disconnect()
  a.world.broker.lose('shard.main.0', 1)
  claimByAnother(a)
  a.moods.delete('append')

  a.connect()
  a.world.pass(500)

  t.is(a.said(id), undefined)
  a.expectEvent('disowned')
})
