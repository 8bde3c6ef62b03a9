/** N3, N4, N5: what a node does without a lease, and with it again. */

import test from 'ava'
import { isUp } from '../../src/core/membership.ts'
import { type Driver, owned, settle } from './support/driver.ts'

/** A node whose beats are not acknowledged any more: the lease ends by itself. */
function silenced(node: Driver): void {
  node.moods.set('write row', 'unknown')
}

test('N4: at the end of the lease children are stopped, and not before', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor, { child: true })
  silenced(a)

  world.pass(a.state.lease.endMs - world.nowMs - 1)
  t.deepEqual(a.host.running(), [actor])
  world.pass(world.timing.tickMs)

  t.deepEqual(a.host.running(), [])
  t.is(a.expectEffect('release').graceMs, world.timing.stopMs)
  t.is(a.phase(), 'owned', 'it gives up nothing else')
})

test('N3: without a lease no turn, no timer, no effect and no child begins, and messages wait', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor, { afterMs: 2_500 })
  silenced(a)
  world.pass(2_200)
  t.false(isUp(a.state))
  a.forgetEffects()

  const id = a.send('ask', actor, { type: 'ADD' }, { leftMs: 60_000 })
  world.pass(2_000)

  for (const kind of ['take turn', 'perform', 'wake', 'append'] as const) a.rejectEffect(kind)
  t.is(a.said(id), undefined)
  a.moods.delete('write row')
  settle(world)
  t.like(a.said(id), { handled: true })
  t.is(a.count(actor), 101)
})

test('N4: a turn that is undone in the very step that puts its actor to sleep stays undone', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor, { child: true })
  a.moods.set('append', 'hold')
  const id = a.send('ask', actor, { type: 'ADD' })
  world.run()
  const { record } = a.expectEffect('append')
  a.paused = true
  world.pass(3_000)
  a.paused = false

  a.tell({ kind: 'appended', shard: 'main.0', token: record.token, result: { kind: 'full', reason: 'no room' } })

  t.is(a.said(id), 'STORAGE_FULL')
  a.moods.delete('append')
  a.resume()
  world.pass(5_000)
  t.is(a.count(actor), 0)
})

test('N4: messages wait to their own deadlines, then UNAVAILABLE', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.call('spawn', actor)
  silenced(a)
  a.world.pass(2_200)

  const id = a.send('ask', actor, { type: 'ADD' }, { leftMs: 1_000 })
  a.world.pass(900)
  t.is(a.said(id), undefined)
  a.world.pass(300)

  t.is(a.said(id), 'UNAVAILABLE')
})

test('N4: a commit that is acknowledged meanwhile is replied to, and its effects wait', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor)
  a.moods.set('append', 'hold')
  const id = a.send('ask', actor, { type: 'ADD', act: 'call' })
  world.run()
  silenced(a)
  world.pass(2_500)
  t.false(isUp(a.state))

  a.letGo('append')
  world.pass(500)

  t.like(a.said(id), { handled: true })
  t.deepEqual(a.host.performed, [])
  a.moods.delete('write row')
  settle(world)
  t.deepEqual(a.host.performed, ['call'])
})

test('N5: with the lease the children come back from what is committed, and nothing has moved', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor, { child: true })
  silenced(a)
  world.pass(20_000)
  t.deepEqual(a.host.running(), [])

  a.moods.delete('write row')
  world.pass(1_500)

  t.deepEqual(a.host.running(), [actor])
  t.is(a.state.self.inc, 1)
  a.rejectEvent('disowned')
  t.deepEqual(a.events.map(({ kind }) => kind).slice(-2), ['suspended', 'resumed'])
})

test('N5: whose tail is another record on coming back steps down', (t) => {
  const a = owned()
  const { world } = a
  world.sleep(3_000)
  world.broker.append(
    'shard.main.0',
    { token: 'x', prev: 1, epoch: 0, owner: 'z', inc: 9, kind: 'claim', over: 'dead owner' },
    1,
  )

  world.pass(1_000)

  t.is(a.expectEvent('disowned').shard, 'main.0')
})

test('C4: after a gap the lease is void at once, although children may run to its end', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor, { child: true })
  world.sleep(700)
  a.forgetEffects()
  a.moods.set('write row', 'hold')

  a.send('ask', actor, { type: 'ADD' })
  a.tick()

  a.rejectEffect('take turn')
  a.rejectEffect('release')
  a.expectEvent('suspended')
  a.letGo('write row')
  t.true(isUp(a.state))
  t.deepEqual(a.host.running(), [actor])
})

test("onLeaseLost 'hold' keeps its children, and gives up exclusivity for that time", (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0', 'keeper')
  a.call('spawn', actor, { child: true })
  silenced(a)

  a.world.pass(5_000)

  t.deepEqual(a.host.running(), [actor])
})

test('N4: children of a shard that is being handed over are stopped at the end of the lease too', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor, { child: true })
  a.moods.set('append', 'hold')
  a.send('ask', actor, { type: 'ADD' })
  a.tell({ kind: 'leave', timeoutMs: 0 })
  world.pass(200)
  t.is(a.phase(), 'draining')
  silenced(a)

  world.pass(2_500)

  t.deepEqual(a.host.running(), [])
})

test('N4: children that a turn has ended run until that is committed: they too are stopped', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor, { child: true })
  a.moods.set('append', 'hold')
  a.send('ask', actor, { type: 'ADD', child: false })
  world.run()
  t.deepEqual(a.host.running(), [actor])
  silenced(a)

  world.pass(2_500)

  t.deepEqual(a.host.running(), [])
})

test('N4: children of an actor whose stop is not committed are stopped too, and it is not there afterwards', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor, { child: true })
  a.moods.set('append', 'hold')
  const id = a.send('stop', actor)
  world.run()
  silenced(a)
  world.pass(2_500)
  t.deepEqual(a.host.running(), [])

  a.moods.delete('write row')
  a.letGo('append')
  settle(world)

  t.deepEqual(a.said(id), { stopped: true })
  t.is(a.count(actor), 'ACTOR_NOT_FOUND')
})

test('S3: what was not committed when the children stopped is not what they begin from again', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor, { child: true })
  a.moods.set('append', 'hold')
  a.send('tell', actor, { type: 'ADD' })
  world.run()
  a.send('tell', actor, { type: 'ADD' })
  world.run()
  silenced(a)
  world.pass(2_500)
  a.moods.delete('write row')
  world.pass(1_000)
  t.true(isUp(a.state))

  a.rejectEffect('wake')
  a.letGo('append')
  world.pass(200)

  a.expectEffect('wake')
  t.is(a.count(actor), 2)
})

test('S3: a commit that was in flight when the children stopped is what the log says, not what was taken later', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor, { child: true })
  a.moods.set('append', 'hold')
  a.send('tell', actor, { type: 'ADD' })
  world.run()
  a.send('tell', actor, { type: 'ADD' })
  world.run()
  silenced(a)
  world.pass(2_500)

  a.letGoOne('append')

  const entry = a.shard()!.actors.get(actor)!
  const last = world.log().findLast((record) => record.kind === 'commit')!
  t.deepEqual(entry.committed!.state, last.actors[0]![1]!.state)
})

test('S3: an actor that cannot be stored when its lease ends is taken back, and its sender is told', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor, { child: true })
  a.moods.set('append', 'hold')
  const first = a.send('ask', actor, { type: 'ADD' })
  world.run()
  const second = a.send('ask', actor, { type: 'ADD', unstorable: true })
  world.run()
  silenced(a)
  world.pass(2_500)
  t.is(a.said(second), 'ACTOR_FAILED')

  a.moods.delete('write row')
  a.letGo('append')
  settle(world)

  t.like(a.said(first), { handled: true })
  t.is(a.count(actor), 1)
})

test('a volatile actor whose start is not committed has no children yet and is left alone', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0', 'flash')
  a.moods.set('append', 'hold')
  a.call('spawn', world.actorIn('main.0'))
  const id = a.send('spawn', actor, { child: true })
  world.run()
  silenced(a)
  world.pass(2_500)
  t.deepEqual(a.host.running(), [])

  a.letGo('append')
  world.run()
  a.moods.delete('write row')
  settle(world)

  t.like(a.said(id), { created: true })
  t.deepEqual(a.host.running(), [actor])
})

test('children that ignore the end of the lease are reported', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.call('spawn', actor, { child: true })
  a.host.stubborn.add(actor)
  silenced(a)

  a.world.pass(2_500)

  t.deepEqual(a.expectEvent('stuck').actors, [actor])
})
