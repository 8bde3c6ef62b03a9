/** A real nats-server for one test file: on a free port of 127.0.0.1, with a store of its own that goes away at the end.
 *  `GODWIT_NATS_SERVER` names another binary, for a run on another version. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureNatsServer, type NatsServer, startNatsServer } from '../../src/workers/nats-server.ts'

export interface TestNatsOptions {
  readonly jetstream?: boolean
  /** Default: a new folder, removed by `stop`. */
  readonly dir?: string
  readonly port?: number
  /** More of the server's configuration. */
  readonly config?: string
}

export interface TestNats {
  readonly url: string
  readonly port: number
  /** Ends the server as a power cut would; `restart` brings it back. */
  kill(): Promise<void>
  /** The same port and store again; stops the server first if it runs. */
  restart(): Promise<void>
  /** Ends the server for good and removes its folder. */
  stop(): Promise<void>
}

export async function startNats(options: TestNatsOptions = {}): Promise<TestNats> {
  const binary = await ensureNatsServer()
  const storeDir = options.dir ?? (await mkdtemp(join(tmpdir(), 'godwit-test-nats-')))
  const { jetstream: jetStream = true, config } = options
  const start = (port: number | undefined): Promise<NatsServer> =>
    startNatsServer({ binary, storeDir, jetStream, ...(config !== undefined && { config }), ...(port && { port }) })
  let server = await start(options.port)
  return {
    url: server.url,
    port: server.port,
    kill: () => server.kill(),
    async restart() {
      await server.stop()
      server = await start(server.port)
    },
    async stop() {
      await server.stop()
      if (options.dir === undefined) await rm(storeDir, { recursive: true, force: true })
    },
  }
}
