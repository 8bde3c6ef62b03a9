/** S3, S4: what waits for a commit, and what is undone when there is none. */

import test from 'ava'
import { type Refusal, refuse } from '../../src/base/errors.ts'
import { limits } from '../../src/base/limits.ts'
import { type CommitRecord, encodeRecord } from '../../src/protocol/records.ts'
import { type Driver, owned, settle, World } from './support/driver.ts'

const commits = (node: Driver): readonly CommitRecord[] => node.world.log().filter((record) => record.kind === 'commit')

function spawned(options = {}): { readonly a: Driver; readonly actor: string } {
  const a = owned(options)
  const actor = a.world.actorIn('main.0')
  a.call('spawn', actor)
  a.forgetEffects()
  return { a, actor }
}

test('S3: an ask, a tell, an effect and a read of what an ask changed come after the commit', (t) => {
  const { a, actor } = spawned()
  a.moods.set('append', 'hold')

  const ids = [
    a.send('ask', actor, { type: 'ADD', act: 'call' }),
    a.send('tell', actor, { type: 'ADD' }),
    a.send('get', actor),
  ]
  a.world.pass(300)
  t.deepEqual(
    ids.map((id) => a.said(id)),
    [undefined, undefined, undefined],
  )
  t.deepEqual(a.host.performed, [])

  a.letGo('append')
  t.like(a.said(ids[0]!), { handled: true })
  t.deepEqual(a.said(ids[1]!), {})
  t.like(a.said(ids[2]!), { context: { count: 2 } })
  t.deepEqual(a.host.performed, ['call'])
})

test('S3: what changes nothing is answered at once, when nothing is uncommitted', (t) => {
  const { a, actor } = spawned()
  a.moods.set('append', 'hold')

  t.like(a.ask(actor, { type: 'NOTHING' }), { handled: false })
  t.is(a.count(actor), 0)

  a.rejectEffect('append')
})

test('S3: that an actor is stopped, or over, is not told before it is committed', (t) => {
  const { a, actor } = spawned()
  const other = a.world.actorIn('main.0', 'counter', 1)
  a.call('spawn', other)
  a.moods.set('append', 'hold')
  a.send('stop', actor)
  const asks = [a.send('get', actor), a.send('ask', actor, { type: 'ADD' }), a.send('stop', actor)]
  a.world.pass(300)
  t.deepEqual(
    asks.map((id) => a.said(id)),
    [undefined, undefined, undefined],
  )

  a.letGo('append')
  a.moods.set('append', 'hold')

  t.deepEqual(
    asks.map((id) => a.said(id)),
    ['ACTOR_NOT_FOUND', 'ACTOR_NOT_FOUND', { stopped: false }],
  )
  a.send('tell', other, { type: 'END' })
  const late = a.send('ask', other, { type: 'ADD' })
  a.world.pass(300)
  t.is(a.said(late), undefined)
  a.letGo('append')
  t.is(a.said(late), 'ACTOR_DONE')
})

test('S3: effects of an actor that is stopped in the same commit are still performed, and then it is forgotten', (t) => {
  const { a, actor } = spawned()

  a.send('tell', actor, { type: 'ADD', act: 'goodbye' })
  a.send('stop', actor)
  a.world.run()

  t.deepEqual(a.host.performed, ['goodbye'])
  t.is(a.host.machines.size, 0)
  t.is(a.host.kept.size, 0)
})

test('turns of one turn of the event loop go into one record', (t) => {
  const { a, actor } = spawned()

  for (let n = 0; n < 50; n++) a.send('ask', actor, { type: 'ADD' })
  a.world.run()

  t.is(commits(a).length, 2)
  t.is(commits(a)[1]!.requests.length, 50)
})

test('a few appends are in flight per node, and each that ends is the turn of another shard', (t) => {
  const world = new World(16)
  const a = world.add('a')
  settle(world)
  const actors = Array.from({ length: 16 }, (_, n) => world.actorIn(`main.${n}`))
  a.forgetEffects()
  a.moods.set('append', 'hold')

  const ids = actors.map((actor) => a.send('spawn', actor))
  world.run()
  t.is(a.all('append').length, 8)
  a.letGo('append')

  t.is(ids.filter((id) => a.said(id) !== undefined).length, 16)
})

test('STORAGE_FULL: everything uncommitted is undone, in the host too, and its senders are told', (t) => {
  const { a, actor } = spawned()
  const other = a.world.actorIn('main.0', 'counter', 1)
  a.moods.set('append', 'hold')
  const first = a.send('ask', actor, { type: 'ADD', act: 'call' })
  a.world.run()
  const second = a.send('ask', actor, { type: 'ADD' })
  const spawn = a.send('spawn', other)
  a.world.run()

  a.moods.set('append', 'full')
  a.tell({
    kind: 'appended',
    shard: 'main.0',
    token: a.expectEffect('append').record.token,
    result: { kind: 'full', reason: 'x' },
  })
  a.world.run()

  t.deepEqual(
    [first, second, spawn].map((id) => a.said(id)),
    ['STORAGE_FULL', 'STORAGE_FULL', 'STORAGE_FULL'],
  )
  t.is(a.count(actor), 0)
  t.is(a.count(other), 'ACTOR_NOT_FOUND')
  t.deepEqual(a.host.performed, [])
  t.is(a.host.kept.size, 0)
})

test('STORAGE_FULL: a stop is undone, and so is the start that it followed', (t) => {
  const { a, actor } = spawned()
  const other = a.world.actorIn('main.0', 'counter', 1)
  a.moods.set('append', 'full')

  a.send('spawn', other, { child: true })
  const ids = [a.send('stop', other), a.send('stop', actor)]
  a.world.run()

  t.deepEqual(
    ids.map((id) => a.said(id)),
    ['STORAGE_FULL', 'STORAGE_FULL'],
  )
  t.is(a.host.machines.size, 0, 'nothing is left behind in the host')
  a.moods.delete('append')
  t.is(a.count(actor), 0)
  t.is(a.count(other), 'ACTOR_NOT_FOUND')
})

test('STORAGE_FULL: a life that began over a finished one is undone to that one', (t) => {
  const { a, actor } = spawned()
  a.ask(actor, { type: 'END' })
  a.moods.set('append', 'full')

  t.is(a.call('spawn', actor), 'STORAGE_FULL')

  a.moods.delete('append')
  t.like(a.call('get', actor), { status: 'done', context: { count: 1 } })
})

test('STORAGE_FULL: what waits in the mailbox goes on', (t) => {
  const { a, actor } = spawned()
  a.ask(actor, { type: 'END' })
  a.moods.set('append', 'hold')
  const other = a.world.actorIn('main.0', 'counter', 1)
  a.send('spawn', other)
  a.send('stop', other)
  const waits = a.send('spawn', other)
  a.world.run()
  t.is(a.said(waits), undefined)

  a.tell({
    kind: 'appended',
    shard: 'main.0',
    token: a.expectEffect('append').record.token,
    result: { kind: 'full', reason: 'x' },
  })
  a.moods.delete('append')
  a.world.run()

  t.like(a.said(waits), { created: true })
})

test('STORAGE_FULL: what an actor does by itself is not done over and over; it rests, and is asked meanwhile', (t) => {
  const { a, actor } = spawned()
  const sleeper = a.world.actorIn('main.0', 'counter', 1)
  a.call('spawn', sleeper, { afterMs: 100 })
  a.moods.set('append', 'full')
  a.forgetEffects()

  a.world.pass(limits.fullRestMs)
  t.is(a.ask(actor, { type: 'ADD' }), 'STORAGE_FULL')
  const turns = a.all('take turn').filter(({ turn }) => turn.actor === sleeper)
  a.moods.delete('append')
  a.world.pass(2 * limits.fullRestMs)

  t.is(turns.length, 1)
  t.is(a.count(sleeper), 100)
})

test('M2: what was undone is not remembered: the same request id runs when it comes again', (t) => {
  const { a, actor } = spawned()
  a.moods.set('append', 'full')
  t.is(a.ask(actor, { type: 'ADD' }, { request: 'r' }), 'STORAGE_FULL')
  a.moods.delete('append')

  t.like(a.ask(actor, { type: 'ADD' }, { request: 'r' }), { handled: true })

  t.is(a.count(actor), 1)
})

test('O1: a frame that was refused because it was undone is refused again when it comes twice', (t) => {
  const { a, actor } = spawned()
  a.moods.set('append', 'full')
  const id = a.send('ask', actor, { type: 'ADD' })
  a.world.run()
  a.moods.delete('append')

  const lane = Number(id.split('#')[1])
  a.send('ask', actor, { type: 'ADD' }, { id, lane, base: lane })
  a.world.run()

  t.is(a.said(id), 'STORAGE_FULL')
  t.is(a.count(actor), 0)
})

test('S4: an actor that outgrows a record is undone alone; the others of its commit are not', (t) => {
  const { a, actor } = spawned({ recordBytesMax: 200_000 })
  const other = a.world.actorIn('main.0', 'counter', 1)
  a.call('spawn', other)

  const large = a.send('ask', actor, { type: 'ADD', pad: 150_000, act: 'large' })
  const small = a.send('ask', other, { type: 'ADD', act: 'small' })
  a.world.run()

  t.is(a.said(large), 'TOO_LARGE')
  t.like(a.said(small), { handled: true })
  t.deepEqual(a.host.performed, ['small'])
  t.is(a.count(actor), 0)
  t.is(a.count(other), 1)
})

test('S4: of several events in one commit nobody is blamed for outgrowing it, and repeated one by one only the culprit is', (t) => {
  const { a, actor } = spawned({ recordBytesMax: 200_000 })
  const send = (): readonly string[] => [
    a.send('ask', actor, { type: 'ADD', act: 'before' }),
    a.send('ask', actor, { type: 'ADD', pad: 150_000, act: 'large' }),
    a.send('ask', actor, { type: 'ADD', act: 'after' }),
  ]

  const first = send()
  a.world.run()
  const second = send()
  a.world.run()

  t.deepEqual(
    first.map((id) => a.said(id)),
    ['UNAVAILABLE', 'UNAVAILABLE', 'UNAVAILABLE'],
  )
  t.like(a.said(second[0]!), { handled: true })
  t.is(a.said(second[1]!), 'TOO_LARGE')
  t.like(a.said(second[2]!), { handled: true })
  t.is(a.count(actor), 2)
  t.deepEqual(a.host.performed, ['before', 'after'])
})

test('S4: who was about to be shown what is undone asks again, and is not refused', (t) => {
  const { a, actor } = spawned({ recordBytesMax: 200_000 })

  const large = a.send('ask', actor, { type: 'ADD', pad: 150_000 })
  const look = a.send('get', actor)
  a.world.run()

  t.is(a.said(large), 'TOO_LARGE')
  t.is(a.said(look), 'moved')
  t.is(a.count(actor), 0)
})

test('S4, E1: what a split leaves is undone without the effects of what was committed before it', (t) => {
  const { a, actor } = spawned({ recordBytesMax: 200_000 })
  const others = [1, 2].map((n) => a.world.actorIn('main.0', 'counter', n))
  for (const other of others) a.call('spawn', other)
  a.moods.set('append', 'hold')

  a.send('ask', actor, { type: 'ADD', pad: 90_000, act: 'committed' })
  for (const other of others) a.send('ask', other, { type: 'ADD', pad: 90_000 })
  a.world.run()
  const large = a.send('ask', actor, { type: 'ADD', pad: 150_000, act: 'large' })
  a.world.run()
  a.letGo('append')
  a.world.pass(1_000)

  t.is(a.said(large), 'TOO_LARGE')
  t.deepEqual(a.host.performed, ['committed'])
})

test('S4: what a split leaves for the next commit takes its request ids and answers along', (t) => {
  const { a } = spawned({ recordBytesMax: 200_000 })
  const actors = Array.from({ length: 3 }, (_, n) => a.world.actorIn('main.0', 'counter', n + 1))
  for (const actor of actors) a.call('spawn', actor)
  const before = commits(a).length

  for (const actor of actors) a.send('ask', actor, { type: 'ADD', pad: 90_000 })
  a.world.run()

  const records = commits(a).slice(before)
  t.is(records.length, 3)
  for (const {
    actors: [[stored]],
    requests: [{ actor }],
  } of records as any)
    t.is(stored, actor)
})

test('S4: a commit larger than a record is split by actor, and nobody is refused', (t) => {
  const { a } = spawned({ recordBytesMax: 400_000 })
  const actors = Array.from({ length: 12 }, (_, n) => a.world.actorIn('main.0', 'counter', n + 1))
  for (const actor of actors) a.call('spawn', actor)
  const before = commits(a).length

  const ids = actors.map((actor) => a.send('ask', actor, { type: 'ADD', pad: 90_000 }))
  a.world.run()

  for (const id of ids) t.like(a.said(id), { handled: true })
  t.true(commits(a).length - before > 3)
  for (const record of commits(a))
    t.true(record.actors.reduce((sum, [, stored]) => sum + (stored?.state.length ?? 0), 0) < 400_000)
})

test('S4: many requests with long names do not outgrow a record either', (t) => {
  const { a } = spawned({ recordBytesMax: 100_000 })
  const name = (n: number): string => `${n}-`.padEnd(250, 'x')
  const actors = Array.from({ length: 300 }, (_, n) => `counter/${n}-${'y'.repeat(300)}`)
  for (const actor of actors) a.send('spawn', actor)
  a.world.pass(500)

  const asks = actors.map((actor, n) => a.send('ask', actor, { type: 'ADD', reply: n }, { request: name(n) }))
  a.world.pass(500)
  const stops = actors.map((actor, n) => a.send('stop', actor, undefined, { request: `stop-${name(n)}` }))
  a.world.pass(500)

  t.deepEqual(
    asks.map((id) => a.said(id)),
    actors.map((_, n) => ({ handled: true, reply: n })),
  )
  for (const id of stops) t.deepEqual(a.said(id), { stopped: true })
  for (const record of commits(a)) t.true(encodeRecord(record).length < 100_000)
})

test('S4: an actor that cannot be stored is undone alone', (t) => {
  const { a, actor } = spawned()
  const other = a.world.actorIn('main.0', 'counter', 1)
  a.call('spawn', other)

  const bad = a.send('ask', actor, { type: 'ADD', unstorable: true })
  const good = a.send('ask', other, { type: 'ADD' })
  a.world.run()

  t.is(a.said(bad), 'ACTOR_FAILED')
  t.like(a.said(good), { handled: true })
  t.is(a.count(actor), 0)
})

test('M2: an answer to an open request that is undone leaves the request open', (t) => {
  const { a, actor } = spawned()
  const open = a.send('ask', actor, { type: 'ADD', keep: true }, { request: 'k' })
  a.world.run()
  t.is(a.said(open), undefined)
  a.moods.set('append', 'full')
  a.ask(actor, { type: 'ADD', answers: { request: 'k', answer: 'first' } })
  t.is(a.said(open), undefined)
  a.moods.delete('append')

  a.ask(actor, { type: 'ADD', answers: { request: 'k', answer: 'second' } })

  t.deepEqual(a.said(open), { handled: true, reply: 'second' })
})

test('volatile: answers do not wait for the log, but for the start of the actor', (t) => {
  const { a } = spawned()
  const actor = a.world.actorIn('main.0', 'flash')
  a.moods.set('append', 'hold')
  const spawn = a.send('spawn', actor, { count: 5 })
  const early = a.send('ask', actor, { type: 'ADD' })
  a.world.run()
  t.is(a.said(early), undefined)

  a.letGo('append')
  a.moods.set('append', 'hold')

  t.like(a.said(spawn), { created: true })
  t.like(a.ask(actor, { type: 'ADD' }), { handled: true })
  t.is(a.count(actor), 7)
})

test('volatile: the log holds what a life began with, and of a finished one its end', (t) => {
  const { a } = spawned()
  const actor = a.world.actorIn('main.0', 'flash')
  a.call('spawn', actor, { count: 5 })
  a.ask(actor)
  const stored = (): unknown =>
    commits(a)
      .at(-1)!
      .actors.find(([key]) => key === actor)?.[1]
  t.like(stored(), { status: 'active', durability: 'volatile' })

  a.ask(actor, { type: 'END' })

  t.like(stored(), { status: 'done' })
  a.kill()
  const b = a.world.add('b')
  a.world.pass(8_000)
  t.like(b.call('get', actor), { status: 'done', context: { count: 7 } })
})

test('M3: a message of a volatile actor that finds no room is not lost: it is sent when there is some', (t) => {
  const { a, actor } = spawned()
  const flash = a.world.actorIn('main.0', 'flash')
  a.call('spawn', flash)
  a.moods.set('append', 'full')
  a.forgetEffects()

  t.like(a.ask(flash, { type: 'ADD', post: actor }), { handled: true })
  a.world.pass(limits.fullRestMs - 100)
  t.is(a.all('append').length, 1, 'it is not tried over and over')
  a.moods.delete('append')
  a.world.pass(limits.fullRestMs)

  const { record } = a.all('append').at(-1)!
  t.like(record, { kind: 'commit', actors: [], sent: [{ source: flash, target: actor, number: 1 }] })
})

test('M3: a message whose number was used for another one is given up, and those after it are not', (t) => {
  const { a, actor } = spawned()
  const other = a.world.actorIn('main.0', 'counter', 1)
  a.ask(actor, { type: 'ADD', post: other })
  a.ask(actor, { type: 'ADD', post: other })
  const [first, second] = a.all('send message').map(({ message }) => message)
  const say = (message: typeof first, outcome: 'done' | Refusal): void =>
    a.tell({ kind: 'message answered', shard: 'main.0', message: message!, attempt: 0, outcome, final: false })
  a.forgetEffects()

  say(first, refuse('BAD_REQUEST', 'its number was used for another one'))
  say(second, 'done')

  t.like(a.all('notify'), [{ event: { kind: 'undeliverable', actor, target: other, why: { code: 'BAD_REQUEST' } } }])
  a.world.pass(limits.messageRestMsMax)
  t.deepEqual(
    a.all('send message').filter(({ message }) => message.op !== 'end'),
    [],
  )
})

test('M3: a stream does not end behind a message that is on its way into the log', (t) => {
  const { a, actor } = spawned()
  const other = a.world.actorIn('main.0', 'counter', 1)
  a.ask(actor, { type: 'ADD', post: other })
  const { message } = a.all('send message')[0]!
  a.tell({ kind: 'message answered', shard: 'main.0', message, attempt: 0, outcome: 'done', final: true })
  a.world.pass(limits.streamLingerMs - 1_000)

  a.moods.set('append', 'hold')
  a.send('ask', actor, { type: 'ADD' })
  a.send('ask', actor, { type: 'ADD', post: other })
  a.world.pass(2_000)
  a.letGo('append')
  a.world.pass(100)

  const ops = commits(a).flatMap(({ sent = [] }) => sent.map(({ stream, op }) => `${stream} ${op}`))
  t.deepEqual(ops, [`${message.stream} tell`, `${message.stream} tell`])
})
