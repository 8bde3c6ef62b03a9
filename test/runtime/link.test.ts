import test from 'ava'

import { type Answer, decodeAnswers, decodeFrames, type Frame } from '../../src/protocol/frames.ts'
import { subjects } from '../../src/protocol/subjects.ts'
import { createAnswerLink, createFrameLink } from '../../src/runtime/link.ts'
import { MemoryBroker } from '../../src/transport/memory-broker.ts'
import { memoryTransport } from '../../src/transport/memory.ts'
import { ManualClock } from '../support/manual-clock.ts'

test('frames of one turn to one node are one message, in order', async (t) => {
  const { clock, link, heard } = frameStage()
  link.send('n1', [frame('a', 10)])
  link.send('n2', [frame('b', 10)])
  link.send('n1', [frame('c', 10), frame('d', 10)])
  await clock.settle()
  link.send('n1', [frame('e', 10)])
  await clock.settle()
  t.deepEqual(heard, [
    ['n1', 'a c d'],
    ['n2', 'b'],
    ['n1', 'e'],
  ])
})

test('what does not fit into one message goes as several, in order', async (t) => {
  const { clock, link, heard } = frameStage(10_000)
  for (const id of ['a', 'b', 'c', 'd', 'e']) link.send('n1', [frame(id, 4_000)])
  await clock.settle()
  t.deepEqual(heard, [
    ['n1', 'a b'],
    ['n1', 'c d'],
    ['n1', 'e'],
  ])
})

test('an estimate that was too low is corrected by halves', async (t) => {
  const { clock, link, heard } = frameStage(4_000)
  // A trace is not part of the estimate.
  const long = '€'.repeat(300)
  link.send(
    'n1',
    [1, 2, 3, 4, 5, 6].map((i) => ({ ...frame(`${i}`, 10), trace: long })),
  )
  await clock.settle()
  t.is(heard.map(([, ids]) => ids).join(' '), '1 2 3 4 5 6')
  t.true(heard.length > 1)
})

test('a frame that fits into no message is handed back, the others go', async (t) => {
  const { clock, link, heard, tooLarge } = frameStage(10_000)
  link.send('n1', [frame('a', 10), frame('b', 20_000), frame('c', 10)])
  await clock.settle()
  t.deepEqual(
    heard.map(([, ids]) => ids),
    ['a', 'c'],
  )
  t.deepEqual(tooLarge, ['b'])
})

test('answers name their node; one that is too large is told as a refusal', async (t) => {
  const clock = new ManualClock()
  const broker = new MemoryBroker('test', { clock, bytesMax: 10_000 })
  const link = createAnswerLink({ transport: memoryTransport(broker), clock, nodeId: 'n1' })
  const heard: (readonly Answer[])[] = []
  broker.subscribe('answers', ({ bytes }) => {
    const batch = decodeAnswers(bytes)!
    t.is(batch.from, 'n1')
    heard.push(batch.answers)
  })
  link.send('answers', [{ id: 'a', kind: 'moved', view: 3 }])
  link.send('answers', [{ id: 'b', kind: 'done', body: new Uint8Array(20_000) }])
  link.send('answers', [{ id: 'c', kind: 'done', body: new Uint8Array(20) }])
  await clock.settle()
  t.deepEqual(
    heard.map((answers) => answers.map(({ id, kind }) => `${id} ${kind}`)),
    [['a moved'], ['b refused'], ['c done']],
  )
  t.like(heard[1]![0], { why: { code: 'INTERNAL' } })
})

function frameStage(bytesMax = 2 ** 20) {
  const clock = new ManualClock()
  const broker = new MemoryBroker('test', { clock, bytesMax })
  const heard: (readonly [node: string, ids: string])[] = []
  for (const nodeId of ['n1', 'n2'])
    broker.subscribe(subjects('demo').frames(nodeId), ({ bytes }) => {
      const batch = decodeFrames(bytes)!
      heard.push([nodeId, batch.frames.map(({ id }) => id).join(' ')])
    })
  const tooLarge: string[] = []
  const link = createFrameLink({
    transport: memoryTransport(broker),
    clock,
    subjects: subjects('demo'),
    from: 'client',
    answersTo: 'answers',
    nobodyTo: (nodeId) => `nobody.${nodeId}`,
    onTooLarge: (_, { id }) => tooLarge.push(id),
  })
  return { clock, link, heard, tooLarge }
}

const frame = (id: string, bytes: number): Frame => ({
  id,
  op: 'ask',
  type: 'counter',
  actor: 'a',
  shard: 'main.1',
  body: new Uint8Array(bytes),
  leftMs: 1_000,
  view: 1,
  lane: 0,
  base: 0,
  first: 0,
})
