/** NatsConnect: opens a connection to NATS with the settings that Godwit's promises rest on: it never gives up, it notices a
 *  dead peer within seconds, and it fails with a typed error when there is nothing to connect to. */

import { readFile } from 'node:fs/promises'
import {
  AuthorizationError,
  type Authenticator,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
  nkeys,
  UserAuthenticationExpiredError,
} from '@nats-io/transport-node'
import { GodwitError, messageOf } from '../base/errors.ts'

export interface NatsOptions {
  readonly servers: string | readonly string[]
  readonly user?: string
  readonly pass?: string
  readonly token?: string
  /** An nkey seed, `SU…`. */
  readonly nkeySeed?: string
  /** A `.creds` file: a JWT with its seed. It is read once. */
  readonly credentialsFile?: string
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
  /** Shown in the server's connection list. */
  readonly name?: string
  /** Where answers to this connection go, if permissions confine it. Default: `_INBOX`. */
  readonly inboxPrefix?: string
  /** Longest wait for one server, at the first connect and at each reconnect. */
  readonly connectTimeoutMs?: number
}

const connectTimeoutMsDefault = 5_000

/** Rejects with UNAVAILABLE if no server answers, FORBIDDEN if one refuses the credentials, BAD_REQUEST if they cannot be
 *  read. A connection of the caller's own is given back as it is: whoever opened it closes it. */
export async function connectNats(from: NatsOptions | NatsConnection): Promise<NatsConnection> {
  if (isNatsConnection(from)) return from
  const authenticator = await authenticatorOf(from)
  try {
    return await connect({ ...settings, ...given(from), ...(authenticator && { authenticator }) })
  } catch (thrown) {
    throw refusalOf(thrown, from)
  }
}

export const isNatsConnection = (value: NatsOptions | NatsConnection): value is NatsConnection =>
  'publish' in value && 'status' in value

const settings = {
  // An outage of the broker of any length must end in a reconnect, not in a closed connection.
  maxReconnectAttempts: -1,
  ignoreAuthErrorAbort: true,
  reconnectTimeWait: 100,
  reconnectJitter: 150,
  reconnectJitterTLS: 150,
  waitOnFirstConnect: false,
  // A peer that is gone without a word is noticed within 15 s; the library's own setting takes up to 6 minutes.
  pingInterval: 5_000,
  maxPingOut: 2,
  // Stack traces for asynchronous errors cost nearly half of the throughput.
  noAsyncTraces: true,
} as const satisfies ConnectionOptions

const given = (options: NatsOptions): ConnectionOptions => ({
  servers: [options.servers].flat(),
  timeout: options.connectTimeoutMs ?? connectTimeoutMsDefault,
  ...(options.user !== undefined && { user: options.user }),
  ...(options.pass !== undefined && { pass: options.pass }),
  ...(options.token !== undefined && { token: options.token }),
  ...(options.tls && { tls: options.tls }),
  ...(options.name !== undefined && { name: options.name }),
  ...(options.inboxPrefix !== undefined && { inboxPrefix: options.inboxPrefix }),
})

async function authenticatorOf(options: NatsOptions): Promise<Authenticator | undefined> {
  try {
    if (options.credentialsFile !== undefined) return credsAuthenticator(await readFile(options.credentialsFile))
    if (options.nkeySeed === undefined) return undefined
    const seed = new TextEncoder().encode(options.nkeySeed)
    // The authenticator itself would find a bad seed in the middle of the first handshake only.
    nkeys.fromSeed(seed)
    return nkeyAuthenticator(seed)
  } catch (thrown) {
    throw new GodwitError('BAD_REQUEST', `the NATS credentials cannot be used: ${messageOf(thrown)}`, { cause: thrown })
  }
}

function refusalOf(thrown: unknown, options: NatsOptions): GodwitError {
  // An address may carry a password.
  const servers = [options.servers]
    .flat()
    .map((server) => server.replace(/\/\/[^/@]*@/, '//'))
    .join(', ')
  const cause = { cause: thrown }
  if (thrown instanceof AuthorizationError || thrown instanceof UserAuthenticationExpiredError) {
    return new GodwitError('FORBIDDEN', `NATS at ${servers} refused the credentials: ${thrown.message}`, cause)
  }
  const message = `NATS at ${servers} cannot be reached: ${messageOf(thrown)}; start nats-server there or correct the address`
  return new GodwitError('UNAVAILABLE', message, cause)
}
