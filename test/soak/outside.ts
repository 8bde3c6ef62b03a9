/** Outside: a third party in the soak's own process, over TCP. It lets in whoever holds something for an actor, refuses an epoch lower
 *  than the highest it has seen, as every outside party should, and hears what the nodes' processes do. It knows nothing of
 *  Godwit. */

import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { Absences, type AbsenceRules } from './absences.ts'
import { monotonicMs } from './clock.ts'
import { Deeds } from './deeds.ts'
import { type Hold, Holds } from './holds.ts'
import { Lives } from './lives.ts'
import { refused, type Testimony, welcome } from './testimony.ts'

export interface Outside {
  readonly port: number
  readonly absences: Absences
  readonly lives: Lives
  readonly holds: Holds
  readonly deeds: Deeds
  /** Connections that were let in, and those that showed the epoch of an owner of the past. */
  readonly counts: { connections: number; refused: number }
  /** The actor is no more. */
  forget(actor: string): void
  stop(): Promise<void>
}

export async function startOutside(rules: AbsenceRules): Promise<Outside> {
  const absences = new Absences(rules)
  const holds = new Holds(absences)
  const lives = new Lives(absences)
  const deeds = new Deeds(absences, lives)
  const counts = { connections: 0, refused: 0 }
  const highest = new Map<string, number>()
  const sockets = new Set<Socket>()

  const server = createServer((socket) => {
    let pid = 0
    let hold: Hold | undefined
    sockets.add(socket.setNoDelay(true))
    socket.on('error', () => {})
    // What a killed process had not said to the end is no word.
    createInterface(socket).on('line', (line) => line.endsWith('}') && hear(JSON.parse(line) as Testimony))
    socket.once('close', () => {
      sockets.delete(socket)
      if (hold !== undefined) holds.end(hold, monotonicMs())
      else if (pid !== 0) absences.ended(pid)
    })

    function hear(said: Testimony): void {
      switch (said.what) {
        case 'process':
          pid = said.pid
          return
        case 'pulse':
          return absences.pulse(pid, said.atMs)
        case 'acted':
          return deeds.note({ ...said, pid })
        case 'hello':
          return letIn(said)
        case 'bye':
          if (hold !== undefined) holds.end(hold, said.atMs)
          socket.end()
      }
    }

    function letIn({ actor, epoch, pid: from, atMs }: Extract<Testimony, { what: 'hello' }>): void {
      if (epoch < (highest.get(actor) ?? 0)) {
        counts.refused++
        socket.end(refused)
        return
      }
      counts.connections++
      highest.set(actor, epoch)
      hold = holds.begin({ actor, epoch, pid: from, fromMs: atMs })
      socket.write(welcome)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    port: (server.address() as AddressInfo).port,
    absences,
    lives,
    holds,
    deeds,
    counts,
    forget: (actor) => void highest.delete(actor),
    async stop() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
