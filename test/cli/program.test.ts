import { readFileSync } from 'node:fs'
import test from 'ava'
import { runCommand } from '../support/shell.ts'

const commands = ['spawn', 'ask', 'tell', 'get', 'stop', 'locate', 'node', 'ps', 'nodes', 'drain']

test('the help lists every command, how to begin, and the exit codes', async (t) => {
  const { exitCode, stdout, stderr } = await runCommand(['--help'])
  t.is(exitCode, 0)
  t.is(stderr, '')
  for (const name of commands) t.regex(stdout, new RegExp(`^ {2}${name} .*[A-Z]`, 'm'))
  t.regex(stdout, /To begin/)
  t.regex(stdout, /^Exit codes:\n {2}0 {4}done$/m)
  t.deepEqual(await runCommand([]), { exitCode, stdout, stderr })
})

for (const name of commands) {
  test(`the help of ${name} has defaults, variables and examples`, async (t) => {
    const { exitCode, stdout } = await runCommand(['help', name])
    t.is(exitCode, 0)
    t.regex(stdout, new RegExp(`^Usage: godwit ${name} `))
    t.regex(stdout, /--cluster <NAME> .*\(required, \$GODWIT_CLUSTER\)/)
    t.regex(stdout, /nats:\/\/127\.0\.0\.1:4222/)
    t.regex(stdout, new RegExp(`^Examples:\n( {2}# .*\n {2}.*godwit ${name}.*\n)+`, 'm'))
    t.deepEqual(await runCommand([name, '--help']), { exitCode, stdout, stderr: '' })
  })
}

test('no line of a help text is wider than a terminal of the usual width, examples apart', async (t) => {
  for (const name of commands) {
    const { stdout } = await runCommand(['help', name])
    const wide = stdout.split('\n').filter((line) => line.length > 100 && !line.includes('godwit node --cluster'))
    t.deepEqual(wide, [])
  }
})

test('the version is that of the package', async (t) => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  t.is((await runCommand(['--version'])).stdout, `${version}\n`)
})

const at = ['--cluster', 'demo']

const wrong: readonly [words: readonly string[], message: string][] = [
  [['akk'], "unknown command 'akk'; did you mean ask?"],
  [['help', 'akk'], "unknown command 'akk'"],
  [['ask', 'counter', 'c1', 'INC', '--timeuot', '5', ...at], "unknown option '--timeuot'; did you mean --timeout?"],
  [['ask', 'counter', ...at], "missing required argument 'id'"],
  [['get', 'counter', 'c1', 'c2', ...at], "too many arguments for 'get'. Expected 2 arguments but got 3."],
  [['get', 'counter', 'c1'], '--cluster <NAME> is missing (or the variable GODWIT_CLUSTER)'],
  [['node', '--id', 'n1', ...at], '--actors <FILES> is missing (or the variable GODWIT_ACTORS)'],
  [
    ['get', 'counter', 'c1', '--timeout', '5s', ...at],
    "option '--timeout <MS>' argument '5s' is invalid. It must be a whole number from 1.",
  ],
  [['ask', 'counter', 'c1', '{}', ...at], 'the event must be a JSON object with a text as its "type": {"type": "INC"}'],
  [['get', 'counter', 'c1', '--servers', ',', ...at], '--servers names no server'],
  [['get', 'counter', 'c1', '--tls-cert', 'x', ...at], '--tls-cert and --tls-key go together: one is missing'],
]

for (const [words, message] of wrong) {
  test(`exit code 2: godwit ${words.join(' ')}`, async (t) => {
    const { exitCode, stdout, stderr } = await runCommand(words)
    t.is(exitCode, 2)
    t.is(stdout, '')
    t.regex(stderr, /^godwit: .*\n {2}See: godwit help( \w+)?\n$/)
    t.is(stderr.split('\n')[0], `godwit: ${message}`)
  })
}

test('a usage error is JSON for a program', async (t) => {
  const { stderr } = await runCommand(['get', 'counter', '--json'])
  t.like(JSON.parse(stderr), { error: { code: 'USAGE', retryable: false } })
})

test('an nkey that is neither a seed nor a file is refused', async (t) => {
  const { exitCode, stderr } = await runCommand(['nodes', '--nkey', '/nowhere', ...at])
  t.is(exitCode, 2)
  t.regex(stderr, /--nkey is neither a seed nor a file that can be read/)
})

test('a cluster that cannot be reached is exit code 3', async (t) => {
  const { exitCode, stderr } = await runCommand(['nodes', '--servers', 'nats://127.0.0.1:1', ...at])
  t.is(exitCode, 3)
  t.regex(stderr, /^godwit: UNAVAILABLE: NATS at nats:\/\/127\.0\.0\.1:1 cannot be reached/)
})
