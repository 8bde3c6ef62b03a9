import { stripVTControlCharacters } from 'node:util'
import test from 'ava'
import { type Column, createTable } from '../../src/cli/table.ts'
import { TestOutput } from '../support/shell.ts'

interface Row {
  readonly id: string
  readonly count: number
}

const columns: readonly Column<Row>[] = [
  { title: 'ID', of: (row) => row.id, style: () => 'bold' },
  { title: 'COUNT', of: (row) => row.count, align: 'right' },
]

test('columns are as wide as what is in them, by what a terminal shows', async (t) => {
  const output = new TestOutput()
  await createTable(output, columns).write([
    { id: '日本-😀', count: 7 },
    { id: 'a', count: 1234567 },
  ])
  t.is(output.text, ['ID         COUNT', '日本-😀        7', 'a        1234567', ''].join('\n'))
})

test('a later piece has no header, and only widens', async (t) => {
  const output = new TestOutput()
  const table = createTable(output, columns)
  await table.write([{ id: 'abcd', count: 1 }])
  await table.write([{ id: 'a', count: 2 }])
  t.is(output.text, ['ID    COUNT', 'abcd      1', 'a         2', ''].join('\n'))
})

test('without rows there is the header', async (t) => {
  const output = new TestOutput()
  await createTable(output, columns).write([])
  t.is(output.text, 'ID  COUNT\n')
})

test('an id cannot steer the terminal', async (t) => {
  const output = new TestOutput(true)
  await createTable(output, columns).write([{ id: 'a\u001b[2J\n\u202e', count: 1 }])
  t.true(output.text.includes('a\\u{1b}[2J\\u{a}\\u{202e}  '))
})

test('colours do not move columns', async (t) => {
  const plain = new TestOutput()
  const coloured = new TestOutput(true, true)
  for (const output of [plain, coloured]) await createTable(output, columns).write([{ id: 'abcd', count: 1 }])
  t.not(coloured.text, plain.text)
  t.is(stripVTControlCharacters(coloured.text), plain.text)
})
