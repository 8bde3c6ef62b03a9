/** Broker: the nats-server of a soak: it goes, in good order or by a kill, and comes back on the same port and the same store. A
 *  process that is killed leaves what it wrote to the kernel, so every promise holds across both. */

import { ensureNatsServer, type NatsServer, startNatsServer } from '../../src/workers/nats-server.ts'

export interface Broker {
  readonly port: number
  readonly isUp: boolean
  go(how: 'SIGTERM' | 'SIGKILL'): Promise<void>
  comeBack(): Promise<void>
  /** It goes for good. */
  end(): Promise<void>
}

export async function startBroker(storeDir: string): Promise<Broker> {
  const binary = await ensureNatsServer()
  let server: NatsServer | undefined = await startNatsServer({ binary, storeDir })
  const { port } = server
  let isOver = false
  /** One thing after the other: what is about to start must not outlive the end. */
  let turn: Promise<void> = Promise.resolve()
  const inTurn = (act: () => Promise<void>): Promise<void> => (turn = turn.then(act, act))

  async function go(how: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const going = server
    server = undefined
    await (how === 'SIGTERM' ? going?.stop() : going?.kill())
  }

  return {
    port,
    get isUp() {
      return server !== undefined
    },
    go: (how) => inTurn(() => go(how)),
    comeBack: () =>
      inTurn(async () => {
        if (!isOver) server ??= await startNatsServer({ binary, storeDir, port })
      }),
    end() {
      isOver = true
      return inTurn(() => go('SIGTERM'))
    },
  }
}
