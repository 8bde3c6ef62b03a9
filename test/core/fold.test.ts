import test from 'ava'
import type { Logged } from '../../src/core/effects.ts'
import { checkChain, fold, ownerOf, partsOf } from '../../src/core/fold.ts'
import type { LogRecord, PartRef, RequestEntry, ShardState } from '../../src/protocol/records.ts'
import type { StoredActor } from '../../src/protocol/turn.ts'

const stored = (content: string): StoredActor => ({
  status: 'active',
  durability: 'durable',
  state: new TextEncoder().encode(content),
  live: false,
})
const contentOf = (actor: StoredActor | undefined): string | undefined => actor && new TextDecoder().decode(actor.state)

const request = (id: string, answer: RequestEntry['answer'] = 'view', actor = 'counter/1'): RequestEntry => ({
  actor,
  request: id,
  hash: 0,
  keepMs: 1,
  answer,
})

const head = { token: 't', prev: 0, epoch: 1, owner: 'a', inc: 1 }
const at = (seq: number, record: LogRecord, timeMs = seq * 10): Logged<LogRecord> => ({
  seq,
  timeMs,
  bytes: 100,
  record: { ...record, prev: seq - 1 },
})
const claim = (seq: number): Logged<LogRecord> => at(seq, { ...head, kind: 'claim', epoch: 0, over: 'empty' })
const commit = (
  seq: number,
  actors: Readonly<Record<string, string | null>>,
  ...requests: RequestEntry[]
): Logged<LogRecord> =>
  at(seq, {
    ...head,
    kind: 'commit',
    actors: Object.entries(actors).map(([key, content]) => [key, content === null ? null : stored(content)]),
    requests,
  })
const checkpoint = (
  seq: number,
  covers: number,
  content: ShardState | readonly PartRef[],
  ageMs = 0,
): Logged<LogRecord> => at(seq, { ...head, kind: 'checkpoint', covers, ageMs, content })
const state = (actors: Readonly<Record<string, string>>, ageMs = 0, ...requests: RequestEntry[]): ShardState => ({
  actors: Object.entries(actors).map(([key, content]) => [key, stored(content), ageMs]),
  requests,
})

const actorsOf = (
  entries: readonly Logged<LogRecord>[],
  pieces: readonly ShardState[] = [],
): Readonly<Record<string, string>> =>
  Object.fromEntries([...fold(entries, pieces).actors].map(([key, each]) => [key, contentOf(each.stored)!]))

test('S1: the state is the last snapshot of each actor, without those that were stopped', (t) => {
  const log = [claim(1), commit(2, { x: 'x1', y: 'y1' }), commit(3, { x: 'x2' }), commit(4, { y: null, z: 'z1' })]

  t.deepEqual(actorsOf(log), { x: 'x2', z: 'z1' })
  t.deepEqual(actorsOf([]), {})
})

test('M2: the last word on a request counts, by actor and id', (t) => {
  const log = [
    claim(1),
    commit(2, {}, request('r', 'open'), request('r', 'view', 'counter/2')),
    commit(3, {}, request('r', new Uint8Array([1]))),
  ]

  const { requests } = fold(log, [])

  t.deepEqual(
    requests.map(({ actor, answer }) => [actor, answer]),
    [
      ['counter/1', new Uint8Array([1])],
      ['counter/2', 'view'],
    ],
  )
})

test('S5: commits made while a checkpoint was uploaded come after it, those it covers do not', (t) => {
  const part: PartRef = { token: 'c', index: 0, seq: 3, hash: 0, bytes: 5_000 }
  const log = [commit(4, { x: 'old' }), commit(6, { y: 'new' }), checkpoint(7, 5, [part])]

  t.deepEqual(partsOf(log), [part])
  t.deepEqual(actorsOf(log, [state({ x: 'x', y: 'y' })]), { x: 'x', y: 'new' })
  const { logBytes, stateBytes } = fold(log, [state({})])
  t.deepEqual([logBytes, stateBytes], [100, 5_000])
})

test('the newest checkpoint counts, and holds what it says itself', (t) => {
  const log = [
    checkpoint(5, 4, state({ x: 'first' })),
    commit(6, { x: 'between' }),
    checkpoint(7, 6, state({ x: 'second' })),
    commit(8, { z: 'z' }),
  ]

  t.deepEqual(actorsOf(log), { x: 'second', z: 'z' })
  t.deepEqual(partsOf(log), [])
})

test('T1: an actor of a checkpoint is as old as it was then, one of a commit as old as its record', (t) => {
  const log = [checkpoint(5, 4, state({ x: 'x' }, 30)), commit(6, { y: 'y' })]

  const { actors } = fold(log, [])

  t.is(actors.get('x')?.timeMs, 20)
  t.is(actors.get('y')?.timeMs, 60)
})

test('T1: the time that the parts of a checkpoint needed counts', (t) => {
  const { actors } = fold([checkpoint(5, 4, [], 7)], [state({ x: 'x' }, 30)])

  t.is(actors.get('x')?.timeMs, 13)
})

test('the owner is whom the last record names; a checkpoint repeats the claim that it removes', (t) => {
  t.deepEqual(ownerOf(claim(7)), { owner: 'a', inc: 1, epoch: 7 })
  t.deepEqual(ownerOf(checkpoint(9, 8, state({}))), { owner: 'a', inc: 1, epoch: 1 })
})

test('I5: a record that does not follow its predecessor is a broken invariant', (t) => {
  t.notThrows(() => checkChain([claim(1), commit(2, {})]))
  t.notThrows(() => checkChain([checkpoint(9, 8, state({})), commit(10, {})]), 'predecessors may have been purged')

  t.throws(() => checkChain([claim(1), commit(3, {})]), { message: /I5/ })
})
