import test, { type ExecutionContext } from 'ava'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { judge, noteAnswer, noteMissing, noteStanding, openAccount } from '../../examples/demo/ledger.ts'

// The whole demo, small

for (const { name, flags } of [
  { name: 'embedded', flags: ['--embedded'] },
  { name: 'on a nats-server', flags: [] },
]) {
  test.serial(`the demo ${name} plays its story to a good end`, async (t) => {
    const { code, output } = await runDemo([...flags, '--actors', '60', '--seconds', '1'])
    t.is(code, 0, output)
    for (const chapter of ['start', 'spawn', 'calm', 'join', 'kill -9', 'drain', 'audit'])
      t.regex(output, new RegExp(`^\\d\\d:\\d\\d  ${chapter} `, 'm'))
    for (const finding of ['0 lost', '0 doubled', '0 unanswered', '18 reminders', '12 websockets'])
      t.regex(output, new RegExp(`^  ✔ ${finding}  `, 'm'))
    assertCountsEqual(t, output)
    t.regex(output, /stale: 0 accepted/)
  })
}

test('the demo explains itself, and refuses what cannot be', async (t) => {
  const help = await runDemo(['--help'])
  t.is(help.code, 0)
  t.regex(help.output, /--embedded/)
  t.is((await runDemo(['--actors', 'many'])).code, 2)
})

function assertCountsEqual(t: ExecutionContext, output: string): void {
  const [, answered, declined = '0', counted] =
    /([\d,]+) asks answered(?: \(([\d,]+) declined\))?, ([\d,]+) counted/.exec(output) ?? []
  t.true(numberOf(answered!) > 0)
  t.is(numberOf(answered!) - numberOf(declined), numberOf(counted!))
}

const numberOf = (text: string): number => Number(text.replaceAll(',', ''))

async function runDemo(args: readonly string[]): Promise<{ code: number; output: string }> {
  const demo = fileURLToPath(new URL('../../examples/demo.ts', import.meta.url))
  return new Promise((resolve) => {
    execFile(process.execPath, ['--import', 'tsx', demo, ...args], { timeout: 100_000 }, (failed, stdout, stderr) => {
      resolve({ code: failed === null ? 0 : Number(failed.code ?? 1), output: `${stdout}${stderr}` })
    })
  })
}

// The ledger

test('an answer says one more than the one before', (t) => {
  const account = openAccount('counter', '1')
  noteAnswer(account, 1)
  noteAnswer(account, 2)
  noteStanding(account, 2)
  t.like(account, { count: 2, lost: 0, doubled: 0 })
})

test('an answered ask that the actor does not count is lost', (t) => {
  const account = openAccount('counter', '1')
  noteAnswer(account, 1)
  noteAnswer(account, 1)
  t.like(account, { lost: 1, doubled: 0 })
  noteStanding(account, 0)
  t.like(account, { lost: 2, doubled: 0 })
})

test('an ask that counts twice is doubled', (t) => {
  const account = openAccount('counter', '1')
  noteAnswer(account, 2)
  t.like(account, { lost: 0, doubled: 1 })
  noteStanding(account, 3)
  t.like(account, { lost: 0, doubled: 2 })
})

test('an ask without an answer may count once or not at all', (t) => {
  const account = openAccount('counter', '1')
  account.open = 1
  noteAnswer(account, 2)
  t.like(account, { lost: 0, doubled: 0, open: 0 })
  noteAnswer(account, 4)
  t.like(account, { lost: 0, doubled: 1 })
})

test('an actor that is gone has lost what it was asked, and itself', (t) => {
  const asked = openAccount('counter', '1')
  noteAnswer(asked, 1)
  noteAnswer(asked, 2)
  noteMissing(asked)
  t.is(asked.lost, 2)
  const fresh = openAccount('counter', '2')
  noteMissing(fresh)
  t.is(fresh.lost, 1)
})

test('a reminder is kept if it fired once and not before its time', (t) => {
  const appointment = { id: '1', delayMs: 100, sentAtMs: 1_000, answeredAtMs: 1_010 }
  t.deepEqual(judge(appointment, 1, 1_130), { kind: 'kept', lateMs: 20 })
  t.deepEqual(judge(appointment, 1, 1_105), { kind: 'kept', lateMs: 0 })
  t.deepEqual(judge(appointment, 1, 1_090), { kind: 'early' })
  t.deepEqual(judge(appointment, 2, 1_130), { kind: 'twice' })
  t.deepEqual(judge(appointment, 0, null), { kind: 'unfired' })
})
