/** S1, S6: how a shard becomes a node's own. Handing over is in handoff.test.ts. */

import test from 'ava'
import type { ClaimRecord, LogRecord, ReleaseRecord, Row } from '../../src/protocol/records.ts'
import { type Driver, owned, settle, World } from './support/driver.ts'

/** A log that others have written, and a node that the ring gives the shard to. */
function joining(...records: readonly LogRecord[]): { readonly world: World; readonly a: Driver } {
  const world = new World()
  for (const record of records) write(world, record)
  return { world, a: world.add('a') }
}

function write(world: World, record: LogRecord): void {
  const tail = world.broker.tail('shard.main.0')
  const prev = tail === 'empty' ? 0 : tail.seq
  world.broker.append('shard.main.0', { ...record, prev }, prev)
}

const claimOf = (owner: string, inc: number): ClaimRecord => ({
  token: `${owner}${inc}`,
  prev: 0,
  epoch: 0,
  owner,
  inc,
  kind: 'claim',
  over: 'empty',
})
const releaseOf = (owner: string, inc: number, more: Partial<ReleaseRecord> = {}): ReleaseRecord => ({
  token: `r${owner}`,
  prev: 0,
  epoch: 1,
  owner,
  inc,
  kind: 'release',
  to: null,
  handoff: null,
  weight: { logBytes: 0, stateBytes: 0, parts: [] },
  ...more,
})

function writeRow(world: World, id: string, inc: number, state: Row['state']): void {
  const tail = world.broker.tail<Row>(`row.${id}`)
  const row: Row = {
    kind: 'row',
    inc,
    boot: `${id}x`,
    state,
    beat: 1,
    token: `${id}${inc}${state}`,
    profile: { id, types: [] },
    steady: world.broker.server,
    load: { shards: 0, actors: 0 },
  }
  world.broker.append(`row.${id}`, row, tail === 'empty' ? 0 : tail.seq, true)
  world.run()
}

const claims = (world: World): readonly (readonly [string, number, string])[] =>
  world.log().flatMap((record) => (record.kind === 'claim' ? [[record.owner, record.inc, record.over] as const] : []))

test('S1: an empty log, a release and a dead owner may be claimed over', (t) => {
  const empty = joining()
  const released = joining(claimOf('z', 1), releaseOf('z', 1))
  const dead = joining(claimOf('z', 1))
  writeRow(dead.world, 'z', 1, 'dead')
  const replaced = joining(claimOf('z', 1))
  writeRow(replaced.world, 'z', 2, 'left')

  for (const [{ world, a }, over] of [
    [empty, 'empty'],
    [released, 'release'],
    [dead, 'dead owner'],
    [replaced, 'dead owner'],
  ] as const) {
    world.pass(world.timing.waitMs + 2_000)
    t.is(a.phase(), 'owned')
    t.deepEqual(claims(world).at(-1), ['a', 1, over])
  }
})

test('S1: a shard whose owner may live is not claimed, whatever the view says', (t) => {
  const { world, a } = joining(claimOf('z', 1))

  world.pass(20_000)

  t.deepEqual(claims(world), [['z', 1, 'empty']])
  t.is(a.phase(), 'asking')
  a.expectEffect('tell')
})

test('D3: an owner without a row is not gone', (t) => {
  const { world } = joining(claimOf('z', 1))
  world.pass(5_000)
  t.is(claims(world).length, 1)

  writeRow(world, 'z', 1, 'dead')
  world.pass(1_000)

  t.is(claims(world).length, 2)
})

test('S1: the claim of an earlier life of its own is claimed over', (t) => {
  const { world, a } = joining(claimOf('a', 1))
  writeRow(world, 'a', 1, 'dead')

  settle(world)

  t.deepEqual(claims(world).at(-1), ['a', 2, 'dead owner'])
  t.is(a.phase(), 'owned')
})

test('S1: its own claim that it does not hold is claimed over: it was in doubt, and was given up', (t) => {
  const world = new World()
  const a = world.add('a')
  a.moods.set('read tail', 'hold')
  settle(world)
  write(world, claimOf('a', 1))

  a.letGo('read tail')
  world.pass(500)

  t.deepEqual(claims(world).at(-1), ['a', 1, 'own stale claim'])
  t.is(a.phase(), 'owned')
})

test('S1: the view is read again before a claim', (t) => {
  const world = new World()
  const a = world.add('a')
  a.moods.set('read view', 'hold')
  settle(world)
  a.rejectEffect('read tail')

  a.letGo('read view')
  settle(world)

  t.is(a.phase(), 'owned')
})

test('S1: a claim over a tail that has moved meanwhile is refused, and the new tail is judged', (t) => {
  const world = new World()
  const a = world.add('a')
  a.moods.set('append', 'hold')
  settle(world)
  t.is(a.phase(), 'claiming')
  write(world, claimOf('z', 1))

  a.letGo('append')
  settle(world)

  t.is(a.phase(), 'asking')
  t.deepEqual(claims(world), [['z', 1, 'empty']])
})

test('S1: nothing runs before the claim is acknowledged and the log is folded', (t) => {
  const world = new World()
  const a = world.add('a')
  a.moods.set('append', 'hold')
  settle(world)
  const id = a.send('spawn', world.actorIn('main.0'))
  world.run()
  a.rejectEffect('take turn')
  a.moods.set('read log', 'hold')
  a.letGo('append')
  t.is(a.phase(), 'folding')
  a.rejectEffect('take turn')

  a.letGo('read log')

  t.like(a.said(id), { created: true })
})

test('S2: a claim in doubt is sent again until the tail tells', (t) => {
  for (const mood of ['unknown', 'lost'] as const) {
    const world = new World()
    const a = world.add('a')
    a.moods.set('append', mood)
    settle(world)
    t.is(a.phase(), 'claiming')

    a.moods.delete('append')
    world.pass(500)

    t.is(a.phase(), 'owned')
    t.is(claims(world).length, 1)
  }
})

test('S1: a log that is read is the one that ends with this claim, not one that was read for an earlier life', (t) => {
  const world = new World()
  const a = world.add('a')
  a.moods.set('read log', 'hold')
  settle(world)
  t.is(a.phase(), 'folding')
  const actor = world.actorIn('main.0')
  const row = world.broker.tail<Row>('row.a') as { readonly seq: number; readonly record: Row }
  world.broker.append('row.a', { ...row.record, state: 'dead', token: 'x' }, row.seq, true)
  write(world, claimOf('z', 1))
  const stored = {
    status: 'active',
    durability: 'durable',
    state: new Uint8Array([0x81, 0xa5, 0x63, 0x6f, 0x75, 0x6e, 0x74, 5]),
    live: false,
  } as const
  write(world, {
    token: 'zc',
    prev: 0,
    epoch: 2,
    owner: 'z',
    inc: 1,
    kind: 'commit',
    actors: [[actor, stored]],
    requests: [],
  })
  write(world, releaseOf('z', 1))
  const first = world.broker.read('shard.main.0').slice(0, 1)
  settle(world)
  t.is(a.phase(), 'folding')

  a.tell({ kind: 'log read', shard: 'main.0', entries: first })
  t.is(a.phase(), 'folding')
  a.letGo('read log')
  world.pass(500)

  t.is(a.phase(), 'owned')
  t.is(a.count(actor), 5)
})

test("S1: another's claim under the sequence of this one, which the broker has forgotten, is not taken for it", (t) => {
  const world = new World()
  const a = world.add('a')
  a.moods.set('read log', 'hold')
  settle(world)
  const own = world.broker.read('shard.main.0')[0]!
  const entries = [{ ...own, record: { ...own.record, token: 'z', owner: 'z' } }]

  a.tell({ kind: 'log read', shard: 'main.0', entries })

  t.is(a.phase(), 'folding')
})

test('S1: a log that cannot be read is read again', (t) => {
  const world = new World()
  const a = world.add('a')
  a.moods.set('read log', 'unknown')
  settle(world)
  t.is(a.phase(), 'folding')

  a.moods.delete('read log')
  world.pass(500)

  t.is(a.phase(), 'owned')
})

test('a claim that the store has no room for is tried again', (t) => {
  const world = new World()
  const a = world.add('a')
  a.moods.set('append', 'full')
  world.run()
  world.pass(3_000)
  t.true(a.all('append').length < 10)

  a.moods.delete('append')
  world.pass(3_000)

  t.is(a.phase(), 'owned')
})

test('D4: a node has few claims under way at a time', (t) => {
  const world = new World(64)
  const a = world.add('a')
  a.moods.set('append', 'hold')
  settle(world)
  t.is([...a.state.shards.values()].filter(({ phase }) => phase.kind === 'claiming').length, 8)

  a.letGo('append')
  world.pass(1_000)

  t.is([...a.state.shards.values()].filter(({ phase }) => phase.kind === 'owned').length, 64)
})

test('a shard that the ring takes away before it is claimed is let go', (t) => {
  const world = new World(2)
  const a = world.add('a')
  a.moods.set('read tail', 'hold')
  settle(world)
  t.is(a.state.shards.size, 2)

  const b = world.add('b')
  settle(world)
  a.letGo('read tail')
  world.pass(1_000)

  t.deepEqual(
    [a, b].map(({ state }) => state.shards.size),
    [1, 1],
  )
  t.is(claims(world).length + world.log('main.1').length, 2)
})

test('S6: a shard whose log somebody else has appended to is found out by a look now and then', (t) => {
  const a = owned()
  write(a.world, claimOf('z', 7))

  a.world.pass(6_000)

  t.regex(a.expectEvent('disowned').reason, /somebody else/)
})

test('S6: a look that was overtaken by an append of its own says nothing', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.call('spawn', actor)
  const before = a.world.broker.tail('shard.main.0')
  const known = a.shard()!.tailSeq
  a.ask(actor)

  a.tell({ kind: 'tail read', shard: 'main.0', known, result: before })

  t.is(a.phase(), 'owned')
})

test('S6: an acknowledgement that is late is made up for by a look at the tail', (t) => {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.moods.set('append', 'lost')
  const id = a.send('spawn', actor)
  a.world.run()

  a.tell({ kind: 'tail read', shard: 'main.0', known: 1, result: a.world.broker.tail('shard.main.0') })
  a.world.run()

  t.like(a.said(id), { created: true })
})

test('T1: a take-over counts the time by the clock of the broker', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor, { afterMs: 10_000 })
  world.pass(3_000)
  a.kill()
  const b = world.add('b')
  world.pass(6_900)
  t.is(b.count(actor), 0)

  world.pass(300)

  t.is(b.count(actor), 100)
})

test('T1: the time that the reading of the log takes counts too', (t) => {
  const a = owned()
  const { world } = a
  const actor = world.actorIn('main.0')
  a.call('spawn', actor, { afterMs: 10_000 })
  a.kill()
  const b = world.add('b')
  b.moods.set('read log', 'hold')
  world.pass(9_900)
  t.is(b.phase(), 'folding')

  b.letGo('read log')
  t.is(b.count(actor), 0)
  world.pass(300)

  t.is(b.count(actor), 100)
})
