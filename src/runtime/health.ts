/** Health: two answers for whoever runs the process. `/healthz` is 200 as long as the process works at all; `/readyz` only while the
 *  node may act, so that a rollout waits for it. */

import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { GodwitError, messageOf } from '../base/errors.ts'

export interface Health {
  readonly port: number
  close(): Promise<void>
}

/** Listens on all interfaces; port 0 takes a free one. Rejects with UNAVAILABLE where the port is in use. */
export async function serveHealth(port: number, isReady: () => boolean, host?: string): Promise<Health> {
  const server: Server = createServer((request, response) => {
    const known = request.url === '/healthz' || request.url === '/readyz'
    const well = request.url === '/healthz' || (known && isReady())
    response.writeHead(well ? 200 : known ? 503 : 404, { 'content-type': 'application/json' })
    response.end(`${JSON.stringify({ ok: well })}\n`)
  })
  server.listen(port, host)
  await once(server, 'listening').catch((thrown: unknown) => {
    throw new GodwitError('UNAVAILABLE', `the health server cannot listen on port ${port}: ${messageOf(thrown)}`)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
