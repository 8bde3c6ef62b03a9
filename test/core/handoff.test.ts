/** Handoff, step by step, between two cores. `shard` is the one that moves from a to b when b joins. */

import test from 'ava'
import { limits } from '../../src/base/limits.ts'
import { encodeShardState, type LogRecord } from '../../src/protocol/records.ts'
import { beforeJoin, type Driver, settle } from './support/driver.ts'

const kindsOf = (log: readonly LogRecord[]): string => log.map(({ kind }) => kind).join(' ')

/** One node that owns both shards, an actor in the one that moves, and the other node under way. */
function moving(input: unknown = { count: 3 }, type = 'counter', options = {}) {
  const { world, a, shard } = beforeJoin(options)
  const actor = world.actorIn(shard, type)
  a.call('spawn', actor, input)
  a.forgetEffects()
  const join = (): Driver => {
    const b = world.add('b', options)
    settle(world)
    return b
  }
  return { world, a, shard, actor, join }
}

/** Adds b and lets time pass until a has come to this point of the move. */
function joinUntil({ world }: ReturnType<typeof moving>, reached: () => boolean): Driver {
  const b = world.add('b')
  for (let n = 0; n < 100 && !reached(); n++) world.pass(world.timing.tickMs)
  return b
}

test('the happy path: commit, release, claim; the package is used and the log is not read', (t) => {
  const { world, shard, actor, join } = moving()

  const b = join()

  t.is(kindsOf(world.log(shard)), 'claim commit release claim')
  t.is(b.count(actor), 3)
  b.rejectEffect('read log')
  const release = world.log(shard).find((record) => record.kind === 'release')!
  t.like(release, { to: 'b', owner: 'a' })
  t.true(release.kind === 'release' && release.handoff !== null)
})

test('1: A that knows an older view reads it before it answers', (t) => {
  const story = moving()
  const { world, a, shard } = story
  a.tell({ kind: 'asked', ticket: 1, request: { kind: 'handoff', shard, to: 'b', view: 9 } })

  a.expectEffect('read view')
  t.deepEqual(a.expectEffect('reply').reply, { kind: 'later' })
  world.run()
})

test('1: A gives its shards to nobody but the choice of the ring', (t) => {
  const { a, shard } = moving()

  a.tell({ kind: 'asked', ticket: 1, request: { kind: 'handoff', shard, to: 'z', view: 1 } })

  t.deepEqual(a.expectEffect('reply').reply, { kind: 'later' })
  t.is(a.phase(shard), 'owned')
})

test('1: A that does not hold what the log says is its own claims it and then hands it over', (t) => {
  const { world, a, shard, actor, join } = moving()
  // It steps down and b joins before it has looked again: the log still names it.
  a.state.shards.delete(shard)
  a.host.forget(actor)

  const b = join()

  t.is(b.phase(shard), 'owned')
  t.is(b.count(actor), 3)
  t.true(kindsOf(world.log(shard)).endsWith('release claim'))
})

test('2: what arrives while the shard moves is parked, and answered moved, in order', (t) => {
  const story = moving()
  const { world, a, shard, actor } = story
  a.moods.set('package', 'hold')
  const b = joinUntil(story, () => a.phase(shard) === 'draining')
  a.answers.length = 0

  const ids = [1, 2, 3].map(() => a.send('ask', actor, { type: 'ADD' }))
  t.deepEqual(a.answers, [])
  a.letGo('package')
  world.pass(500)

  t.deepEqual(
    a.answers.map(({ id, kind }) => [id, kind]),
    ids.map((id) => [id, 'moved']),
  )
  t.is(b.count(actor), 3)
})

test('2: the append in flight is resolved and its effects are performed before anything is sent', (t) => {
  const story = moving()
  const { world, a, shard, actor } = story
  a.moods.set('append', 'hold')
  const id = a.send('ask', actor, { type: 'ADD', act: 'call' })
  const b = joinUntil(story, () => a.phase(shard) === 'draining')
  world.pass(1_000)
  a.rejectEffect('release')
  a.rejectEffect('send package')

  a.letGo('append')
  world.pass(3_000)

  t.like(a.said(id), { handled: true })
  t.deepEqual(a.host.performed, ['call'])
  t.is(b.count(actor), 4)
})

test('2: A waits until its children have let go before it sends anything', (t) => {
  const story = moving({ child: true })
  const { world, a, shard, actor } = story
  a.moods.set('release', 'hold')
  const b = joinUntil(story, () => a.phase(shard) === 'draining')
  world.pass(300)
  t.is(a.expectEffect('release').graceMs, 5_000)
  a.rejectEffect('send package')

  a.letGo('release')
  world.pass(1_000)

  t.deepEqual(a.host.running(), [])
  t.deepEqual(b.host.running(), [actor])
})

test('2: children that were stopped by the end of the lease are not the ones that the move waits for', (t) => {
  const story = moving({ child: true })
  const { world, a, shard } = story
  a.moods.set('release', 'hold')
  joinUntil(story, () => a.phase(shard) === 'draining')
  a.forgetEffects()

  a.tell({ kind: 'released', shard, token: 'another', stuck: [] })
  world.run()

  a.rejectEffect('send package')
  t.is(a.phase(shard), 'draining')
})

test('2: a child that ignores its abort keeps the shard where it is, and is reported', (t) => {
  const story = moving({ child: true })
  const { world, a, shard, actor } = story
  a.host.stubborn.add(actor)
  const b = joinUntil(story, () => a.events.some(({ kind }) => kind === 'stuck'))
  world.pass(200)

  t.is(a.phase(shard), 'owned')
  t.deepEqual(a.host.running(), [actor])
  t.is(b.phase(shard), 'asking')
})

test('2: after a child that ignored its abort the move is tried again, after twice as long each time', (t) => {
  const story = moving({ child: true })
  const { world, a, shard, actor } = story
  a.host.stubborn.add(actor)
  joinUntil(story, () => a.events.some(({ kind }) => kind === 'stuck'))
  const stuckMs: number[] = []
  for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 100) {
    const before = a.events.filter(({ kind }) => kind === 'stuck').length
    world.pass(100)
    if (a.events.filter(({ kind }) => kind === 'stuck').length > before) stuckMs.push(waitedMs)
  }

  const rests = stuckMs.slice(1).map((atMs, i) => atMs - stuckMs[i]!)
  t.true(rests.length > 3)
  t.true(rests[1]! > 1.5 * rests[0]!)
  t.true(rests.at(-1)! >= limits.stuckRestMsMax && rests.at(-1)! < limits.stuckRestMsMax + 1_000)
  t.is(a.phase(shard), 'owned')
})

test('2: a resource that takes long to let go is given its own time, and is handed over all the same', (t) => {
  const story = moving({ child: true }, 'counter', { releaseTimeoutMs: 20_000 })
  const { world, a, shard, actor } = story
  a.moods.set('release', 'hold')
  const b = joinUntil(story, () => a.phase(shard) === 'draining')
  world.pass(9_000)
  t.is(a.phase(shard), 'draining')
  // The package takes a moment, too.
  a.moods.set('package', 'hold')
  a.letGo('release')
  world.pass(1_000)
  a.letGo('package')
  world.pass(1_000)

  t.is(b.phase(shard), 'owned')
  t.is(b.count(actor), 0)
  t.is(a.all('release').length, 1, 'it is asked to let go once')
})

test('3: a package that does not arrive ends the move, and A goes on', (t) => {
  const story = moving({ child: true })
  const { world, a, shard, actor } = story
  a.moods.set('package', 'unknown')
  const b = joinUntil(story, () => a.effects.some(({ kind }) => kind === 'send package'))
  world.pass(200)
  t.is(a.phase(shard), 'owned')
  t.like(a.ask(actor), { handled: true })
  t.deepEqual(a.host.running(), [actor])

  a.moods.delete('package')
  world.pass(4_000)

  t.is(b.phase(shard), 'owned', 'b asks again')
  t.is(b.count(actor), 1)
})

test('3: a package of nonsense is refused and harms nobody', (t) => {
  const { world, shard } = moving()
  const b = world.add('b')
  b.moods.set('handoff', 'hold')
  settle(world)
  t.is(b.phase(shard), 'asking')

  b.tell({
    kind: 'asked',
    ticket: 7,
    request: { kind: 'package', shard, token: 'x', index: 0, pieces: 1, bytes: new Uint8Array([0xc1]) },
  })

  t.deepEqual(b.expectEffect('reply').reply, { kind: 'not mine' })
  b.letGo('handoff')
  world.pass(1_000)
  t.is(b.phase(shard), 'owned')
})

test('3: a late piece of a package that was given up does not take the place of the one that is here', (t) => {
  const { world, shard } = moving()
  const b = world.add('b')
  b.moods.set('handoff', 'hold')
  settle(world)
  const send = (token: string): unknown => {
    const bytes = encodeShardState({ actors: [], requests: [] })
    b.tell({ kind: 'asked', ticket: 7, request: { kind: 'package', shard, token, index: 0, pieces: 1, bytes } })
    return b.all('reply').at(-1)?.reply
  }

  t.deepEqual(send('a-1z'), { kind: 'ok' })
  t.deepEqual(send('a-2'), { kind: 'not mine' })
  t.is(b.state.packages.get(shard)?.token, 'a-1z')
  t.deepEqual(send('a-20'), { kind: 'ok' })

  t.is(b.state.packages.get(shard)?.token, 'a-20')
})

test('R1: a release that becomes due while the history is looked at waits for that', (t) => {
  const story = moving({ child: true })
  const { world, a, shard } = story
  a.moods.set('package', 'hold')
  const b = joinUntil(story, () => a.effects.some(({ kind }) => kind === 'send package'))
  a.moods.set('read identity', 'hold')
  a.disconnect()
  a.connect()
  world.run()
  a.forgetEffects()

  a.letGo('package')
  world.pass(300)
  t.is(a.phase(shard), 'releasing')
  a.rejectEffect('append')

  a.letGo('read identity')
  world.pass(3_000)
  t.is(b.phase(shard), 'owned')
})

test('4: from the first sending of release A does not run the shard again, however long it is in doubt', (t) => {
  const story = moving({ child: true })
  const { world, a, shard, actor } = story
  a.moods.set('append', 'unknown')
  const b = joinUntil(story, () => a.phase(shard) === 'releasing')
  a.forgetEffects()

  const id = a.send('ask', actor, { type: 'ADD' })
  world.pass(10_000)

  t.is(a.said(id), 'moved')
  a.rejectEffect('take turn', ({ turn }) => turn.actor === actor)
  a.rejectEffect('wake')
  a.moods.delete('append')
  world.pass(3_000)
  t.is(b.phase(shard), 'owned')
})

test('4: a release that the store has no room for is tried again', (t) => {
  const story = moving()
  const { world, a, shard } = story
  a.moods.set('append', 'full')
  const b = joinUntil(story, () => a.phase(shard) === 'releasing')
  world.pass(1_000)
  t.is(a.phase(shard), 'releasing')

  a.moods.delete('append')
  world.pass(4_000)

  t.is(b.phase(shard), 'owned')
})

test('5: a package that the release does not name is not used: the log is', (t) => {
  const story = moving()
  const { world, a, shard, actor } = story
  a.moods.set('package', 'hold')
  const b = joinUntil(story, () => a.phase(shard) === 'draining')
  a.letGo('package')
  for (const known of b.state.packages.values()) Object.assign(known, { token: 'another' })
  b.effects = []
  world.pass(3_000)

  t.is(b.count(actor), 3)
})

test('5: to is a hint: whoever the ring chooses claims', (t) => {
  const { world, a, shard, actor, join } = moving()
  const b = join()
  t.is(b.phase(shard), 'owned')
  b.kill()

  world.pass(5_000)

  t.is(a.phase(shard), 'owned')
  t.is(a.count(actor), 3)
})

test('6: the word that the shard was released may be lost: B asks again, and looks', (t) => {
  const story = moving()
  const { world, a, shard, actor } = story
  a.moods.set('released', 'unknown')

  const b = joinUntil(story, () => a.phase(shard) === 'none')
  world.pass(3_000)

  t.is(b.phase(shard), 'owned')
  t.is(kindsOf(world.log(shard)), 'claim commit release claim', 'a does not claim what it has just released')
  t.is(b.count(actor), 3)
})

test('7: questions and answers may be lost: B asks again', (t) => {
  const story = moving()
  const { world, shard } = story
  const b = world.add('b')
  b.moods.set('handoff', 'unknown')
  world.run()
  world.pass(3_000)
  t.is(b.phase(shard), 'asking')

  b.moods.delete('handoff')
  world.pass(3_000)

  t.is(b.phase(shard), 'owned')
})

test('7: a move that does not get on is given up before the release, and begins anew', (t) => {
  const story = moving()
  const { world, a, shard, actor } = story
  a.moods.set('package', 'hold')
  const b = joinUntil(story, () => a.phase(shard) === 'draining')
  b.moods.set('handoff', 'unknown')
  // Two steps, and one for each piece of the package.
  world.pass(3 * limits.handoffStepMs - 100)
  t.is(a.phase(shard), 'draining')

  world.pass(600)

  t.is(a.phase(shard), 'owned')
  t.like(a.ask(actor), { handled: true })
  a.moods.delete('package')
  b.moods.delete('handoff')
  world.pass(4_000)
  t.is(b.phase(shard), 'owned')
  t.is(b.count(actor), 4)
})

test('a target that the ring does not choose any more ends the move', (t) => {
  const story = moving()
  const { world, a, shard, actor } = story
  a.moods.set('package', 'hold')
  const b = joinUntil(story, () => a.phase(shard) === 'draining')

  b.tell({ kind: 'leave', timeoutMs: 1_000 })
  world.pass(1_000)

  t.is(a.phase(shard), 'owned')
  t.like(a.ask(actor), { handled: true })
})

test('few shards move at a time', (t) => {
  const { world, a } = beforeJoin()
  t.true(a.state.shards.size === 2)
  a.moods.set('package', 'hold')
  world.add('b')
  world.pass(1_000)

  t.true([...a.state.shards.values()].filter(({ phase }) => phase.kind === 'draining').length <= 4)
})

test('volatile state goes along; the log keeps what the life began with', (t) => {
  const { world, a, shard, actor, join } = moving({ count: 3 }, 'flash')
  a.ask(actor)

  const b = join()

  t.is(b.count(actor), 4)
  const entry = b.shard(shard)!.actors.get(actor)!
  const seed = world.log(shard).find((record) => record.kind === 'commit')!.actors[0]![1]!
  t.deepEqual(entry.committed!.state, seed.state)
})

test('T1: a handoff carries the time that remains', (t) => {
  const { world, actor, join } = moving({ afterMs: 4_000 })
  const { nowMs } = world
  const b = join()
  world.pass(nowMs + 3_900 - world.nowMs)
  t.is(b.count(actor), 0)

  world.pass(300)

  t.is(b.count(actor), 100)
})

test('M2: request ids go along, of volatile actors too', (t) => {
  for (const type of ['counter', 'flash']) {
    const { a, actor, join } = moving({}, type)
    a.ask(actor, { type: 'ADD', reply: 'once' }, { request: 'r' })

    const b = join()

    t.deepEqual(b.ask(actor, { type: 'ADD', reply: 'once' }, { request: 'r' }), { handled: true, reply: 'once' })
    t.is(b.count(actor), 1)
  }
})

test('a checkpoint whose parts are ready when the move begins is finished first', (t) => {
  const story = moving()
  const { world, a, shard, actor } = story
  const others = Array.from({ length: 6 }, (_, n) => world.actorIn(shard, 'counter', n + 1))
  for (const other of others) a.call('spawn', other, { pad: 120_000 })
  a.moods.set('write parts', 'hold')
  for (let n = 0; n < 8; n++) a.ask(others[n % 6]!)
  a.expectEffect('write parts')
  a.moods.set('append', 'hold')
  a.send('ask', actor, { type: 'ADD' })
  world.run()
  const b = joinUntil(story, () => a.phase(shard) === 'draining')

  a.letGo('write parts')
  a.letGo('append')
  world.pass(1_000)

  t.is(b.phase(shard), 'owned')
  t.is(b.count(actor), 4)
  t.is(b.count(others[1]!), 2)
  t.true(world.log(shard).some(({ kind }) => kind === 'checkpoint'))
})
