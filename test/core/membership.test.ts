/** The node's own row: beats, doubt, joining and leaving. */

import test from 'ava'
import type { Row } from '../../src/protocol/records.ts'
import { isUp } from '../../src/core/membership.ts'
import { type Driver, owned, settle, World } from './support/driver.ts'

const rowOf = (node: Driver, id = node.id): Row => {
  const tail = node.world.broker.tail<Row>(`row.${id}`)
  if (tail === 'empty') throw new Error(`${id} has no row`)
  return tail.record
}

/** Somebody else writes the node's row. */
function overwrite(node: Driver, change: Partial<Row>): void {
  const tail = node.world.broker.tail<Row>(`row.${node.id}`)
  if (tail === 'empty') throw new Error('no row')
  node.world.broker.append(`row.${node.id}`, { ...tail.record, token: 'other', ...change }, tail.seq, true)
  node.world.run()
}

// ---- beats

test('N1: one beat at a time, and each counts from its sending', (t) => {
  const a = owned()
  const { world } = a
  a.moods.set('write row', 'hold')

  world.pass(1_000)

  t.is(a.all('write row').length, 1)
  const sentMs = a.state.self.beat!.sentLeaseMs
  a.letGo('write row')
  t.is(a.state.lease.endMs, sentMs + world.timing.leaseMs)
})

test('N2: a refused beat alone never means dead', (t) => {
  const a = owned()
  a.moods.set('write row', 'refused')

  a.world.pass(1_000)

  a.rejectEvent('fenced')
  a.expectEffect('read row')
  t.is(a.phase(), 'owned')
})

test('N2: a beat whose acknowledgement was lost is credited with its own sending when the row shows it', (t) => {
  const a = owned()
  const { world } = a
  a.moods.set('read row', 'hold')
  a.moods.set('write row', 'lost')
  world.pass(600)
  const sentMs = a.state.self.beat!.sentLeaseMs
  a.moods.delete('write row')

  world.pass(400)
  a.letGo('read row')

  t.is(a.state.lease.endMs, sentMs + world.timing.leaseMs)
  t.true(isUp(a.state))
})

test('N2: a beat that did not land is given up without credit, and the next one follows at once', (t) => {
  const a = owned()
  const { world } = a
  a.moods.set('write row', 'unknown')
  a.moods.set('read row', 'hold')
  world.pass(800)
  const { endMs } = a.state.lease
  a.moods.delete('write row')
  a.forgetEffects()

  a.letGo('read row')
  t.is(a.state.lease.endMs, endMs)
  world.pass(world.timing.tickMs)

  a.expectEffect('write row')
  t.true(a.state.lease.endMs > endMs)
})

test('N2: a beat that lands late, after it was given up, costs a reading of the row and no more', (t) => {
  const a = owned()
  const { world } = a
  a.moods.set('write row', 'unknown')
  world.pass(600)
  const late = a.expectEffect('write row')
  a.moods.delete('write row')
  a.moods.set('write row', 'hold')
  world.pass(2 * world.timing.tickMs)

  world.broker.append('row.a', late.row, late.expected, true)
  a.letGo('write row')
  world.pass(500)

  a.rejectEvent('fenced')
  t.true(isUp(a.state))
})

test('N2: a row that says dead means fenced, and the node comes back with the next incarnation', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.call('spawn', actor, { count: 3 })

  overwrite(a, { state: 'dead' })
  a.world.pass(600)
  t.like(a.expectEvent('fenced'), { reason: 'the row shows incarnation 1 as dead' })
  settle(a.world)

  t.is(rowOf(a).inc, 2)
  t.is(a.phase(), 'owned')
  t.is(a.count(actor), 3)
})

test('N2: a row of a higher incarnation, or of another process, means fenced', (t) => {
  for (const change of [{ inc: 2 }, { boot: 'another' }]) {
    const a = owned()

    overwrite(a, change)
    a.world.pass(600)

    a.expectEvent('fenced')
    t.is(a.expectEvent('disowned').reason, 'fenced')
  }
})

test('I4: a node whose row is gone does not begin again with an incarnation that the logs know', (t) => {
  const a = owned()
  a.world.broker.lose('row.a', 1)

  a.world.pass(3_000)

  a.expectEvent('fenced')
  t.is(rowOf(a).inc, 2)
  t.is(a.phase(), 'owned')
})

test('N6: a fenced node holds no beat of its old life against the new one', (t) => {
  const a = owned()
  a.moods.set('write row', 'hold')
  a.world.pass(600)
  overwrite(a, { state: 'dead' })

  a.letGo('write row')
  settle(a.world)

  t.is(rowOf(a).inc, 2)
  t.true(isUp(a.state))
})

// ---- joining

test('N7: the first life of an id is incarnation 1, the next after a farewell begins at once', (t) => {
  const world = new World()
  const first = world.add('a')
  settle(world)
  t.is(rowOf(first).inc, 1)
  first.tell({ kind: 'leave', timeoutMs: 1_000 })
  world.pass(4_000)
  t.is(rowOf(first).state, 'left')
  first.kill()

  const second = world.add('a')
  world.run()
  world.pass(world.timing.tickMs)

  t.is(rowOf(second).inc, 2)
})

test('N7: a joiner waits W while its row shows another life, and takes over when it stands still', (t) => {
  const world = new World()
  const first = world.add('a')
  settle(world)
  first.kill()

  const second = world.add('a')
  world.run()
  world.pass(world.timing.waitMs - world.timing.tickMs)
  t.is(rowOf(second).inc, 1, 'the other life may still act')
  world.pass(1_000)

  t.like(rowOf(second), { inc: 2, boot: 'a2' })
  settle(world)
  t.is(second.phase(), 'owned')
})

test('N7: a joiner refuses to start when the row moves: the id is in use', (t) => {
  const world = new World()
  const first = world.add('a')
  settle(world)

  const second = world.add('a')
  world.run()
  world.pass(1_000)

  t.like(second.expectEvent('refused').why, { code: 'FORBIDDEN' })
  t.true(isUp(first.state))
  world.pass(5_000)
  t.is(rowOf(first).inc, 1)
})

test('N7: a joiner that is cut off begins its wait anew: the other life could not beat either', (t) => {
  const world = new World()
  const first = world.add('a')
  settle(world)
  first.kill()
  const second = world.add('a')
  world.run()
  world.pass(world.timing.waitMs - 500)

  second.disconnect()
  second.connect()
  world.pass(1_000)
  t.is(rowOf(second).inc, 1)

  world.pass(world.timing.waitMs)
  t.is(rowOf(second).inc, 2)
})

test('N7: a joiner need not wait out W when the row says dead meanwhile', (t) => {
  const world = new World()
  const first = world.add('a')
  settle(world)
  first.kill()
  const second = world.add('a')
  world.run()
  world.pass(500)

  overwrite(second, { state: 'dead' })
  world.pass(2 * world.timing.tickMs)

  t.is(rowOf(second).inc, 2)
})

test('N7: a first beat in doubt is not taken for another life', (t) => {
  const world = new World()
  const a = world.add('a')
  a.moods.set('write row', 'lost')
  world.run()
  world.pass(2 * world.timing.tickMs)
  a.moods.delete('write row')

  settle(world)

  a.rejectEvent('fenced')
  t.is(rowOf(a).inc, 1)
  t.is(a.phase(), 'owned')
})

// ---- leaving

test('a node that leaves says so in its row, and says farewell when it owns nothing', (t) => {
  const a = owned()

  a.tell({ kind: 'leave', timeoutMs: 500 })
  a.world.run()
  t.is(rowOf(a).state, 'leaving')
  a.world.pass(4_000)

  t.is(rowOf(a).state, 'left')
  t.is(a.events.filter(({ kind }) => kind === 'left').length, 1)
  a.forgetEffects()
  a.world.pass(2_000)
  a.rejectEffect('write row')
})

test('a farewell whose acknowledgement was lost is no fence: the node has left', (t) => {
  const a = owned()
  a.tell({ kind: 'leave', timeoutMs: 0 })
  a.world.run()
  while (!a.effects.some((effect) => effect.kind === 'write row' && effect.row.state === 'left')) {
    if (a.state.shards.size === 0) a.moods.set('write row', 'lost')
    a.world.pass(a.world.timing.tickMs)
  }
  a.moods.delete('write row')

  a.world.pass(3_000)

  a.rejectEvent('fenced')
  a.expectEvent('left')
  t.like(rowOf(a), { inc: 1, state: 'left' })
})

test('N6: a node that is fenced while it leaves does not come back', (t) => {
  const a = owned()
  a.moods.set('append', 'unknown')
  a.tell({ kind: 'leave', timeoutMs: 0 })
  a.world.pass(300)

  overwrite(a, { state: 'dead' })
  a.world.pass(3_000)

  a.expectEvent('fenced')
  a.expectEvent('left')
  t.is(rowOf(a).inc, 1)
  t.is(a.phase(), 'none')
})

test('every wait ends: a node that leaves without a broker goes W after its deadline, and names what it abandons', (t) => {
  const a = owned()
  a.disconnect()
  a.tell({ kind: 'leave', timeoutMs: 1_000 })

  a.world.pass(1_000 + a.world.timing.waitMs)
  a.rejectEvent('left')
  a.world.pass(2 * a.world.timing.tickMs)

  t.deepEqual(a.expectEvent('left').abandoned, ['main.0'])
})
