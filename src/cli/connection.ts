/** Connection: which cluster a command is about, and how it is let in: the flags that every command has. */

import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Client, ClientOptions } from '../index.ts'
import { UsageError } from './failure.ts'
import { commaSeparated, flag } from './flags.ts'

export interface ConnectionFlags {
  readonly servers: readonly string[]
  readonly cluster: string
  readonly user?: string
  readonly password?: string
  readonly token?: string
  readonly nkey?: string
  readonly creds?: string
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
}

const serversDefault = 'nats://127.0.0.1:4222'

export const addConnectionFlags = (command: Command): Command =>
  command
    .optionsGroup('Where:')
    .addOption(flag('--cluster <NAME>', 'name of the cluster').makeOptionMandatory())
    .addOption(
      flag('--servers <URLS>', 'NATS servers, separated by commas')
        .argParser(commaSeparated)
        .default([serversDefault], serversDefault),
    )
    .optionsGroup('Who, for NATS servers that ask:')
    .addOption(flag('--user <NAME>', 'user name'))
    .addOption(flag('--password <TEXT>', 'password; the variable keeps it out of the list of processes'))
    .addOption(flag('--token <TEXT>', 'token'))
    .addOption(flag('--nkey <SEED>', 'nkey seed (SU…), or a file with one'))
    .addOption(flag('--creds <FILE>', 'credentials file: a JWT with its seed'))
    .addOption(flag('--tls-ca <FILE>', 'certificate authority that signed the servers'))
    .addOption(flag('--tls-cert <FILE>', 'certificate of this client'))
    .addOption(flag('--tls-key <FILE>', 'key of that certificate'))
    .optionsGroup('Options:')

/** What the flags say, in the words of `connectClient` and `startNode`. Throws a `UsageError`. */
export async function connectionOf(flags: ConnectionFlags): Promise<Exclude<ClientOptions, { connection: unknown }>> {
  const { cluster, servers, user, password: pass, token, creds: credentialsFile, nkey } = flags
  if (servers.length === 0) throw new UsageError('--servers names no server')
  const nkeySeed = nkey === undefined ? undefined : await nkeySeedOf(nkey)
  const tls = tlsOf(flags)
  return {
    cluster,
    servers,
    ...(user !== undefined && { user }),
    ...(pass !== undefined && { pass }),
    ...(token !== undefined && { token }),
    ...(nkeySeed !== undefined && { nkeySeed }),
    ...(credentialsFile !== undefined && { credentialsFile }),
    ...(tls !== undefined && { tls }),
  }
}

/** Connects, works, and closes, whatever comes of it. */
export async function withClient<T>(flags: ConnectionFlags, work: (client: Client) => Promise<T>): Promise<T> {
  const options = await connectionOf(flags)
  // Here and not above: the runtime takes longer to load than a help text to be read.
  const { connectClient } = await import('../index.ts')
  await using client = await connectClient(options)
  return await work(client)
}

const seedPattern = /\bS[A-Z2-7]{57}\b/

async function nkeySeedOf(nkey: string): Promise<string> {
  const text = seedPattern.test(nkey) ? nkey : await readSeedFile(nkey)
  const seed = seedPattern.exec(text)?.[0]
  if (seed === undefined) throw new UsageError(`--nkey: there is no nkey seed (S…, 58 characters) in ${nkey}`)
  return seed
}

async function readSeedFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (thrown) {
    throw new UsageError(`--nkey is neither a seed nor a file that can be read: ${(thrown as Error).message}`)
  }
}

function tlsOf({
  tlsCa,
  tlsCert,
  tlsKey,
}: ConnectionFlags): { caFile?: string; certFile?: string; keyFile?: string } | undefined {
  if (tlsCa === undefined && tlsCert === undefined && tlsKey === undefined) return undefined
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new UsageError('--tls-cert and --tls-key go together: one is missing')
  return {
    ...(tlsCa !== undefined && { caFile: tlsCa }),
    ...(tlsCert !== undefined && { certFile: tlsCert }),
    ...(tlsKey !== undefined && { keyFile: tlsKey }),
  }
}
