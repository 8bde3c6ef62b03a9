/** A TCP proxy between a client and nats-server that misbehaves on request, for everything that real networks do and a
 *  server on 127.0.0.1 does not. It knows nothing of the NATS protocol: moments are found by a text in the client's bytes,
 *  such as a subject, and a text is only found within one chunk, which small messages never leave. */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { sleep, systemClock } from '../../src/base/clock.ts'

/** What of the chunk in which the text was found still reaches the server: nothing, the part up to the text, all of it. */
export type CutPoint = 'before' | 'within' | 'after'

export interface Proxy {
  /** Where clients connect. They must not learn the server's own address, or they would go around the proxy. */
  readonly url: string
  /** Breaks every connection. New ones are taken at once. */
  cut(): void
  /** Breaks the connection whose client next sends `text`. With 'after', the server gets it and the answer is lost.
   *  Resolves when that has happened. */
  cutAt(text: string, point: CutPoint): Promise<void>
  /** Resolves when a client next sends `text`, which is passed on after the delay as ever. */
  seen(text: string): Promise<void>
  /** Breaks every connection, and new ones as soon as they come, until `accept`. */
  refuse(): void
  accept(): void
  /** Calls `listener` for each connection that is refused. */
  onRefused(listener: () => void): void
  /** Loses what the server sends, on connections that stay up; false: passes it on again. */
  swallow(on: boolean): void
  /** Neither passes on nor takes anything more on the connections of now, which stay up: a pulled cable. */
  freeze(): void
  /** Carries nothing, on the connections of now and on new ones, which come up all the same; false: carries what has waited meanwhile,
   *  as TCP does when a network is back. */
  silence(on: boolean): void
  /** Holds every chunk of both directions back for so long. */
  delay(ms: number): void
  stop(): Promise<void>
}

interface Trap {
  readonly text: string
  readonly point: CutPoint
  readonly sprung: () => void
}

export async function startProxy(serverPort: number): Promise<Proxy> {
  const pairs = new Set<{ client: Socket; server: Socket }>()
  let trap: Trap | undefined
  let lookout: { readonly text: string; readonly seen: () => void } | undefined
  let refusing = false
  let refused = (): void => {}
  let swallowing = false
  let silent = false
  let delayMs = 0

  const listener = createServer((client) => {
    if (refusing) {
      client.destroy()
      return refused()
    }
    const server = connect(serverPort, '127.0.0.1')
    const pair = { client, server }
    pairs.add(pair)
    forward(client, server, (chunk) => {
      if (lookout && chunk.includes(lookout.text)) {
        lookout.seen()
        lookout = undefined
      }
      const at = trap ? chunk.indexOf(trap.text) : -1
      if (!trap || at < 0) return chunk
      const { text, point, sprung } = trap
      trap = undefined
      client.destroy()
      // `end`, not `destroy`: what was forwarded must arrive.
      if (point === 'before') server.end()
      else server.end(point === 'after' ? chunk : chunk.subarray(0, at + text.length))
      sprung()
      return undefined
    })
    forward(server, client, (chunk) => (swallowing ? undefined : chunk))
    client.once('close', () => pairs.delete(pair))
    if (silent) hush(pair)
  })

  /** Sends on what `pass` gives back of each chunk, in order, and closes with the source. */
  function forward(from: Socket, to: Socket, pass: (chunk: Buffer) => Buffer | undefined): void {
    let turn = Promise.resolve()
    const inTurn = (step: () => void): void => {
      const due = systemClock.now().monoMs + delayMs
      turn = turn.then(() => wait(due - systemClock.now().monoMs)).then(step)
    }
    from.setNoDelay(true)
    from.on('error', () => {})
    from.on('data', (chunk) => {
      const passed = pass(chunk)
      if (passed) inTurn(() => to.write(passed))
    })
    from.on('close', () => void (to.writableEnded || to.destroy()))
  }

  const hush = ({ client, server }: { client: Socket; server: Socket }): void => {
    client.pause()
    server.pause()
  }

  const cut = (): void => {
    for (const { client, server } of pairs) {
      client.destroy()
      server.destroy()
    }
  }

  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    url: `nats://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    cut,
    cutAt: (text, point) => new Promise((sprung) => void (trap = { text, point, sprung })),
    seen: (text) => new Promise((seen) => void (lookout = { text, seen })),
    refuse() {
      refusing = true
      cut()
    },
    accept: () => void (refusing = false),
    onRefused: (call) => void (refused = call),
    swallow: (on) => void (swallowing = on),
    freeze: () => pairs.forEach(hush),
    silence(on) {
      silent = on
      for (const pair of pairs) {
        if (on) hush(pair)
        else for (const socket of [pair.client, pair.server]) socket.resume()
      }
    },
    delay: (ms) => void (delayMs = ms),
    async stop() {
      cut()
      listener.close()
      await once(listener, 'close')
    },
  }
}

const wait = (ms: number): Promise<void> => (ms > 0 ? sleep(systemClock, ms) : Promise.resolve())
