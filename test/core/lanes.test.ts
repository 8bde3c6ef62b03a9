import test from 'ava'

import { refuse } from '../../src/base/errors.ts'
import { limits } from '../../src/base/limits.ts'
import {
  admit,
  clear,
  createLanes,
  type Lanes,
  noteOpening,
  noteRefusal,
  refusalOf,
  sweep,
} from '../../src/core/lanes.ts'
import { type Frame, frameBytes } from '../../src/protocol/frames.ts'

/** What arrives, as number/base, and the numbers that may be processed then. */
const transcripts: Record<string, readonly (readonly [arrives: string, due: readonly number[]])[]> = {
  'frames in order are processed at once': [
    ['0/0', [0]],
    ['1/0', [1]],
    ['2/1', [2]],
  ],
  'a lane heard for the first time begins at the base': [
    ['7/7', [7]],
    ['8/7', [8]],
  ],
  'a frame waits for the ones before it': [
    ['2/0', []],
    ['1/0', []],
    ['0/0', [0, 1, 2]],
    ['3/0', [3]],
  ],
  'a gap that its sender has given up does not hold back': [
    ['0/0', [0]],
    ['2/0', []],
    ['3/2', [2, 3]],
  ],
  'a higher base sets free what follows it, and not what comes after the next gap': [
    ['3/0', []],
    ['5/0', []],
    ['6/3', [3]],
    ['4/3', [4, 5, 6]],
  ],
  'a frame below the base is dropped: it was settled, or comes again under a higher number': [
    ['0/0', [0]],
    ['2/2', [2]],
    ['1/0', []],
    ['0/0', []],
  ],
  'a frame that was admitted before is given out again': [
    ['0/0', [0]],
    ['1/0', [1]],
    ['0/0', [0]],
    ['1/0', [1]],
    ['2/0', [2]],
  ],
  'a lane that is numbered anew begins at its new base, and what it held under old numbers is gone': [
    ['0/0', [0]],
    ['2/0', []],
    ['10/10', [10]],
    ['11/10', [11]],
    ['1/0', []],
  ],
  'of a frame held back twice one is processed': [
    ['1/0', []],
    ['1/0', []],
    ['0/0', [0, 1]],
  ],
}

for (const [title, steps] of Object.entries(transcripts))
  test(title, (t) => {
    const lanes = createLanes()
    for (const [arrives, due] of steps) {
      const [lane, base] = arrives.split('/').map(Number)
      t.deepEqual(numbersOf(admit(lanes, 'client', frame(lane!, base!), 0)), due, arrives)
    }
    t.deepEqual([lanes.heldFrames, lanes.heldBytes, lanes.holding.size], [0, 0, 0], 'nothing is left behind')
  })

test('lanes of other senders and of other actors do not wait for each other', (t) => {
  const lanes = createLanes()
  t.deepEqual(admit(lanes, 'client', frame(1, 0), 0), [])
  t.is(admit(lanes, 'other', frame(0, 0), 0).length, 1)
  t.is(admit(lanes, 'client', { ...frame(0, 0), actor: 'b' }, 0).length, 1)
  t.is(admit(lanes, 'client', { ...frame(0, 0), type: 'other' }, 0).length, 1)
})

test('a frame held back is handed back when its time is over, and does not block the lane', (t) => {
  const lanes = createLanes()
  admit(lanes, 'client', { ...frame(1, 0), leftMs: 500 }, 1_000)
  admit(lanes, 'client', { ...frame(2, 0), leftMs: 5_000 }, 1_000)

  t.deepEqual(sweep(lanes, 1_499), [])
  t.deepEqual(numbersOf(sweep(lanes, 1_500)), [1])
  t.deepEqual(sweep(lanes, 1_501), [])

  t.deepEqual(numbersOf(admit(lanes, 'client', frame(3, 2), 1_600)), [2, 3])
})

test('a refusal is remembered by the id of the frame, whatever its number', (t) => {
  const lanes = createLanes()
  const why = refuse('OVERLOADED', 'full')
  const [first] = admit(lanes, 'client', frame(0, 0), 0)
  noteRefusal(lanes, first!, why)

  const [again] = admit(lanes, 'client', { ...frame(5, 5), id: first!.id }, 10)
  t.is(refusalOf(lanes, again!), why)
  const [later] = admit(lanes, 'client', frame(6, 5), 10)
  t.is(refusalOf(lanes, later!), undefined)
})

test('the memory of refusals is bounded and forgets the oldest', (t) => {
  const lanes = createLanes()
  const why = refuse('OVERLOADED', 'full')
  for (let i = 0; i <= limits.parkedFramesMax; i++) noteRefusal(lanes, { id: `f-${i}` }, why)
  t.is(refusalOf(lanes, { id: 'f-0' }), undefined)
  t.is(refusalOf(lanes, { id: 'f-1' }), why)
})

test('what is held back is bounded by count: beyond it frames are refused', (t) => {
  const lanes = createLanes()
  for (let i = 1; i <= limits.parkedFramesMax; i++) t.deepEqual(admit(lanes, 'client', frame(i, 0), 0), [])

  const beyond = frame(limits.parkedFramesMax + 1, 0)
  t.deepEqual(admit(lanes, 'client', beyond, 0), [beyond])
  t.is(refusalOf(lanes, beyond)?.code, 'OVERLOADED')

  t.is(admit(lanes, 'client', frame(0, 0), 0).length, limits.parkedFramesMax + 1)
  t.is(lanes.heldFrames, 0)
})

test('what is held back is bounded by bytes', (t) => {
  const lanes = createLanes()
  const large = { ...frame(1, 0), body: new Uint8Array(limits.parkedBytesMax - 2_000) }
  t.deepEqual(admit(lanes, 'client', large, 0), [])
  const more = { ...frame(2, 0), body: new Uint8Array(2_000) }
  t.deepEqual(admit(lanes, 'client', more, 0), [more])
  t.is(lanes.heldBytes, frameBytes(large))
})

test('a lane is forgotten when it was not used for as long as a call can wait, and begins again at the base', (t) => {
  const lanes = createLanes()
  admit(lanes, 'client', frame(4, 4), 0)
  age(lanes, 0, 3 * limits.timeoutMsMax)
  t.is(lanes.young.lanes.size + lanes.old.lanes.size, 0)
  t.deepEqual(numbersOf(admit(lanes, 'client', frame(9, 8), 0)), [])
  t.deepEqual(numbersOf(admit(lanes, 'client', frame(8, 8), 0)), [8, 9])
})

test('a lane in use is never forgotten', (t) => {
  const lanes = createLanes()
  t.deepEqual(numbersOf(admit(lanes, 'client', frame(0, 0), 0)), [0])
  for (let nowMs = 0; nowMs < 10 * limits.timeoutMsMax; nowMs += 0.9 * limits.timeoutMsMax) {
    sweep(lanes, nowMs)
    t.deepEqual(numbersOf(admit(lanes, 'client', frame(1, 0), nowMs)), [1], 'it would wait for 0 in a new lane')
  }
})

test('clear gives back what was held, in order, and forgets the rest', (t) => {
  const lanes = createLanes()
  admit(lanes, 'client', frame(0, 0), 0)
  for (const number of [3, 2, 5]) admit(lanes, 'client', frame(number, 0), 0)
  t.deepEqual(numbersOf(clear(lanes)), [2, 3, 5])
  t.deepEqual(lanes, createLanes())
})

test('a request that was opened before is known by its first number, under whatever number it comes again', (t) => {
  const lanes = createLanes()
  const opened = (lane: number, base: number, first = lane): string => {
    admit(lanes, 'client', frame(lane, base, first), 0)
    return noteOpening(lanes, 'client', frame(lane, base, first))
  }
  t.is(opened(0, 0), 'first')
  t.is(opened(1, 1), 'first')
  t.is(opened(5, 5, 1), 'again')
  t.is(opened(6, 6), 'first')
  t.is(noteOpening(lanes, 'another client', frame(5, 5, 1)), 'first')
})

function age(lanes: Lanes, fromMs: number, toMs: number): void {
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += limits.timeoutMsMax / 4) sweep(lanes, nowMs)
}

const numbersOf = (frames: readonly Frame[]): readonly number[] => frames.map(({ lane }) => lane)

const frame = (lane: number, base: number, first = lane): Frame => ({
  id: `f-${lane}`,
  op: 'ask',
  type: 'counter',
  actor: 'a',
  shard: 'main.1',
  body: new Uint8Array(3),
  leftMs: 5_000,
  view: 1,
  lane,
  base,
  first,
})
