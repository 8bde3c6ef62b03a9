/** What becomes of frames that reach a node: into the mailbox, moved, or refused; M1, N4, O1, handoff rule 6. */

import test from 'ava'
import { limits } from '../../src/base/limits.ts'
import { beforeJoin, type Driver, owned, settle, World } from './support/driver.ts'

test('handoff 6: a node that is not the owner answers moved, with the view it knows, and forwards nothing', (t) => {
  const { world, a, shard } = beforeJoin()
  const b = world.add('b')
  settle(world)
  const actor = world.actorIn(shard)
  a.forgetEffects()

  const id = a.send('ask', actor, { type: 'ADD' })

  t.is(a.said(id), 'moved')
  t.like(a.answers.at(-1), { kind: 'moved', view: 2 })
  a.rejectEffect('tell')
  t.is(b.said(id), undefined)
})

test('frames wait at a node that is about to own their shard', (t) => {
  const world = new World()
  const a = world.add('a')
  a.moods.set('read tail', 'hold')
  settle(world)
  t.is(a.phase(), 'looking')

  const id = a.send('spawn', world.actorIn('main.0'))
  world.pass(300)
  t.is(a.said(id), undefined)
  a.letGo('read tail')
  world.pass(300)

  t.like(a.said(id), { created: true })
})

test('a frame that speaks of a newer view has it read', (t) => {
  const a = owned()

  a.send('ask', a.world.actorIn('main.0'), { type: 'ADD' }, { view: 9 })

  a.expectEffect('read view')
  t.pass()
})

test('a node without a place in the ring answers moved', (t) => {
  const world = new World()
  const a = world.add('a')

  const id = a.send('ask', world.actorIn('main.0'), { type: 'ADD' })

  t.is(a.said(id), 'moved')
})

/** A node that cannot take turns: its history is being looked at. */
function waiting(): { readonly a: Driver; readonly actor: string } {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.call('spawn', actor)
  a.disconnect()
  return { a, actor }
}

test('M1: a frame whose time is over while it waits is refused, and does not run', (t) => {
  const { a, actor } = waiting()

  const short = a.send('ask', actor, { type: 'ADD' }, { leftMs: 200 })
  const long = a.send('ask', actor, { type: 'ADD' }, { leftMs: 60_000 })
  a.world.pass(1_000)
  t.is(a.said(short), 'UNAVAILABLE')
  t.is(a.said(long), undefined)
  a.connect()
  a.world.pass(1_000)

  t.like(a.said(long), { handled: true })
  t.is(a.count(actor), 1)
})

test('M1: a frame whose time is over before its turn is refused with DEADLINE', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')

  t.is(a.call('spawn', actor, {}, { leftMs: 0 }), 'DEADLINE')

  t.is(a.count(actor), 'ACTOR_NOT_FOUND')
})

test('a full mailbox refuses with OVERLOADED, and what waits in it runs', (t) => {
  const { a, actor } = waiting()
  const ids = Array.from({ length: limits.parkedFramesMax }, () =>
    a.send('tell', actor, { type: 'ADD' }, { leftMs: 60_000 }),
  )

  const refused = a.send('tell', actor, { type: 'ADD' }, { leftMs: 60_000 })

  t.is(a.said(refused), 'OVERLOADED')
  a.connect()
  a.world.pass(1_000)
  t.deepEqual(a.said(ids.at(-1)!), {})
  t.is(a.count(actor), limits.parkedFramesMax)
})

test('M1: a copy of a request that was answered is never told that it did not run, and is sent again for its answer', (t) => {
  for (const isFull of [false, true]) {
    const { a, actor } = waiting()
    a.connect()
    a.world.pass(1_000)
    const id = a.send('ask', actor, { type: 'ADD' })
    a.world.run()
    t.like(a.said(id), { handled: true })
    a.disconnect()
    const other = a.world.actorIn('main.0', 'counter', 1)
    for (let n = 0; isFull && n < limits.parkedFramesMax; n++) a.send('tell', other, {}, { leftMs: 60_000 })

    const lane = Number(id.split('#')[1])
    a.send('ask', actor, { type: 'ADD' }, { id, lane, base: lane, leftMs: 200 })
    a.world.pass(1_000)

    t.is(a.said(id), 'moved')
  }
})

test('O1: a frame waits for the earlier ones of its lane', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')

  const second = a.send('ask', actor, { type: 'ADD' }, { lane: 1, base: 0 })
  a.world.run()
  t.is(a.said(second), undefined)
  const first = a.send('spawn', actor, {}, { lane: 0, base: 0 })
  a.world.run()

  t.like(a.said(first), { created: true })
  t.like(a.said(second), { handled: true })
})

test('O1: a frame whose earlier one never comes ends by its deadline', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')

  const id = a.send('ask', actor, { type: 'ADD' }, { lane: 1, base: 0, leftMs: 500 })
  a.world.pass(1_000)

  t.is(a.said(id), 'DEADLINE')
})

test('handoff 6: a shard that is given up sends on all that waits, in order: also what waits for earlier frames', (t) => {
  const { a, actor } = waiting()
  const waits = ['a', 'b', 'c'].map(() => a.send('ask', actor, { type: 'ADD' }))
  const held = a.send('ask', actor, { type: 'ADD' }, { lane: 99, base: 98 })
  a.answers.length = 0

  a.world.broker.created = 'another'
  a.connect()
  a.world.run()

  t.deepEqual(
    a.answers.map(({ id, kind }) => [id, kind]),
    [...waits, held].map((id) => [id, 'moved']),
  )
})

test('N6: what was turned and not sent to the log is sent on; what is in flight stays without an answer', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor)
  a.moods.set('append', 'hold')
  const inFlight = a.send('ask', actor, { type: 'ADD' })
  world.run()
  const turned = a.send('ask', actor, { type: 'ADD' })
  world.run()

  const row = world.broker.tail<never>('row.a') as { readonly seq: number; readonly record: object }
  world.broker.append('row.a', { ...row.record, state: 'dead', token: 'x' } as never, row.seq, true)
  world.pass(600)

  t.is(a.said(inFlight), undefined)
  t.is(a.said(turned), 'moved')
})
