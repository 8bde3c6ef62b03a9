import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import test, { type ExecutionContext } from 'ava'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { ensureNatsServer } from '../../src/workers/nats-server.ts'
import { type NatsCluster, natsConfigFile, startNatsCluster } from '../support/nats-cluster.ts'

const binary = await ensureNatsServer({ minVersion: '2.12', onProgress: (line) => console.error(line) })

test('the configuration is one that the server accepts', (t) => {
  const env = {
    SERVER_NAME: 'nats-1',
    CLIENT_LISTEN: '0.0.0.0:4222',
    CLUSTER_LISTEN: '0.0.0.0:6222',
    ROUTES: '[nats://nats-1:6222, nats://nats-2:6222]',
    STORE_DIR: newFolder(t),
  }
  t.notThrows(() => execFileSync(binary, ['-c', natsConfigFile, '-t'], { env, stdio: 'pipe' }))
})

test('docker-compose.yml sets every variable of the configuration', (t) => {
  const config = readFileSync(natsConfigFile, 'utf8')
  const compose = readFileSync(new URL('../../docker-compose.yml', import.meta.url), 'utf8')
  const variables = Array.from(config.matchAll(/: \$(\w+)/g), ([, name]) => name!)

  t.is(variables.length, 5)
  for (const name of variables) t.regex(compose, new RegExp(`^ +${name}: `, 'm'))
})

test('a stream of three replicas goes on without its leader, and with it again', async (t) => {
  const cluster = await startNatsCluster({ binary, dir: newFolder(t), servers: 3 })
  t.teardown(() => cluster.stop())
  const connection = await connect({ servers: [...cluster.urls], maxReconnectAttempts: -1, reconnectTimeWait: 100 })
  t.teardown(() => connection.close())
  const manager = await jetstreamManager(connection)
  await manager.streams.add({ name: 'story', subjects: ['story'], num_replicas: 3 })
  const append = async () => (await jetstream(connection).publish('story', 'x', { retries: 100 })).seq
  t.is(await append(), 1)

  const leader = await leaderBeside(cluster, 'story', undefined)
  await cluster.kill(leader)
  t.not(await leaderBeside(cluster, 'story', leader), leader)
  t.is(await append(), 2)

  await cluster.restart(leader)
  t.is(await append(), 3)
  const { state } = await manager.streams.info('story')
  t.is(state.messages, 3)
})

/** The leader as soon as there is one other than `former`. */
async function leaderBeside(cluster: NatsCluster, stream: string, former: number | undefined): Promise<number> {
  for (;;) {
    const leader = await cluster.leaderOf(stream)
    if (leader !== undefined && leader !== former) return leader
    await sleep(systemClock, 50)
  }
}

function newFolder(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'godwit-cluster-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
