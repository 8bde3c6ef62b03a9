/** From a frame to a turn, and back: M2, T1, E1, and the operations. */

import test from 'ava'
import { limits } from '../../src/base/limits.ts'
import { type Driver, owned } from './support/driver.ts'

function spawned(type = 'counter', input: unknown = {}): { readonly a: Driver; readonly actor: string } {
  const a = owned()
  const actor = a.world.actorIn('main.0', type)
  a.call('spawn', actor, input)
  a.forgetEffects()
  return { a, actor }
}

test('spawn is idempotent: another one changes nothing, whatever its input', (t) => {
  const { a, actor } = spawned('counter', { count: 3 })

  t.deepEqual(a.call('spawn', actor, { count: 9 }), {
    created: false,
    type: 'counter',
    id: actor.split('/')[1],
    shard: 'main.0',
    node: 'a',
    epoch: 1,
  })

  t.is(a.count(actor), 3)
})

test('spawn begins a finished actor anew, and a machine that throws over its input leaves the finished one', (t) => {
  const { a, actor } = spawned()
  a.ask(actor, { type: 'END' })
  t.is(a.ask(actor), 'ACTOR_DONE')

  t.is(a.call('spawn', actor, { type: 'THROW' }), 'ACTOR_FAILED')
  t.like(a.call('get', actor), { status: 'done', context: { count: 1 } })
  t.like(a.call('spawn', actor, { count: 7 }), { created: true })

  t.is(a.count(actor), 7)
})

test('a machine that throws over its input leaves nothing', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')

  t.is(a.call('spawn', actor, { type: 'THROW' }), 'ACTOR_FAILED')

  t.is(a.count(actor), 'ACTOR_NOT_FOUND')
  a.rejectEffect('append', ({ record }) => record.kind === 'commit')
  t.is(a.call('spawn', a.world.actorIn('main.0', 'nothing')), 'TYPE_UNKNOWN')
})

test('a refused event changes nothing, and the same id may come again', (t) => {
  const { a, actor } = spawned()

  t.is(a.ask(actor, { type: 'UNKNOWN' }, { request: 'r' }), 'EVENT_REJECTED')
  t.is(a.ask(actor, { type: 'THROW' }), 'ACTOR_FAILED')

  a.rejectEffect('append')
  t.like(a.ask(actor, { type: 'ADD' }, { request: 'r' }), { handled: true })
})

test('stop, get and locate of nobody', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')

  t.deepEqual(a.call('stop', actor), { stopped: false })
  t.is(a.call('get', actor), 'ACTOR_NOT_FOUND')
  t.is(a.call('locate', actor), 'ACTOR_NOT_FOUND')
  t.is(a.ask(actor), 'ACTOR_NOT_FOUND')
})

test('locate names shard, node and epoch, once the actor is committed', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.moods.set('append', 'hold')
  a.send('spawn', actor)
  const id = a.send('locate', actor)
  a.world.run()
  t.is(a.said(id), undefined)

  a.letGo('append')

  t.deepEqual(a.said(id), { shard: 'main.0', node: 'a', epoch: 1 })
})

// ---- M2

test('M2: the same request id is processed once, and answered as before', (t) => {
  const { a, actor } = spawned()
  const ask = (): unknown => a.ask(actor, { type: 'ADD', reply: 'done' }, { request: 'r' })

  t.deepEqual(ask(), { handled: true, reply: 'done' })
  t.deepEqual(ask(), { handled: true, reply: 'done' })

  t.is(a.count(actor), 1)
})

test('M2: a frame that comes twice is processed once without a request id too', (t) => {
  const { a, actor } = spawned()
  const id = a.send('ask', actor, { type: 'ADD' })
  a.world.run()

  const lane = Number(id.split('#')[1])
  a.send('ask', actor, { type: 'ADD' }, { id, lane, base: lane })
  a.world.run()

  t.is(a.answers.filter((answer) => answer.id === id && answer.kind === 'done').length, 2)
  t.is(a.count(actor), 1)
})

test('M2: an answer that was the view is given again as the answer to an ask, handled as it was', (t) => {
  const { a, actor } = spawned()
  t.like(a.ask(actor, { type: 'ADD' }, { request: 'r' }), { handled: true, reply: { context: { count: 1 } } })
  t.like(a.ask(actor, { type: 'NOTHING' }, { request: 'n' }), { handled: false })
  a.ask(actor)

  const view = { status: 'active', value: 'counting', context: { count: 2 }, tags: [] }
  t.true(a.all('take turn').length > 0)
  t.deepEqual(
    a.all('take turn').map(({ turn }) => turn.cause.kind),
    ['event', 'event', 'event'],
  )
  a.ask(actor, { type: 'ADD' }, { request: 'r' })
  a.ask(actor, { type: 'NOTHING' }, { request: 'n' })

  t.deepEqual(
    a
      .all('take turn')
      .slice(3)
      .map(({ turn }) => turn.cause),
    [
      { kind: 'read', again: { handled: true } },
      { kind: 'read', again: { handled: false } },
    ],
  )
  t.deepEqual(a.call('get', actor), view)
})

test('M2: the same id with another payload is refused', (t) => {
  const { a, actor } = spawned()
  a.ask(actor, { type: 'ADD' }, { request: 'r' })

  t.is(a.ask(actor, { type: 'END' }, { request: 'r' }), 'BAD_REQUEST')
  t.is(a.call('tell', actor, { type: 'ADD' }, { request: 'r' }), 'BAD_REQUEST')

  t.is(a.count(actor), 1)
})

test('M2: a duplicate of a pending request joins it', (t) => {
  const { a, actor } = spawned()
  a.moods.set('append', 'hold')
  const ids = ['first', 'second'].map(() => a.send('ask', actor, { type: 'ADD', reply: 1 }, { request: 'r' }))
  a.world.pass(300)
  t.deepEqual(
    ids.map((id) => a.said(id)),
    [undefined, undefined],
  )

  a.letGo('append')

  t.deepEqual(
    ids.map((id) => a.said(id)),
    [
      { handled: true, reply: 1 },
      { handled: true, reply: 1 },
    ],
  )
  t.is(a.count(actor), 1)
})

test('M2: a request that the machine keeps open is answered by a later turn, to all who asked', (t) => {
  const { a, actor } = spawned()
  const ids = ['first', 'second'].map(() => a.send('ask', actor, { type: 'ADD', keep: true }, { request: 'k' }))
  a.world.run()
  t.deepEqual(
    ids.map((id) => a.said(id)),
    [undefined, undefined],
  )

  a.ask(actor, { type: 'ADD', answers: { request: 'k', answer: 42 } })

  t.deepEqual(
    ids.map((id) => a.said(id)),
    [
      { handled: true, reply: 42 },
      { handled: true, reply: 42 },
    ],
  )
  t.deepEqual(a.ask(actor, { type: 'ADD', keep: true }, { request: 'k' }), { handled: true, reply: 42 })
})

test('M2: stop leaves a tombstone: its repetition is answered as before, also when the actor lives again', (t) => {
  const { a, actor } = spawned()
  t.deepEqual(a.call('stop', actor, undefined, { request: 's' }), { stopped: true })
  a.call('spawn', actor)

  t.deepEqual(a.call('stop', actor, undefined, { request: 's' }), { stopped: true })

  t.is(a.count(actor), 0)
})

test('M2: a shard that remembers as many requests as it may refuses new ones and answers old ones', (t) => {
  const { a, actor } = spawned()
  a.ask(actor, { type: 'ADD', reply: 1 }, { request: 'old' })
  const { entries } = a.shard()!.requests
  const [any] = entries.values()
  for (let n = 0; entries.size < limits.requestsPerShardMax; n++) entries.set(`x${n}`, any!)

  t.is(a.ask(actor, { type: 'ADD' }, { request: 'new' }), 'OVERLOADED')

  t.deepEqual(a.ask(actor, { type: 'ADD', reply: 1 }, { request: 'old' }), { handled: true, reply: 1 })
})

// ---- T1, N3, E1

test('T1: a delayed transition fires when it is due, and the loop is told to come back then', (t) => {
  const { a, actor } = spawned('counter', { afterMs: 400 })
  a.world.pass(100)

  t.is(a.count(actor), 0)
  a.world.pass(400)

  t.is(a.count(actor), 100)
})

test('T1: a delay is counted from the turn that armed it, also where the process stands still before it is told of it', (t) => {
  const a = owned()
  const { take } = a.host
  a.host.take = (turn) => {
    const result = take(turn)
    a.world.nowMs += 150
    return result
  }

  a.call('spawn', a.world.actorIn('main.0'), { afterMs: 400 })

  t.is(a.all('alarm').at(-1)?.inMs, 250)
})

test('T1: an alarm is asked for, once', (t) => {
  const a = owned()
  a.call('spawn', a.world.actorIn('main.0'), { afterMs: 100 })

  t.deepEqual(
    a.all('alarm').map(({ inMs }) => inMs),
    [100],
  )
})

test('T1: an alarm is not asked for again and again while nothing may fire', (t) => {
  const { a } = spawned('counter', { afterMs: 300 })
  a.disconnect()
  a.world.pass(1_000)
  a.forgetEffects()

  for (let n = 0; n < 50; n++) a.tick()

  t.deepEqual(a.all('alarm'), [])
})

test('N3: one act a step: the clocks are read before each', (t) => {
  const { a, actor } = spawned()
  for (let n = 0; n < 5; n++) a.send('ask', actor, { type: 'ADD' })

  // The node's event loop stands still between two acts: its lease is void, and the next act does not begin.
  t.is(a.all('take turn').length, 5)
  a.moods.set('write row', 'unknown')
  a.world.sleep(700)
  a.send('ask', actor, { type: 'ADD' })

  t.is(a.all('take turn').length, 5)
})

test('E1: effects are performed once, in the order of their turns', (t) => {
  const { a, actor } = spawned()
  const other = a.world.actorIn('main.0', 'counter', 1)
  a.call('spawn', other)

  for (const act of ['1', '2', '3']) a.send('tell', act === '2' ? other : actor, { type: 'ADD', act })
  a.world.pass(500)

  t.deepEqual(a.host.performed, ['1', '2', '3'])
})

test('E1: a child begins with the commit of its start, and not before', (t) => {
  const { a, actor } = spawned()
  a.moods.set('append', 'hold')

  a.send('tell', actor, { type: 'ADD', child: true })
  a.world.run()
  t.deepEqual(a.host.running(), [])

  a.letGo('append')
  t.deepEqual(a.host.running(), [actor])
})

test('an event of a child is a turn of its own, and is committed', (t) => {
  const { a, actor } = spawned('counter', { child: true })

  a.tell({ kind: 'internal', actor })
  a.world.run()

  t.deepEqual(
    a.all('take turn').map(({ turn }) => turn.cause.kind),
    ['internal'],
  )
  a.expectEffect('append')
})

test('an event of a child of an actor that sleeps, or is gone, is no turn', (t) => {
  const { a, actor } = spawned('counter', { child: true })
  a.call('stop', actor)
  a.forgetEffects()

  a.tell({ kind: 'internal', actor })
  a.world.run()

  a.rejectEffect('take turn')
  t.pass()
})

test('work is done in slices: after ten milliseconds the event loop is given back', (t) => {
  const { a, actor } = spawned()
  a.state.work.ready.add('main.0')
  a.world.sleep(20)

  a.tell({ kind: 'internal', actor })

  a.rejectEffect('take turn')
  a.expectEffect('continue later')
  a.world.run()
  t.deepEqual(
    a.all('take turn').map(({ turn }) => turn.cause.kind),
    ['internal'],
  )
})
