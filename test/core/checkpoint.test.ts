/** S5 and the compaction of logs. How a state is cut and folded is a table; when, and what survives, are stories. */

import test from 'ava'
import { limits } from '../../src/base/limits.ts'
import { cut } from '../../src/core/checkpoint.ts'
import { fold, partsOf } from '../../src/core/fold.ts'
import type { LogRecord, ShardState } from '../../src/protocol/records.ts'
import { type Driver, owned } from './support/driver.ts'

const kindsOf = (node: Driver): readonly LogRecord['kind'][] => node.world.log().map(({ kind }) => kind)

/** Asks until the log outweighs what a checkpoint would weigh. */
function fill(node: Driver, actor: string, pad: number): void {
  const times = Math.ceil((limits.checkpointLogBytesMin + 4 * pad) / pad) + 1
  for (let n = 0; n < times; n++) node.ask(actor, { type: 'ADD', pad })
}

function spawned(): { readonly a: Driver; readonly actor: string } {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.call('spawn', actor)
  a.forgetEffects()
  return { a, actor }
}

/** Another node takes the shard over from the log alone. */
function takenOver({ world }: Driver, from: Driver): Driver {
  from.kill()
  const b = world.add('b')
  world.pass(8_000)
  return b
}

test('a state is cut into pieces of a chunk, or stays whole where it fits a record', (t) => {
  const state = (count: number, bytes: number): ShardState => ({
    actors: Array.from({ length: count }, (_, n) => [
      `counter/${n}`,
      { status: 'active', durability: 'durable', state: new Uint8Array(bytes), live: false },
      0,
    ]),
    requests: [{ actor: 'counter/0', request: 'r', hash: 0, keepMs: 0, answer: 'view' }],
  })

  t.is(cut(state(2, 1_000)).length, 1)
  t.is(cut({ actors: [], requests: [] }).length, 1)
  const pieces = cut(state(1_000, 1_000))
  t.is(pieces.length, 5)
  t.is(pieces.flatMap(({ actors }) => actors).length, 1_000)
  t.is(pieces.flatMap(({ requests }) => requests).length, 1)
  for (const { actors } of pieces)
    t.true(actors.reduce((sum, [, stored]) => sum + stored.state.length, 0) <= limits.chunkBytes)
})

test('a small checkpoint takes the place of the whole log, and keeps the standing claim', (t) => {
  const { a, actor } = spawned()
  const epoch = a.shard()!.epoch

  fill(a, actor, 100_000)

  t.is(kindsOf(a)[0], 'checkpoint')
  t.like(a.world.log()[0], { owner: 'a', inc: 1, epoch })
  const count = a.count(actor)
  const b = takenOver(a, a)
  t.is(b.count(actor), count)
})

test('a checkpoint is written when the log outweighs it, and not again before it does so again', (t) => {
  const { a, actor } = spawned()
  fill(a, actor, 100_000)
  a.forgetEffects()

  for (let n = 0; n < 5; n++) a.ask(actor)
  a.world.pass(1_000)

  a.rejectEffect('append', ({ record }) => record.kind === 'checkpoint')
  a.rejectEffect('write parts')
  t.pass()
})

/** A shard whose state needs parts. */
function large(): { readonly a: Driver; readonly actors: readonly string[] } {
  const a = owned()
  const actors = Array.from({ length: 8 }, (_, n) => a.world.actorIn('main.0', 'counter', n))
  for (const actor of actors) a.call('spawn', actor, { pad: 100_000 })
  a.forgetEffects()
  return { a, actors }
}

test('S5: a large checkpoint goes into parts; commits made during the upload survive it, and so does the standing claim', (t) => {
  const { a, actors } = large()
  const epoch = a.shard()!.epoch
  a.moods.set('write parts', 'hold')
  for (let n = 0; n < 6; n++) a.ask(actors[0]!, { type: 'ADD' })
  a.expectEffect('write parts')

  t.like(a.ask(actors[1]!, { type: 'ADD' }), { handled: true })
  a.letGo('write parts')
  a.world.pass(500)
  t.like(a.ask(actors[2]!, { type: 'ADD' }), { handled: true })

  const log = a.world.broker.read('shard.main.0')
  t.true(partsOf(log).length > 1)
  t.is(log[0]!.record.kind, 'commit', 'what the checkpoint covers is purged, what came during the upload is not')
  t.true(log.some(({ record }) => record.kind === 'checkpoint' && record.epoch === epoch && record.owner === 'a'))
  const counts = actors.map((actor) => a.count(actor))
  const b = takenOver(a, a)
  t.deepEqual(
    actors.map((actor) => b.count(actor)),
    counts,
  )
})

test('S5: the parts of the checkpoint before are purged after the new record, and not before', (t) => {
  const { a, actors } = large()
  const grow = (): void => {
    for (let n = 0; n < 20; n++) a.ask(actors[n % 8]!, { type: 'ADD' })
    a.world.pass(500)
  }
  grow()
  const first = partsOf(a.world.broker.read('shard.main.0'))
  t.true(first.length > 1)
  a.moods.set('write parts', 'hold')
  grow()
  a.expectEffect('write parts')
  t.not(a.world.broker.readParts('main.0', first), 'missing')

  a.letGo('write parts')
  a.world.pass(500)

  t.is(a.world.broker.readParts('main.0', first), 'missing')
  t.not(a.world.broker.readParts('main.0', partsOf(a.world.broker.read('shard.main.0'))), 'missing')
})

test('S5: parts that could not be written are given up, and commits go on', (t) => {
  const { a, actors } = large()
  a.moods.set('write parts', 'full')

  for (let n = 0; n < 6; n++) a.ask(actors[0]!, { type: 'ADD' })
  a.world.pass(500)

  t.is(a.shard()!.checkpoint.state.kind, 'idle')
  t.like(a.ask(actors[0]!, { type: 'ADD' }), { handled: true })
})

test('S5: parts that the broker may have lost are named by no record, also by none that was sent before', (t) => {
  for (const sent of [false, true]) {
    const { a, actors } = large()
    a.moods.set('write parts', 'hold')
    for (let n = 0; n < 6; n++) a.ask(actors[0]!, { type: 'ADD' })
    a.moods.set('append', 'unknown')
    if (sent) a.letGo('write parts')
    a.world.run()
    a.disconnect()
    a.world.broker.server = 's2'
    a.moods.delete('append')
    a.letGo('write parts')
    a.forgetEffects()

    a.connect()
    a.world.pass(500)

    a.rejectEffect('append', ({ record }) => record.kind === 'checkpoint')
    t.like(a.ask(actors[0]!, { type: 'ADD' }), { handled: true })
    for (let n = 0; n < 12; n++) a.ask(actors[0]!, { type: 'ADD', pad: 100_000 })
    a.world.pass(500)
    t.true(partsOf(a.world.broker.read('shard.main.0')).length > 1, 'the next one has parts of its own')
  }
})

test('S5: a reader that misses a part reads the log again', (t) => {
  const { a, actors } = large()
  for (let n = 0; n < 6; n++) a.ask(actors[0]!, { type: 'ADD' })
  a.world.pass(500)
  const count = a.count(actors[0]!)
  a.kill()
  const b = a.world.add('b')
  b.moods.set('read parts', 'unknown')
  a.world.pass(8_000)
  t.is(b.phase(), 'folding')

  b.moods.delete('read parts')
  a.world.pass(500)

  t.is(b.count(actors[0]!), count)
})

/** Turns until the next commit will be followed by a checkpoint; that commit is held back. */
function untilDue(a: Driver, actor: string): void {
  for (;;) {
    a.moods.set('append', 'hold')
    a.send('tell', actor, { type: 'ADD', pad: 100_000 })
    a.world.run()
    if (a.shard()!.checkpoint.logBytes > limits.checkpointLogBytesMin) return
    a.letGo('append')
  }
}

test('a checkpoint that the store has no room for undoes nothing', (t) => {
  const { a, actor } = spawned()
  untilDue(a, actor)
  a.letGoOne('append')
  const { record } = a.expectEffect('append')
  t.is(record.kind, 'checkpoint')

  a.tell({ kind: 'appended', shard: 'main.0', token: record.token, result: { kind: 'full', reason: 'x' } })
  a.moods.delete('append')
  a.world.run()

  t.like(a.ask(actor, { type: 'ADD' }), { handled: true })
})

test('S3: a checkpoint holds what is committed: not a later turn, and still who is being stopped or begins anew', (t) => {
  const a = owned()
  const [changing, stopping, ending] = [0, 1, 2].map((n) => a.world.actorIn('main.0', 'counter', n)) as [
    string,
    string,
    string,
  ]
  for (const actor of [changing, stopping, ending]) a.call('spawn', actor)
  a.ask(ending, { type: 'END' })
  untilDue(a, changing)
  a.forgetEffects()

  a.send('tell', changing, { type: 'ADD' })
  a.send('stop', stopping)
  a.send('spawn', ending)
  a.world.run()
  a.letGoOne('append')

  const checkpoint = a.expectEffect('append', ({ record }) => record.kind === 'checkpoint').record
  const { actors } = fold([{ seq: 1, timeMs: 0, bytes: 0, record: checkpoint }], [])
  t.deepEqual([...actors.keys()].toSorted(), [changing, stopping, ending].toSorted())
  t.is(actors.get(ending)!.stored.status, 'done')
  t.deepEqual(actors.get(changing)!.stored, a.shard()!.actors.get(changing)!.committed)
  a.letGo('append')
  t.is(a.count(stopping), 'ACTOR_NOT_FOUND')
  t.is(a.count(ending), 0)
})
