/** Witness: a websocket server that has never heard of Godwit, and lets each actor in under the rule that every outside party
 *  should have: an epoch lower than the highest it has seen is refused, at the door and in each frame. What it counts is
 *  evidence from outside. */

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

export interface Testimony {
  /** Connections that are open now, and all that ever were. */
  readonly open: number
  readonly connections: number
  /** Frames that were accepted. */
  readonly frames: number
  readonly refusedConnections: number
  readonly refusedFrames: number
  /** Frames that were accepted under an epoch lower than that of an earlier accepted one. The rule makes this impossible; it is
   *  counted apart from the rule. */
  readonly acceptedStale: number
  /** Times when an actor had two connections at once, and the longest of them. */
  readonly overlaps: number
  readonly overlapMsMax: number
}

export interface Witness {
  readonly url: string
  testimony(): Testimony
  close(): Promise<void>
}

/** One actor as its other side knows it. */
interface Line {
  highestEpoch: number
  acceptedEpoch: number
  readonly sockets: Map<WebSocket, number>
}

export async function startWitness(): Promise<Witness> {
  const lines = new Map<string, Line>()
  const counts = {
    connections: 0,
    frames: 0,
    refusedConnections: 0,
    refusedFrames: 0,
    acceptedStale: 0,
    overlaps: 0,
    overlapMsMax: 0,
  }
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    verifyClient: ({ req }: { req: IncomingMessage }, answer: (ok: boolean, code?: number, why?: string) => void) => {
      const { line, epoch } = callerOf(req)
      const stale = epoch < line.highestEpoch
      if (stale) counts.refusedConnections++
      answer(!stale, 409, 'a newer owner was here')
    },
  })

  function callerOf({ headers }: IncomingMessage): { line: Line; epoch: number } {
    const actor = String(headers['godwit-actor'])
    const line = lines.get(actor) ?? { highestEpoch: 0, acceptedEpoch: 0, sockets: new Map<WebSocket, number>() }
    lines.set(actor, line)
    return { line, epoch: Number(headers['godwit-epoch']) }
  }

  server.on('connection', (socket, request) => {
    const { line, epoch } = callerOf(request)
    counts.connections++
    line.highestEpoch = Math.max(line.highestEpoch, epoch)
    for (const [other, otherEpoch] of line.sockets) {
      noteOverlap(other)
      if (otherEpoch < epoch) other.close(4409, 'a newer owner is here')
    }
    line.sockets.set(socket, epoch)
    socket.on('close', () => line.sockets.delete(socket))
    socket.on('error', () => {}) // 'close' follows
    socket.on('message', (data: Buffer) => hear(socket, line, JSON.parse(data.toString()) as { epoch: number }))
  })

  function noteOverlap(other: WebSocket): void {
    counts.overlaps++
    const sinceMs = performance.now()
    other.once('close', () => {
      counts.overlapMsMax = Math.max(counts.overlapMsMax, performance.now() - sinceMs)
    })
  }

  function hear(socket: WebSocket, line: Line, { epoch }: { epoch: number }): void {
    if (epoch < line.highestEpoch) {
      counts.refusedFrames++
      socket.close(4409, 'a newer owner is here')
      return
    }
    counts.frames++
    if (epoch < line.acceptedEpoch) counts.acceptedStale++
    line.acceptedEpoch = Math.max(line.acceptedEpoch, epoch)
  }

  await once(server, 'listening')
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    testimony: () => ({ ...counts, open: server.clients.size }),
    async close() {
      for (const socket of server.clients) socket.terminate()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
