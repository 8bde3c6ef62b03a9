/** D1, D3, I4: the agreement on who is in, and the duty to declare the dead. */

import test from 'ava'
import type { Row, View } from '../../src/protocol/records.ts'
import { isGone, membersOf } from '../../src/core/view.ts'
import { type Driver, settle, World } from './support/driver.ts'

function couple(): { readonly world: World; readonly a: Driver; readonly b: Driver } {
  const world = new World(2)
  const a = world.add('a')
  settle(world)
  const b = world.add('b')
  settle(world)
  a.forgetEffects()
  b.forgetEffects()
  return { world, a, b }
}

const viewOf = (world: World): View => (world.broker.tail<View>('view') as { readonly record: View }).record
const rowOf = (world: World, id: string): Row =>
  (world.broker.tail<Row>(`row.${id}`) as { readonly record: Row }).record

test('the members are a function of the rows: whoever is up or leaving, by id', (t) => {
  const row = (id: string, state: Row['state']): Row => ({
    kind: 'row',
    inc: 1,
    boot: id,
    state,
    beat: 1,
    token: id,
    profile: { id, types: [] },
    steady: '',
    load: { shards: 0, actors: 0 },
  })
  const seen = (each: Row) => ({ row: each, seq: 1, arrivedMs: 0 })
  const rows = new Map(
    [row('d', 'left'), row('b', 'leaving'), row('c', 'dead'), row('a', 'up')].map((each) => [
      each.profile.id,
      seen(each),
    ]),
  )

  t.deepEqual(
    membersOf(rows).map(({ id, state }) => [id, state]),
    [
      ['a', 'up'],
      ['b', 'leaving'],
    ],
  )
})

test('I4: each change of the members is one view, with the next number', (t) => {
  const { world, a, b } = couple()
  t.is(viewOf(world).number, 2)

  b.tell({ kind: 'leave', timeoutMs: 1_000 })
  world.pass(5_000)

  const numbers = a.events.flatMap((event) => (event.kind === 'view' ? [event.view.number] : []))
  t.deepEqual(numbers, [1, 2, 3, 4])
  t.deepEqual(
    viewOf(world).members.map(({ id }) => id),
    ['a'],
  )
})

test('D1: a row that stands still for W is declared dead, and not before', (t) => {
  const { world, a, b } = couple()
  b.kill()
  const { arrivedMs } = a.state.cluster.rows.get('b')!

  world.pass(arrivedMs + world.timing.waitMs - world.nowMs - 1)
  t.is(rowOf(world, 'b').state, 'up')
  world.pass(500)

  t.like(rowOf(world, 'b'), { state: 'dead', inc: 1 })
  t.like(a.expectEvent('declared dead'), { nodeId: 'b', inc: 1 })
  t.deepEqual(
    viewOf(world).members.map(({ id }) => id),
    ['a'],
  )
})

test('D1: a beat that wins over the declaration keeps the node', (t) => {
  const { world, a, b } = couple()
  b.paused = true
  a.moods.set('write row', 'hold')
  world.pass(world.timing.waitMs - 500)
  a.letGo('write row')
  world.pass(400)
  const seen = a.state.cluster.rows.get('b')!

  b.resume()
  b.tick()
  world.run()
  world.pass(1_000)

  t.true(a.state.cluster.rows.get('b')!.seq > seen.seq)
  a.rejectEvent('declared dead')
  b.rejectEvent('fenced')
})

test('D1: a declaration that wins over the beat fences the node, which comes back', (t) => {
  const { world, a, b } = couple()
  b.paused = true
  world.pass(world.timing.waitMs + 500)
  t.is(rowOf(world, 'b').state, 'dead')

  b.resume()
  settle(world)

  b.expectEvent('fenced')
  t.like(rowOf(world, 'b'), { state: 'up', inc: 2 })
  t.true(isGone(a.state, 'b', 1))
  t.false(isGone(a.state, 'b', 2))
})

test('D1: an observer that was not UP the whole time begins its waits anew', (t) => {
  const { world, a, b } = couple()
  b.kill()
  world.pass(a.state.cluster.rows.get('b')!.arrivedMs + world.timing.waitMs - 300 - world.nowMs)

  a.disconnect()
  a.connect()
  world.pass(world.timing.waitMs - 1)

  t.is(rowOf(world, 'b').state, 'up')
  world.pass(1_000)
  t.is(rowOf(world, 'b').state, 'dead')
})

test('D1: a lapse of the lease of its own restarts the waits too', (t) => {
  const { world, b, a } = couple()
  b.kill()
  world.pass(world.timing.waitMs - 1_000)

  world.sleep(900)
  a.tick()
  world.run()
  world.pass(world.timing.waitMs - 500)

  t.is(rowOf(world, 'b').state, 'up')
})

test('a broker outage of any length kills no member and moves no shard', (t) => {
  const { world, a, b } = couple()
  const views = viewOf(world).number
  for (const node of [a, b]) node.disconnect()
  world.pass(30_000)
  for (const node of [a, b]) node.connect()

  world.pass(10_000)

  t.is(viewOf(world).number, views)
  for (const node of [a, b]) {
    node.rejectEvent('fenced')
    node.rejectEvent('declared dead')
    t.is(node.events.filter(({ kind }) => kind === 'disowned').length, node === a ? 1 : 0)
  }
})

test('D3: a node is gone when its row says so or names a later life, never because its row is missing', (t) => {
  const { a } = couple()

  t.false(isGone(a.state, 'b', 1))
  t.true(isGone(a.state, 'b', 0))
  t.false(isGone(a.state, 'nobody', 1))
})

test('D4: of several observers one acts', (t) => {
  const world = new World(2)
  const [a, b, c] = ['a', 'b', 'c'].map((id) => world.add(id)) as [Driver, Driver, Driver]
  world.run()
  world.pass(5_000)
  c.kill()

  world.pass(world.timing.waitMs + 1_000)

  t.is([a, b].flatMap((node) => node.events).filter(({ kind }) => kind === 'declared dead').length, 1)
  const proposals = [a, b].flatMap((node) => node.all('write view')).filter(({ view }) => view.members.length === 2)
  t.true(proposals.length >= 1)
})

test('D4: the next in rank acts when the first one does not', (t) => {
  const world = new World(2)
  const [a, b, c] = ['a', 'b', 'c'].map((id) => world.add(id)) as [Driver, Driver, Driver]
  world.run()
  world.pass(5_000)
  // Its declarations are lost, and nobody else knows.
  a.moods.set('write view', 'unknown')
  c.kill()

  world.pass(world.timing.waitMs + 1_000)

  t.deepEqual(
    viewOf(world).members.map(({ id }) => id),
    ['a', 'b'],
  )
  b.expectEffect('write view')
})

test('a proposal whose answer was lost is not made twice', (t) => {
  const { world, a, b } = couple()
  a.moods.set('write view', 'lost')
  b.tell({ kind: 'leave', timeoutMs: 1_000 })
  world.run()
  a.moods.delete('write view')
  b.moods.set('package', 'hold')

  world.pass(300)

  const said = a.events.flatMap((event) => (event.kind === 'view' ? [JSON.stringify(event.view.members)] : []))
  t.deepEqual(
    said.filter((members, n) => members === said[n - 1]),
    [],
  )
})

test('I4: a view that the broker has forgotten is made again under a higher number', (t) => {
  const { world, a, b } = couple()
  for (const node of [a, b]) node.disconnect()
  world.broker.lose('view', 1)
  for (const node of [a, b]) node.connect()
  world.run()
  world.pass(3_000)

  const c = world.add('c')
  settle(world)

  t.deepEqual(
    viewOf(world).members.map(({ id }) => id),
    ['a', 'b', 'c'],
  )
  t.is(viewOf(world).number, 3)
  c.expectEvent('ready')
})

test('rows that the broker has forgotten are followed again from where they begin anew', (t) => {
  const { world, a, b } = couple()
  for (const node of [a, b]) node.disconnect()
  world.broker.lose('row.a', 1)
  world.broker.lose('row.b', 1)
  for (const node of [a, b]) node.connect()

  world.pass(10_000)

  for (const [node, other] of [
    [a, 'b'],
    [b, 'a'],
  ] as const) {
    t.true(world.nowMs - node.state.cluster.rows.get(other)!.arrivedMs < 1_000)
    node.rejectEvent('declared dead')
  }
  t.deepEqual(
    viewOf(world).members.map(({ id, inc }) => [id, inc]),
    [
      ['a', 2],
      ['b', 2],
    ],
  )
})

test('D3: that a node is dead proves nothing once the broker may have forgotten it, until its row was read again', (t) => {
  const { world, a, b } = couple()
  world.pass(3_000)
  a.disconnect()
  const living = world.broker.tail<Row>('row.b') as { readonly seq: number; readonly record: Row }
  const dead: Row = { ...living.record, state: 'dead', token: 'forgotten' }
  a.tell({ kind: 'row seen', nodeId: 'b', seq: living.seq + 100, row: dead })
  // It says that this broker has been up for W, so that nobody waits.
  t.not(living.record.steady, '')
  a.forgetEffects()

  // The watch tells of the row before it is known that anything is forgotten.
  a.moods.set('read identity', 'hold')
  a.connect()
  world.run()
  t.true(isGone(a.state, 'b', 1))
  a.moods.set('read row', 'hold')
  a.letGo('read identity')
  t.false(isGone(a.state, 'b', 1))
  a.letGo('read row')
  world.pass(3_000)

  a.expectEvent('history broken')
  a.rejectEffect('write view')
  a.rejectEffect('append', ({ record }) => record.kind === 'claim')
  b.rejectEvent('fenced')
  t.is(a.state.cluster.rows.get('b')!.row.state, 'up')
})

test('a member without a row does not hold up the view', (t) => {
  const { world, a, b } = couple()
  b.kill()
  a.disconnect()
  world.broker.lose('row.b', 1)
  a.connect()
  a.state.cluster.rows.delete('b')
  world.pass(3_000)

  t.deepEqual(
    viewOf(world).members.map(({ id }) => id),
    ['a'],
  )
  t.false(isGone(a.state, 'b', 1), 'its shards are not for the taking')
})
