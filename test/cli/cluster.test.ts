/** The command line on a real cluster: a nats-server, and nodes that are processes of their own. */

import test, { type ExecutionContext } from 'ava'
import { type CliProcess, startCli } from '../support/cli-process.ts'
import { startNats } from '../support/nats.ts'
import { type Ran, runCommand } from '../support/shell.ts'

const nats = await startNats()
test.after.always(() => nats.stop())

const actors = 'actors/counter.ts,actors/reminder.ts'

test.serial('every command, on two nodes', async (t) => {
  const where = ['--servers', nats.url, '--cluster', 'words']
  const n1 = startNode(t, ['--id', 'n1', '--zone', 'a', '--health-port', '0', '--actors', actors, ...where])
  const ready = JSON.parse((await n1.says(/^\{"event":"ready".*\}$/m))[0]) as { healthPort: number; pid: number }
  t.like(ready, { node: 'n1', cluster: 'words', view: 1, durability: { name: 'ack', replicas: 1 }, pid: n1.child.pid })
  t.is((await fetch(`http://127.0.0.1:${ready.healthPort}/readyz`)).status, 200)
  // The same by variables.
  const variables = {
    GODWIT_SERVERS: nats.url,
    GODWIT_CLUSTER: 'words',
    GODWIT_ID: 'n2',
    GODWIT_ACTORS: actors,
    GODWIT_ZONE: 'b',
  }
  const n2 = startNode(t, [], variables)
  await n2.says(/"event":"ready"/)

  const godwit = (...words: string[]): Promise<Ran> => runCommand([...words, ...where])
  const json = async (...words: string[]): Promise<unknown> => {
    const { exitCode, stdout, stderr } = await godwit(...words, '--json')
    t.deepEqual([exitCode, stderr], [0, ''])
    t.is(stdout.indexOf('\n'), stdout.length - 1, 'one line')
    return JSON.parse(stdout)
  }
  const prints = async (words: readonly string[], stdout: string | RegExp): Promise<void> => {
    const ran = await godwit(...words)
    t.deepEqual([ran.exitCode, ran.stderr], [0, ''])
    if (typeof stdout === 'string') t.is(ran.stdout, stdout)
    else t.regex(ran.stdout, stdout)
  }
  const refuses = async (words: readonly string[], exitCode: number, stderr: RegExp): Promise<void> => {
    const ran = await godwit(...words)
    t.deepEqual([ran.exitCode, ran.stdout], [exitCode, ''])
    t.regex(ran.stderr, stderr)
  }

  await prints(['spawn', 'counter', 'c1', 'start=5'], /^counter\/c1 began on n[12] \(shard main\.\d+, epoch \d+\)\n$/)
  await prints(['spawn', 'counter', 'c1', '{"start":5}'], /^counter\/c1 lives already, on n[12] /)
  t.like(await json('spawn', 'counter', 'a b/ü😀'), { created: true, type: 'counter', id: 'a b/ü😀' })
  await prints(['spawn', 'reminder', 'r1', 'text=tea', 'delayMs=3600000'], /began/)

  await prints(['ask', 'counter', 'c1', 'INC'], '6\n')
  await prints(['ask', 'counter', 'c1', '{"type":"INC"}', '--request-id', 'r-1', '--timeout', '9000'], '7\n')
  await prints(['ask', 'counter', 'c1', '{"type":"INC"}', '--request-id', 'r-1'], '7\n')
  t.deepEqual(await json('ask', 'counter', 'c1', 'INC'), { handled: true, reply: 8 })
  t.deepEqual(await runCommand(['ask', 'counter', 'c1', '-', ...where], { stdin: '{"type":"INC"}' }), {
    exitCode: 0,
    stdout: '9\n',
    stderr: '',
  })

  await prints(['tell', 'counter', 'c1', 'INC'], 'counter/c1 has taken INC\n')
  t.deepEqual(await json('tell', 'reminder', 'r1', 'CANCEL'), {})
  await refuses(['ask', 'reminder', 'r1', 'CANCEL'], 4, /no transition for CANCEL in its present state, 'cancelled'/)

  await prints(['get', 'counter', 'c1'], 'counter/c1\nstatus   active\nstate    {}\ncontext  { count: 10 }\n')
  t.deepEqual(await json('get', 'counter', 'c1'), { status: 'active', value: {}, context: { count: 10 }, tags: [] })
  const { node, shard } = (await json('locate', 'counter', 'c1')) as { node: string; shard: string }
  await prints(
    ['locate', 'counter', 'c1'],
    new RegExp(`^counter/c1 lives on ${node} \\(shard ${shard}, epoch \\d+\\)\n$`),
  )

  await prints(['ps'], /^TYPE {6}ID {7}STATUS {2}NODE {2}SHARD\n(counter .*\n){2}reminder {2}r1 .*\n$/)
  await prints(['ps', '--type', 'reminder'], /^TYPE .*\nreminder {2}r1 .*\n$/)
  const listed = await godwit('ps', '--json')
  const rows = listed.stdout.split('\n').slice(0, -1)
  t.deepEqual(
    rows.map((row) => (JSON.parse(row) as { id: string }).id),
    ['a b/ü😀', 'c1', 'r1'],
  )
  const onTerminal = await runCommand(['ps', ...where], { isTerminal: true })
  t.regex(onTerminal.stdout, /\n3 actors\n$/)

  await prints(['nodes'], /^NODE {2}STATE {2}ZONE {2}SHARDS {2}ACTORS\nn1 +up +a +\d+ +\d\nn2 +up +b +\d+ +\d\n$/)
  t.like(await json('nodes'), { nodes: [{ id: 'n1', state: 'up' }, { id: 'n2' }] })

  await refuses(['ask', 'counter', 'c9', 'INC'], 1, /^godwit: ACTOR_NOT_FOUND: .*c9/)
  await refuses(['ask', 'counter', 'c1', 'NOPE'], 1, /^godwit: EVENT_REJECTED: .*NOPE/)
  await refuses(['spawn', 'gadget', 'g1'], 1, /^godwit: TYPE_UNKNOWN: .*gadget/)
  await refuses(['get', 'count er', 'c1'], 1, /^godwit: BAD_REQUEST: /)
  await refuses(['get', 'counter', 'c1', '--timeout', '61000'], 1, /^godwit: BAD_REQUEST: timeoutMs/)
  await refuses(['drain', 'n9'], 1, /^godwit: BAD_REQUEST: .*n9/)
  const { stderr } = await godwit('get', 'counter', 'c9', '--json')
  t.like(JSON.parse(stderr), { error: { code: 'ACTOR_NOT_FOUND', retryable: false, mayHaveRun: false } })

  await prints(['drain', 'n1'], 'n1 has left\n')
  t.is(await n1.ended, 0)
  t.is(n1.stdout().split('\n').length, 2, 'one line on standard output')
  for (const line of n1.stderr().trim().split('\n')) t.like(JSON.parse(line), { node: 'n1', cluster: 'words' })
  t.deepEqual(await json('get', 'counter', 'c1'), { status: 'active', value: {}, context: { count: 10 }, tags: [] })
  t.deepEqual(await json('stop', 'counter', 'c1'), { stopped: true })
  await prints(['stop', 'counter', 'c1'], 'there was no counter/c1\n')

  n2.child.kill('SIGTERM')
  t.is(await n2.ended, 0)
})

test.serial('a node that is refused says why and exits with 1', async (t) => {
  const where = ['--servers', nats.url, '--cluster', 'refused', '--actors', 'actors/counter.ts']
  const first = startNode(t, ['--id', 'n1', ...where])
  await first.says(/"event":"ready"/)
  const other = startNode(t, ['--id', 'n2', '--shards', '3', ...where])
  t.is(await other.ended, 1)
  t.regex(other.stderr(), /^godwit: BAD_REQUEST: .*shards: 64 in the cluster, 3 here/m)
  t.is(other.stdout(), '')
  first.child.kill('SIGINT')
  t.is(await first.ended, 0)
})

test.serial('a second signal ends a node that is still leaving', async (t) => {
  const where = ['--servers', nats.url, '--cluster', 'clinging']
  const node = startNode(t, ['--id', 'n1', '--actors', 'test/cli/fixtures/clinging.ts', ...where])
  await node.says(/"event":"ready"/)
  t.is((await runCommand(['spawn', 'clinging', 'c1', ...where])).exitCode, 0)
  node.child.kill('SIGTERM')
  await node.says(/SIGTERM: handing everything over/)
  node.child.kill('SIGTERM')
  t.is(await node.ended, 143)
})

test.serial('a node without a server exits with 3, one with a wrong module with 2', async (t) => {
  const where = ['--id', 'n1', '--cluster', 'nowhere', '--servers', 'nats://127.0.0.1:1']
  const lost = startNode(t, ['--actors', 'actors/counter.ts', ...where])
  const empty = startNode(t, ['--actors', 'nowhere.ts', ...where])
  t.is(await lost.ended, 3)
  t.regex(lost.stderr(), /^godwit: UNAVAILABLE: NATS at nats:\/\/127\.0\.0\.1:1 cannot be reached/m)
  t.is(await empty.ended, 2)
  t.regex(empty.stderr(), /^godwit: actor module .*\/nowhere\.ts does not exist$/m)
})

test.serial('a reader that has read enough is no failure', async (t) => {
  const godwit = startCli(['help', 'node'])
  godwit.child.stdout!.destroy()
  t.is(await godwit.ended, 0)
  t.is(godwit.stderr(), '')
})

function startNode(t: ExecutionContext, words: readonly string[], env: NodeJS.ProcessEnv = {}): CliProcess {
  const node = startCli(['node', ...words], env)
  t.teardown(() => void node.child.kill('SIGKILL'))
  return node
}
