/** Stories of a cluster: two or three cores on one broker, from what happened to what is left of it. Each asks the same in the
 *  end: who owns the shard, is everything that was acknowledged there, and did anything happen twice. */

import test, { type ExecutionContext } from 'ava'
import type { Logged } from '../../src/core/effects.ts'
import type { Row } from '../../src/protocol/records.ts'
import { beforeJoin, type Driver, settle, World } from './support/driver.ts'

/** What is left of a cluster, as its logs and its nodes say it. */
function transcript(world: World, shard = 'main.0'): string {
  const records = world.log(shard).map((record) => {
    const what = record.kind === 'claim' ? ` over ${record.over}` : record.kind === 'release' ? ` to ${record.to}` : ''
    return `${record.owner}.${record.inc} ${record.kind}${what}`
  })
  return records.join('\n')
}

/** At most one node runs the shard, and it is the one that the log names (I1). */
function oneOwner(t: ExecutionContext, world: World, shard = 'main.0'): Driver {
  const owners = world.nodes.filter((node) => !node.dead && node.phase(shard) === 'owned')
  t.is(owners.length, 1)
  t.is(world.log(shard).at(-1)!.owner, owners[0]!.id)
  t.is(world.log(shard).at(-1)!.inc, owners[0]!.state.self.inc)
  return owners[0]!
}

/** Everybody hears the broker again, which has lost the newest records of a log, and is another process now. */
function restart(world: World, lost: Readonly<Record<string, number>>, awayMs = 0): void {
  const nodes = world.nodes.filter((node) => !node.dead)
  for (const node of nodes) node.disconnect()
  for (const [name, count] of Object.entries(lost)) world.broker.lose(name, count)
  world.broker.server += 'x'
  if (awayMs > 0) world.pass(awayMs)
  for (const node of nodes) node.connect()
}

/** A shard of one node with one counter at 3. */
function counting(nodes = 1): { readonly world: World; readonly a: Driver; readonly actor: string } {
  const world = new World()
  const a = world.add('a')
  settle(world)
  const actor = world.actorIn('main.0')
  a.call('spawn', actor)
  for (let n = 0; n < 3; n++) a.ask(actor, { type: 'ADD' }, { request: `r${n}` })
  for (let n = 1; n < nodes; n++) world.add(['a', 'b', 'c'][n]!)
  world.run()
  world.pass(5_000)
  return { world, a: world.nodes.find((node) => node.phase() === 'owned')!, actor }
}

test('join: each takes what the ring gives it, and what was there is there', (t) => {
  const { world, a, shard } = beforeJoin()
  const actors = Array.from({ length: 20 }, (_, n) => world.actorIn(shard, 'counter', n))
  for (const [n, actor] of actors.entries()) a.call('spawn', actor, { count: n })

  const b = world.add('b')
  settle(world)

  t.is(oneOwner(t, world, shard), b)
  t.deepEqual(
    actors.map((actor) => b.count(actor)),
    actors.map((_, n) => n),
  )
  t.is(
    transcript(world, shard),
    ['a.1 claim over empty', ...Array(20).fill('a.1 commit'), 'a.1 release to b', 'b.1 claim over release'].join('\n'),
  )
})

// ---- handoff, with a death at each step

const steps = ['committing', 'stopping', 'sending', 'releasing', 'released'] as const

/** The move of a shard with a counter at 1, stopped at a step. */
function stoppedAt(step: (typeof steps)[number]): {
  readonly world: World
  readonly a: Driver
  readonly b: Driver
  readonly shard: string
  readonly actor: string
} {
  const { world, a, shard } = beforeJoin()
  const actor = world.actorIn(shard)
  a.call('spawn', actor)
  a.ask(actor, { type: 'ADD', reply: 'once' }, { request: 'r' })
  const moods = {
    committing: 'append',
    stopping: 'release',
    sending: 'package',
    releasing: 'append',
    released: 'released',
  } as const
  if (step === 'committing') a.send('ask', actor, { type: 'NOTHING', act: 'x' })
  const at = (): string => {
    const { phase } = a.shard(shard) ?? {}
    return phase === undefined ? 'released' : phase.kind === 'draining' ? phase.step : phase.kind
  }
  if (step === 'committing') {
    a.moods.set('append', 'hold')
    a.send('ask', actor, { type: 'ADD' })
    world.run()
  } else if (step !== 'releasing') a.moods.set(moods[step], 'hold')
  const b = world.add('b')
  if (step === 'releasing') a.moods.set('append', 'hold')
  for (let n = 0; n < 50 && at() !== step; n++) world.pass(world.timing.tickMs)
  return { world, a, b, shard, actor }
}

for (const step of steps)
  test(`handoff: A dies while it is ${step}; B takes over what was acknowledged`, (t) => {
    const { world, a, b, shard, actor } = stoppedAt(step)
    a.kill()

    world.pass(8_000)

    t.is(oneOwner(t, world, shard), b)
    t.is(b.count(actor), 1)
    t.deepEqual(b.ask(actor, { type: 'ADD', reply: 'once' }, { request: 'r' }), { handled: true, reply: 'once' })
    t.is(b.count(actor), 1)
  })

for (const step of steps)
  test(`handoff: B dies while A is ${step}; A keeps the shard, or takes it back`, (t) => {
    const { world, a, b, shard, actor } = stoppedAt(step)
    b.kill()
    for (const kind of ['append', 'release', 'package', 'released']) a.letGo(kind)

    world.pass(12_000)

    t.is(oneOwner(t, world, shard), a)
    t.is(a.count(actor), step === 'committing' ? 2 : 1)
  })

test('handoff: the package is lost each time; the shard stays until it is not', (t) => {
  const { world, a, shard } = beforeJoin()
  const actor = world.actorIn(shard)
  a.call('spawn', actor)
  a.moods.set('package', 'unknown')
  const b = world.add('b')
  settle(world)
  world.pass(5_000)
  a.ask(actor)
  a.moods.delete('package')

  world.pass(5_000)

  t.is(oneOwner(t, world, shard), b)
  t.is(b.count(actor), a.answers.some(({ kind }) => kind === 'done') ? 1 : 0)
})

test('M2: a request id is processed once across a handoff, also when the answer of the old owner was lost', (t) => {
  const { world, a, shard } = beforeJoin()
  const actor = world.actorIn(shard)
  a.call('spawn', actor)
  const ask = (node: Driver): unknown => node.ask(actor, { type: 'ADD', reply: node.id }, { request: 'r' })
  ask(a)
  const b = world.add('b')
  settle(world)

  t.is(a.ask(actor, { type: 'ADD', reply: 'b' }, { request: 'r' }), 'moved')
  t.deepEqual(b.ask(actor, { type: 'ADD', reply: 'a' }, { request: 'r' }), { handled: true, reply: 'a' })

  t.is(b.count(actor), 1)
})

// ---- take-over

test('take-over: the owner dies; another declares it, claims and goes on within 4 s', (t) => {
  const { world, a, actor } = counting(2)
  const diedMs = world.nowMs
  a.kill()
  const b = world.nodes.find((node) => !node.dead)!

  while (b.phase() !== 'owned' && world.nowMs - diedMs < 4_000) world.pass(world.timing.tickMs)

  t.is(oneOwner(t, world), b)
  t.is(b.count(actor), 3)
  t.regex(transcript(world), /claim over dead owner$/)
})

test('M2: take-over: a request that was in flight when the owner died is processed once, stored or not', (t) => {
  for (const mood of ['lost', 'unknown'] as const) {
    const { world, a, actor } = counting(2)
    a.moods.set('append', mood)
    const id = a.send('ask', actor, { type: 'ADD', reply: 'once' }, { request: 'q' })
    world.run()
    t.is(a.said(id), undefined)
    a.kill()
    world.pass(6_000)
    const b = oneOwner(t, world)

    t.deepEqual(b.ask(actor, { type: 'ADD', reply: 'once' }, { request: 'q' }), { handled: true, reply: 'once' })

    t.is(b.count(actor), 4)
  }
})

test('I1: a node that was paused and replaced cannot write, stops what it ran, and comes back with the next incarnation', (t) => {
  const { world, a, actor } = counting(2)
  a.ask(actor, { type: 'ADD', child: true })
  const b = world.nodes.find((node) => node !== a)!
  a.paused = true
  world.pass(6_000)
  // oxlint-disable-next-line typescript/no-misused-spread -- the world as it is without the frozen node
  t.is(oneOwner(t, { ...world, nodes: [b], log: world.log.bind(world) } as World), b)
  t.deepEqual(a.host.running(), [actor], 'nobody can stop it while it is frozen')

  const late = a.send('ask', actor, { type: 'ADD' })
  a.resume()
  a.rejectEffect('take turn', ({ turn }) => turn.cause.kind === 'event' && turn.number > 10)
  world.run()
  t.deepEqual(a.host.running(), [])
  world.pass(8_000)

  t.not((a.said(late) as { handled?: boolean } | undefined)?.handled, true)
  t.is(a.state.self.inc, 2)
  t.is(oneOwner(t, world).count(actor), 4)
})

test('N5: a node that was suspended longer than W, with nobody there, resumes with what it had', (t) => {
  const { world, a, actor } = counting()
  a.ask(actor, { type: 'ADD', child: true })
  a.disconnect()
  world.pass(60_000)
  t.deepEqual(a.host.running(), [])

  a.connect()
  world.pass(2_000)

  t.is(a.state.self.inc, 1)
  t.is(oneOwner(t, world), a)
  t.deepEqual(a.host.running(), [actor])
  t.is(transcript(world), ['a.1 claim over empty', ...Array(5).fill('a.1 commit')].join('\n'))
})

test('S2: the append of a node that was cut off meanwhile is resolved when it is back', (t) => {
  const { world, a, actor } = counting()
  a.moods.set('append', 'lost')
  const id = a.send('ask', actor, { type: 'ADD', reply: 'x' })
  world.run()
  a.disconnect()
  a.moods.delete('append')
  world.pass(10_000)
  t.is(a.said(id), undefined)

  a.connect()
  world.pass(1_000)

  t.deepEqual(a.said(id), { handled: true, reply: 'x' })
  t.is(a.count(actor), 4)
})

// ---- the broker forgets

test('R3: the broker loses the newest records; whoever holds the shard heals it at once', (t) => {
  const { world, a, actor } = counting()

  restart(world, { 'shard.main.0': 2 })
  world.pass(1_000)

  a.expectEvent('healed')
  t.is(a.count(actor), 3)
  a.kill()
  const b = world.add('b')
  world.pass(8_000)
  t.is(b.count(actor), 3)
  t.deepEqual(b.ask(actor, { type: 'ADD' }, { request: 'r2' }), b.ask(actor, { type: 'ADD' }, { request: 'r2' }))
  t.is(b.count(actor), 3)
})

test('R3: the loss reaches beyond the claim, or takes everything: it is healed all the same', (t) => {
  for (const count of [4, 5]) {
    const { world, a, actor } = counting()
    t.is(world.log().length, 5)

    restart(world, { 'shard.main.0': count })
    world.pass(1_000)

    a.expectEvent('healed')
    t.is(a.count(actor), 3)
    t.is(oneOwner(t, world), a)
  }
})

test('R3: the claim of a take-over is lost: the records before it are of the known chain too', (t) => {
  const { world, a, actor } = counting(2)
  a.kill()
  world.pass(6_000)
  const b = oneOwner(t, world)
  b.ask(actor)
  const taken = world.log().length

  restart(world, { 'shard.main.0': 3 })
  world.pass(1_000)

  t.true(taken > 3)
  b.expectEvent('healed')
  t.is(b.count(actor), 4)
})

test('R3: a loss that reaches behind a handoff is healed by the new owner, who was told what came before', (t) => {
  const { world, a, shard } = beforeJoin()
  const actor = world.actorIn(shard)
  a.call('spawn', actor)
  a.ask(actor, { type: 'ADD' })
  const before = world.log(shard).length
  const b = world.add('b')
  settle(world)
  b.ask(actor, { type: 'ADD' })

  restart(world, { [`shard.${shard}`]: world.log(shard).length - before })
  world.pass(2_000)

  b.expectEvent('healed')
  t.is(oneOwner(t, world, shard), b)
  t.is(b.count(actor), 2)
})

test('R3: a commit that was in flight when the records were lost is committed after the healing', (t) => {
  const { world, a, actor } = counting()
  a.moods.set('append', 'unknown')
  const ids = [a.send('ask', actor, { type: 'ADD' })]
  world.run()
  ids.push(a.send('ask', actor, { type: 'ADD' }))
  const stop = a.send('stop', world.actorIn('main.0', 'counter', 1))
  world.run()
  a.moods.delete('append')

  restart(world, { 'shard.main.0': 1 })
  world.pass(1_000)

  for (const id of ids) t.like(a.said(id), { handled: true })
  t.deepEqual(a.said(stop), { stopped: false })
  t.is(a.count(actor), 5)
})

test('R3: an actor that was changed in the commit in flight and stopped after it is stopped after the healing', (t) => {
  const { world, a, actor } = counting()
  a.moods.set('append', 'unknown')
  const ask = a.send('ask', actor, { type: 'ADD' })
  world.run()
  const stop = a.send('stop', actor)
  world.run()
  a.moods.delete('append')

  restart(world, { 'shard.main.0': 1 })
  world.pass(1_000)

  t.like(a.said(ask), { handled: true })
  t.deepEqual(a.said(stop), { stopped: true })
  t.is(a.count(actor), 'ACTOR_NOT_FOUND')
})

test('R3: a shard that was being handed over when its records were lost is healed by A, and then handed over', (t) => {
  for (const step of ['sending', 'releasing'] as const) {
    const { world, a, b, shard, actor } = stoppedAt(step)
    a.moods.delete('append')
    a.moods.delete('package')

    restart(world, { [`shard.${shard}`]: 1 })
    world.pass(12_000)

    a.expectEvent('healed')
    t.is(oneOwner(t, world, shard), b)
    t.is(b.count(actor), 1)
  }
})

test('R3: without a lease A waits W before it heals: somebody else may run the shard', (t) => {
  const { world, a, actor } = counting()
  restart(world, { 'shard.main.0': 1 }, 5_000)
  world.run()
  world.pass(world.timing.waitMs - 500)
  a.rejectEvent('healed')
  t.is(a.phase(), 'healing')
  const id = a.send('ask', actor, { type: 'ADD' }, { leftMs: 60_000 })

  world.pass(1_500)

  a.expectEvent('healed')
  t.like(a.said(id), { handled: true })
  t.is(a.count(actor), 4)
})

test('R3, N4: children of a shard whose healing takes long are stopped when the lease ends that was held before the loss', (t) => {
  const { world, a, actor } = counting()
  a.ask(actor, { type: 'ADD', child: true })
  world.pass(1_000)
  t.deepEqual(a.host.running(), [actor])
  a.moods.set('append', 'unknown')
  restart(world, { 'shard.main.0': 1 })
  const { endMs } = a.state.lease

  world.pass(endMs - a.state.lease.nowMs - 2 * world.timing.tickMs)
  t.deepEqual(a.host.running(), [actor])
  world.pass(3 * world.timing.tickMs)

  t.is(a.phase(), 'healing')
  t.true(a.state.lease.endMs > endMs)
  t.deepEqual(a.host.running(), [])
  a.moods.delete('append')
  world.pass(3_000)
  a.expectEvent('healed')
  t.deepEqual(a.host.running(), [actor])
})

test('R3: whoever claims while A waits has the shard, and A steps down', (t) => {
  const { world, a, actor } = counting()
  restart(world, { 'shard.main.0': 1 }, 5_000)
  world.run()
  world.pass(1_000)
  t.is(a.phase(), 'healing')
  const tail = world.broker.tail('shard.main.0') as { readonly seq: number }
  world.broker.append(
    'shard.main.0',
    { token: 'z', prev: tail.seq, epoch: 0, owner: 'z', inc: 1, kind: 'claim', over: 'dead owner' },
    tail.seq,
  )

  const id = a.send('ask', actor, { type: 'ADD' }, { leftMs: 60_000 })
  world.pass(6_000)

  a.rejectEvent('healed')
  t.is(a.said(id), 'moved')
})

test('R3: a shard too large for one record is healed through parts', (t) => {
  const { world, a, actor } = counting()
  const others = Array.from({ length: 8 }, (_, n) => world.actorIn('main.0', 'counter', n + 1))
  for (const other of others) a.call('spawn', other, { pad: 100_000 })

  restart(world, { 'shard.main.0': 2 })
  world.pass(2_000)

  a.expectEvent('healed')
  t.is(oneOwner(t, world), a)
  a.kill()
  const b = world.add('b')
  world.pass(8_000)
  t.deepEqual(
    [actor, ...others].map((each) => b.count(each)),
    [3, 0, 0, 0, 0, 0, 0, 0, 0],
  )
})

test('R3: a store without room delays the healing, and does not end it', (t) => {
  const { world, a, actor } = counting()
  restart(world, { 'shard.main.0': 2 })
  a.moods.set('append', 'full')
  world.pass(3_000)
  t.is(a.phase(), 'healing')

  a.moods.delete('append')
  world.pass(3_000)

  a.expectEvent('healed')
  t.is(a.count(actor), 3)
})

test('R2: nobody claims the shard of a dead owner for W after a restart that may have lost its records', (t) => {
  const { world, a } = counting(2)
  a.kill()
  world.pass(2_000)
  const claims = world.log().filter(({ kind }) => kind === 'claim').length
  restart(world, {})
  const restartedMs = world.nowMs

  while (world.log().filter(({ kind }) => kind === 'claim').length === claims) world.pass(world.timing.tickMs)

  t.true(world.nowMs - restartedMs >= world.timing.waitMs)
})

test('R2: who was declared dead in records that are lost claims its shards anew; whoever had taken them over finds it there', (t) => {
  const { world, a, actor } = counting(2)
  const b = world.nodes.find((node) => node !== a)!
  a.disconnect()
  const row = world.broker.tail<Row>(`row.${a.id}`) as Logged<Row>
  world.pass(6_000)
  b.disconnect()
  world.broker.lose('shard.main.0', 1)
  world.broker.lose(`row.${a.id}`, 1)
  world.broker.append(`row.${a.id}`, row.record, 0)
  world.broker.server += 'x'

  a.connect()
  world.pass(2 * world.timing.waitMs)

  t.like(world.log().at(-1), { kind: 'claim', owner: a.id, over: 'own stale claim' })
  a.rejectEvent('healed')
  t.is(a.count(actor), 3)
  b.connect()
  world.pass(2 * world.timing.waitMs)
  b.rejectEvent('healed')
  t.is(oneOwner(t, world).count(actor), 3)
})

test('R3: a claim in doubt over a record that is lost is given up, and the shard is looked at again', (t) => {
  const world = new World()
  const a = world.add('a')
  a.moods.set('append', 'unknown')
  world.broker.append(
    'shard.main.0',
    { token: 'z1', prev: 0, epoch: 0, owner: 'z', inc: 1, kind: 'claim', over: 'empty' },
    0,
  )
  world.broker.append(
    'shard.main.0',
    {
      token: 'z2',
      prev: 1,
      epoch: 1,
      owner: 'z',
      inc: 1,
      kind: 'release',
      to: null,
      handoff: null,
      weight: { logBytes: 0, stateBytes: 0, parts: [] },
    },
    1,
  )
  settle(world)
  t.is(a.phase(), 'claiming')
  a.moods.delete('append')
  const row: Row = {
    kind: 'row',
    inc: 1,
    boot: 'z',
    state: 'dead',
    beat: 1,
    token: 'z',
    profile: { id: 'z', types: [] },
    steady: '',
    load: { shards: 0, actors: 0 },
  }
  world.broker.append('row.z', row, 0, true)

  restart(world, { 'shard.main.0': 1 })
  world.pass(6_000)

  t.is(oneOwner(t, world), a)
  t.is(transcript(world), ['z.1 claim over empty', 'a.1 claim over dead owner'].join('\n'))
})

// ---- drain

test('drain: a node that leaves hands everything over, and is done when it owns nothing', (t) => {
  const world = new World(8)
  const a = world.add('a')
  settle(world)
  const actors = Array.from({ length: 8 }, (_, n) => world.actorIn(`main.${n}`))
  for (const actor of actors) a.call('spawn', actor, { count: 1, child: true })
  const b = world.add('b')
  world.run()
  world.pass(4_000)

  b.tell({ kind: 'leave', timeoutMs: 10_000 })
  world.pass(6_000)

  t.deepEqual(b.expectEvent('left').abandoned, [])
  t.is(b.state.shards.size, 0)
  t.deepEqual(
    actors.map((actor) => a.count(actor)),
    actors.map(() => 1),
  )
  t.is(a.host.running().length, 8)
  t.deepEqual(b.host.running(), [])
})

test('drain: asked for by message, it does the same', (t) => {
  const { world, a } = counting(2)
  const other = world.nodes.find((node) => node !== a)!

  a.tell({ kind: 'asked', ticket: 99, request: { kind: 'drain', timeoutMs: 5_000 } })
  world.pass(6_000)

  a.expectEvent('left')
  t.is(oneOwner(t, world), other)
})

test('drain: the last node releases what nobody can take, to nobody, and the next one finds it', (t) => {
  const { world, a, actor } = counting()
  a.tell({ kind: 'leave', timeoutMs: 2_000 })
  world.pass(4_000)
  t.deepEqual(a.expectEvent('left').abandoned, [])
  t.regex(transcript(world), /a\.1 release to null$/)
  a.kill()

  const b = world.add('b')
  settle(world)

  t.is(b.count(actor), 3)
})

test('drain: at the deadline what a child holds on to is let go all the same, and is named', (t) => {
  const { world, a, actor } = counting(2)
  a.ask(actor, { type: 'ADD', child: true })
  a.host.stubborn.add(actor)

  a.tell({ kind: 'leave', timeoutMs: 3_000 })
  world.pass(2_000)
  t.not(a.phase(), 'none')
  world.pass(8_000)

  a.expectEvent('stuck')
  a.expectEvent('left')
  t.not(oneOwner(t, world), a)
})

test('three nodes come and go, and every count is right', (t) => {
  const world = new World(8)
  const a = world.add('a')
  settle(world)
  const actors = Array.from({ length: 8 }, (_, n) => world.actorIn(`main.${n}`))
  const counts = new Map(actors.map((actor) => [actor, 0]))
  const ask = (actor: string): void => {
    for (const node of world.nodes) {
      if (node.dead || node.phase(`main.${actors.indexOf(actor)}`) !== 'owned') continue
      const said = node.ask(actor)
      if (typeof said === 'object') counts.set(actor, counts.get(actor)! + 1)
    }
  }
  for (const actor of actors) a.call('spawn', actor)
  const round = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += 500) {
      for (const actor of actors) ask(actor)
      world.pass(500)
    }
  }

  const b = world.add('b')
  round(3_000)
  const c = world.add('c')
  round(3_000)
  a.kill()
  round(6_000)
  b.tell({ kind: 'leave', timeoutMs: 3_000 })
  round(6_000)

  t.is(c.state.shards.size, 8)
  t.deepEqual(
    actors.map((actor) => c.count(actor)),
    actors.map((actor) => counts.get(actor)!),
  )
  for (const actor of actors) t.true(counts.get(actor)! > 10)
})
