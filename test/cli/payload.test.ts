import test from 'ava'
import { UsageError } from '../../src/cli/failure.ts'
import { readEvent, readInput } from '../../src/cli/payload.ts'
import { textOf } from '../support/shell.ts'

const events: readonly [words: readonly string[], event: unknown][] = [
  [['INC'], { type: 'INC' }],
  [['INC', 'by=2'], { type: 'INC', by: 2 }],
  [['SAY', 'text=good morning', 'loud=true', 'to=null'], { type: 'SAY', text: 'good morning', loud: true, to: null }],
  [['SAY', 'text=a=b', 'empty='], { type: 'SAY', text: 'a=b', empty: '' }],
  [['SEND', 'zip="01234"', 'list=[1,2]'], { type: 'SEND', zip: '01234', list: [1, 2] }],
  [['door.open'], { type: 'door.open' }],
  [['{"type":"INC","by":2}'], { type: 'INC', by: 2 }],
]

for (const [words, event] of events) {
  test(`the event of: ${words.join(' ')}`, async (t) => {
    t.deepEqual((await readEvent(words, textOf(''))) as unknown, event)
  })
}

test('an event comes from standard input', async (t) => {
  t.deepEqual((await readEvent(['-'], textOf('{"type": "INC"}\n'))) as unknown, { type: 'INC' })
})

test('a field named __proto__ is a field', async (t) => {
  const event = await readEvent(['INC', '__proto__={"a":1}'], textOf(''))
  t.is(Object.getPrototypeOf(event), Object.prototype)
  t.deepEqual(Object.keys(event).toSorted(), ['__proto__', 'type'])
})

const wrongEvents: readonly [words: readonly string[], reason: RegExp][] = [
  [['by=2'], /must begin with its type/],
  [[''], /must begin with its type/],
  [['INC', 'by'], /'by' is not a field: write key=value/],
  [['INC', 'type=DEC'], /stands first/],
  [['{}'], /a text as its "type"/],
  [['{"type":1}'], /a text as its "type"/],
  [['{"type":"INC"'], /is not JSON/],
  [['{"type":"INC"}', 'by=2'], /go with a bare event type/],
]

for (const [words, reason] of wrongEvents) {
  test(`no event: ${words.join(' ')}`, async (t) => {
    const thrown = await t.throwsAsync(readEvent(words, textOf('')), { instanceOf: UsageError })
    t.regex(thrown.message, reason)
  })
}

const inputs: readonly [words: readonly string[], input: unknown][] = [
  [[], undefined],
  [['{"start":5}'], { start: 5 }],
  [['5'], 5],
  [['"a=b"'], 'a=b'],
  [['start=5', 'name=Ann'], { start: 5, name: 'Ann' }],
]

for (const [words, input] of inputs) {
  test(`the input of: ${words.join(' ')}`, async (t) => {
    t.deepEqual(await readInput(words, textOf('')), input)
  })
}

test('an input comes from standard input', async (t) => {
  t.deepEqual(await readInput(['-'], textOf('[1]')), [1])
})

test('an input that is not JSON is refused', async (t) => {
  await t.throwsAsync(readInput(['start'], textOf('')), { instanceOf: UsageError, message: /the input is not JSON/ })
  await t.throwsAsync(readInput(['1', '2'], textOf('')), { instanceOf: UsageError, message: /one JSON value/ })
})
