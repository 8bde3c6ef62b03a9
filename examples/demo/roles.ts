/** Roles: what the caller does with an actor of each kind that counts: how it is spawned, asked and read. */

import { counter } from '../../actors/counter.ts'
import { websocket } from '../../actors/websocket.ts'
import type { Client } from '../../src/index.ts'
import type { Account } from './ledger.ts'

export interface Role {
  spawn(id: string): Promise<unknown>
  /** Resolves with the count that it was answered; with nothing if the actor declined to count it. */
  ask(id: string, requestId: string): Promise<number | undefined>
  read(id: string): Promise<number>
}

/** Short enough to be sent again while somebody waits. */
export const callMsMax = 10_000

export function rolesOn(client: Client, url: string): Record<Account['kind'], Role> {
  const call = { timeoutMs: callMsMax }
  return {
    counter: {
      spawn: async (id) => client.actor(counter, id).spawn({ start: 0 }, call),
      async ask(id, requestId) {
        const asked = await client.actor(counter, id).request({ type: 'INC' }, { ...call, requestId })
        return asked.handled ? asked.reply : undefined
      },
      read: async (id) => (await client.actor(counter, id).get(call)).context.count,
    },
    websocket: {
      spawn: async (id) => client.actor(websocket, id).spawn({ url }, call),
      async ask(id, requestId) {
        const asked = await client
          .actor(websocket, id)
          .request({ type: 'SAY', text: requestId }, { ...call, requestId })
        return asked.handled ? asked.reply : undefined
      },
      read: async (id) => (await client.actor(websocket, id).get(call)).context.sent,
    },
  }
}
