/** R1 to R3, N5: what a node looks at before it trusts the broker again. What is lost and healed is in stories.test.ts. */

import test from 'ava'
import { isUp } from '../../src/core/membership.ts'
import { logNames } from '../../src/protocol/records.ts'
import { owned, settle, World } from './support/driver.ts'

test('R1: after a reconnect nothing is written before the identity was read', (t) => {
  const a = owned()
  a.moods.set('read identity', 'hold')
  a.disconnect()
  a.forgetEffects()

  a.connect()
  a.world.pass(500)

  a.expectEffect('read identity')
  for (const kind of ['write row', 'append', 'write view', 'read tail'] as const) a.rejectEffect(kind)
  a.letGo('read identity')
  t.true(isUp(a.state))
})

test('R3: after a reconnect the row comes first, then the tails, and only then a beat or a turn', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.call('spawn', actor)
  a.disconnect()
  a.moods.set('read tail', 'hold')
  a.connect()
  a.forgetEffects()

  const id = a.send('ask', actor, { type: 'ADD' })
  a.world.pass(700)

  const kinds = a.effects.map(({ kind }) => kind)
  t.true(kinds.indexOf('read identity') < kinds.indexOf('read row'))
  t.true(kinds.indexOf('read row') < kinds.indexOf('read tail'))
  for (const kind of ['write row', 'take turn', 'append'] as const) a.rejectEffect(kind)
  a.letGo('read tail')
  a.world.pass(200)
  t.like(a.said(id), { handled: true })
})

test('R3: a row that shows the life of another means fenced, and its tails are not looked at', (t) => {
  const a = owned()
  const { world } = a
  a.disconnect()
  const tail = world.broker.tail<never>('row.a') as { seq: number; record: object }
  world.broker.append('row.a', { ...tail.record, state: 'dead', token: 'x' } as never, tail.seq, true)
  a.connect()
  a.forgetEffects()

  world.run()

  a.expectEvent('fenced')
  a.rejectEffect('read tail')
  settle(world)
  t.is(a.phase(), 'owned')
})

test('R1: a reading of the identity that fails is repeated until it is answered', (t) => {
  const a = owned()
  a.moods.set('read identity', 'unknown')
  a.disconnect()
  a.connect()
  a.world.pass(500)
  t.false(isUp(a.state))

  a.moods.delete('read identity')
  a.world.pass(200)

  t.true(isUp(a.state))
})

test('R1: tails that cannot be read are asked for until they can', (t) => {
  const a = owned()
  a.moods.set('read tail', 'unknown')
  a.disconnect()
  a.connect()
  a.world.pass(500)
  t.false(isUp(a.state))

  a.moods.delete('read tail')
  a.world.pass(200)

  t.true(isUp(a.state))
  a.rejectEvent('disowned')
})

test('R1: a log that ends below what this node has stored since it last looked is a loss, by name', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.call('spawn', actor)
  for (let n = 0; n < 5; n++) a.ask(actor)
  a.disconnect()
  a.world.broker.lose('shard.main.0', 2)

  a.connect()
  a.world.run()

  t.regex(a.expectEvent('history broken').reason, /the shards stream ends at/)
})

test('R1: beats that were heard count too: a control log that forgot them is a loss', (t) => {
  const world = new World(2)
  const a = world.add('a')
  world.add('b')
  settle(world)
  world.pass(2_000)
  a.disconnect()
  const rows = ['row.a', 'row.b'] as const
  for (const row of rows) world.broker.lose(row, 1)

  a.connect()
  world.run()

  t.regex(a.expectEvent('history broken').reason, /the control stream ends at/)
})

test('R1: a reconnect to the same history says nothing', (t) => {
  const a = owned()
  a.disconnect()

  a.connect()
  a.world.pass(500)

  a.rejectEvent('history broken')
  t.true(a.state.history.noClaimsBeforeMs < a.world.nowMs)
})

test('R2: after a restart of a single server nobody claims for W, and whoever holds goes on', (t) => {
  const world = new World()
  const a = world.add('a')
  world.run()
  a.disconnect()
  world.broker.server = 's2'

  a.connect()
  world.pass(world.timing.waitMs - 100)
  a.rejectEffect('append')
  a.rejectEvent('history broken')

  world.pass(1_000)
  t.is(a.phase(), 'owned')
})

test('R2: who begins where something is stored waits W before it claims, unless a row knows this broker for so long', (t) => {
  for (const isRestarted of [false, true]) {
    const a = owned()
    const { world } = a
    a.tell({ kind: 'leave', timeoutMs: 1_000 })
    world.pass(2_000)
    a.expectEvent('left')

    if (isRestarted) world.broker.server += 'x'
    const b = world.add('b')
    world.pass(world.timing.waitMs - 500)

    if (isRestarted) b.rejectEvent('owned')
    world.pass(isRestarted ? 1_500 : 0)
    b.expectEvent('owned')
  }
  t.pass()
})

test('R2: a cluster of servers may change the one that answers', (t) => {
  const a = owned()
  a.world.broker.mayForget = false
  a.disconnect()
  a.connect()
  a.world.run()
  a.disconnect()
  a.world.broker.server = 's2'

  a.connect()
  a.world.run()

  t.is(a.state.history.noClaimsBeforeMs, -Infinity)
})

test('R4: a stream created anew ends the life of the node by name, and stops its children', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.call('spawn', actor, { child: true })
  t.deepEqual(a.host.running(), [actor])
  a.disconnect()
  a.world.broker.created = 'second'

  a.connect()
  a.world.run()

  t.regex(a.expectEvent('history broken').reason, /created anew/)
  t.like(a.expectEvent('refused').why, { code: 'INTERNAL' })
  t.deepEqual(a.host.running(), [])
  t.is(a.phase(), 'none')
  a.forgetEffects()
  a.world.pass(3_000)
  a.rejectEffect('write row')
  a.rejectEffect('append')
})

test('N5: after a lapse beats go on while the tails are compared, and nothing starts', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor)
  world.sleep(3_000)
  a.moods.set('read tail', 'hold')
  a.forgetEffects()
  world.pass(100)

  const id = a.send('ask', actor, { type: 'ADD' })
  world.pass(1_400)

  a.expectEffect('write row')
  a.rejectEffect('take turn')
  a.letGo('read tail')
  t.like(a.said(id), { handled: true })
})

test('R3: a tail that was asked for before the newest acknowledgement is no loss, however late its answer comes', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor)
  const late = world.broker.tail<never>(logNames.shard('main.0')) as { readonly seq: number }
  a.call('ask', actor, { type: 'ADD' })
  world.sleep(3_000)
  a.moods.set('read tail', 'hold')
  world.pass(1_000)
  t.is(a.state.history.check, 'resume')

  a.tell({ kind: 'tail read', shard: 'main.0', known: late.seq, result: late as never })
  t.is(a.phase(), 'owned')
  a.letGo('read tail')
  world.pass(200)

  t.true(isUp(a.state))
  t.is(a.phase(), 'owned')
  t.like(a.call('ask', actor, { type: 'ADD' }), { handled: true })
})
