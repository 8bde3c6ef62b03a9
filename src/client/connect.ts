/** Connect: where a client comes from: an in-process cluster, NATS servers, or a connection of the caller's own. */

import { checkName } from '../protocol/address.ts'
import { type Connection, openTransport } from '../runtime/ports.ts'
import type { NatsOptions } from '../transport/nats.ts'
import { type Client, createClient } from './client.ts'

/** `servers`: NATS, or `memory:` (the default) for a cluster in this process. A `connection` of the caller's stays open. */
export type ClientOptions = { readonly cluster: string } & (Partial<NatsOptions> | { readonly connection: Connection })

/** Resolves once connected; it does not wait for a node. Rejects with a `GodwitError`: UNAVAILABLE without a broker, FORBIDDEN
 *  for wrong credentials, BAD_REQUEST for options that cannot be. */
export async function connectClient(options: ClientOptions): Promise<Client> {
  const { cluster } = options
  checkName('the name of a cluster', cluster)
  const connection = 'connection' in options ? options.connection : options
  return createClient({ cluster, transport: await openTransport(connection, `godwit ${cluster} client`) })
}
