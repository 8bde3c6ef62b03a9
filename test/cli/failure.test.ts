import test from 'ava'
import { type Circumstances, report, UsageError } from '../../src/cli/failure.ts'
import { type ErrorCode, errorCodes, GodwitError } from '../../src/index.ts'
import { TestOutput, textOf } from '../support/shell.ts'

async function reported(thrown: unknown, circumstances: Partial<Circumstances> = {}) {
  const stderr = new TestOutput()
  const shell = { stdin: textOf(''), stdout: new TestOutput(), stderr, exitCode: 0 }
  await report(shell, thrown, { command: 'ask', json: false, ...circumstances })
  return { exitCode: shell.exitCode, text: stderr.text }
}

for (const code of Object.keys(errorCodes) as ErrorCode[]) {
  test(`${code} has its exit code and its words`, async (t) => {
    const { exitCode, text } = await reported(new GodwitError(code, 'so it is'))
    t.is(exitCode, code === 'UNAVAILABLE' || code === 'DEADLINE' ? 3 : 1)
    t.true(text.startsWith(`godwit: ${code}: so it is\n`))
  })
}

test('a request in doubt is told how to be sent again', async (t) => {
  const { text } = await reported(new GodwitError('DEADLINE', 'no answer'), { requestId: 'r-1' })
  t.regex(text, /may have run.*--request-id r-1/)
})

test('a request that has certainly not run is not called in doubt', async (t) => {
  const { text } = await reported(new GodwitError('OVERLOADED', 'full'), { requestId: 'r-1' })
  t.notRegex(text, /may have run/)
})

test('a program gets one line of JSON', async (t) => {
  const { text } = await reported(new GodwitError('DEADLINE', 'no\nanswer'), { json: true, requestId: 'r-1' })
  t.is(text.indexOf('\n'), text.length - 1)
  t.deepEqual(JSON.parse(text), {
    error: { code: 'DEADLINE', message: 'no\nanswer', retryable: true, mayHaveRun: true, requestId: 'r-1' },
  })
})

test('a usage error names the help', async (t) => {
  t.deepEqual(await reported(new UsageError('no such flag')), {
    exitCode: 2,
    text: 'godwit: no such flag\n  See: godwit help ask\n',
  })
})

test('what nobody foresaw comes with its stack', async (t) => {
  const { exitCode, text } = await reported(new TypeError('x is not a function'))
  t.is(exitCode, 1)
  t.regex(text, /^godwit: INTERNAL: x is not a function\n {2}at .*failure\.test/)
})
