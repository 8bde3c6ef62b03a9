/** Outside: the other side of a websocket, as a third party would run it: it lets an actor's connection in, refuses an epoch lower than
 *  the highest it has seen of that actor, and notes everything. An independent witness of who held what, and when. */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

export interface Sighting {
  readonly what: 'hello' | 'frame' | 'closed'
  readonly actor: string
  readonly epoch: number
  readonly pid: number
  readonly accepted: boolean
  /** By `performance.now()` of this process. */
  readonly atMs: number
}

export interface Outside {
  readonly url: string
  readonly sightings: readonly Sighting[]
  /** The processes that are connected for an actor now; one, if all is well. */
  holdersOf(actor: string): readonly number[]
  /** The most connections that were ever open at once for the actor. */
  mostHoldersOf(actor: string): number
  stop(): Promise<void>
}

export async function startOutside(): Promise<Outside> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const sightings: Sighting[] = []
  const highest = new Map<string, number>()
  const open = new Map<string, Map<WebSocket, number>>()
  const most = new Map<string, number>()

  server.on('connection', (socket) => {
    let last: Sighting | undefined
    socket.on('error', () => {})
    socket.on('message', (data: Buffer) => {
      const said = JSON.parse(data.toString()) as Pick<Sighting, 'what' | 'actor' | 'epoch' | 'pid'>
      const accepted = said.epoch >= (highest.get(said.actor) ?? 0)
      last = { ...said, accepted, atMs: performance.now() }
      sightings.push(last)
      if (!accepted) return socket.close(4_000, 'an owner of the past')
      highest.set(said.actor, said.epoch)
      if (said.what === 'hello') becomeOpen(said.actor, socket, said.pid)
    })
    socket.on('close', () => {
      if (last === undefined) return
      open.get(last.actor)?.delete(socket)
      sightings.push({ ...last, what: 'closed', atMs: performance.now() })
    })
  })

  function becomeOpen(actor: string, socket: WebSocket, pid: number): void {
    const sockets = open.get(actor) ?? new Map<WebSocket, number>()
    open.set(actor, sockets.set(socket, pid))
    most.set(actor, Math.max(most.get(actor) ?? 0, sockets.size))
  }

  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sightings,
    holdersOf: (actor) => [...(open.get(actor)?.values() ?? [])],
    mostHoldersOf: (actor) => most.get(actor) ?? 0,
    async stop() {
      for (const socket of server.clients) socket.terminate()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
