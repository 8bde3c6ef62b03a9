/** Caller: somebody who calls actors: through Godwit's client, or with nothing but a NATS connection and the public subjects. It
 *  makes one call as it is told and says what came of it; what to call and what to do about a refusal is the workload's. */

import { GodwitError, type Refusal } from '../../src/base/errors.ts'
import { type Client, connectClient } from '../../src/index.ts'
import { connectPlain, NoAnswer, type PlainClient } from '../support/plain-client.ts'
import type { Outcome, Wish } from './ledger.ts'

export interface Caller {
  readonly name: string
  /** Of several calls to one actor that are on their way together, it keeps the order. */
  readonly keepsOrder: boolean
  /** What it adds to a call's time before it gives up. */
  readonly marginMs: number
  call(wish: Wish, timeoutMs: number): Promise<Outcome>
  close(): Promise<void>
}

export interface GodwitCaller extends Caller {
  readonly client: Client
}

export async function connectCaller(name: string, servers: string, cluster: string): Promise<GodwitCaller> {
  const client = await connectClient({ servers, cluster })
  return {
    name,
    client,
    keepsOrder: true,
    marginMs: 0,
    async call(wish, timeoutMs) {
      try {
        return { kind: 'done', value: await askClient(client, wish, timeoutMs) }
      } catch (thrown) {
        if (!(thrown instanceof GodwitError)) throw thrown
        const { code, message, retryable } = thrown
        return { kind: 'refused', why: { code, message, retryable } }
      }
    },
    close: () => client.close(),
  }
}

async function askClient(client: Client, wish: Wish, timeoutMs: number): Promise<unknown> {
  const ref = client.actor(wish.type, wish.actor)
  const options = { timeoutMs, ...(wish.request !== undefined && { requestId: wish.request }) }
  switch (wish.op) {
    case 'ask':
      return ref.request(eventOf(wish), options)
    case 'tell':
      return ref.tell(eventOf(wish), options)
    case 'get':
      return ref.get(options)
    case 'locate':
      return ref.locate(options)
    case 'spawn':
      return ref.spawn({ life: wish.mark }, options)
    case 'stop':
      return ref.stop(options)
  }
}

/** Between the time that a node is given and the time that the caller waits. */
const plainMarginMs = 250

export async function connectPlainCaller(name: string, servers: string, cluster: string): Promise<Caller> {
  const plain = await connectPlain(servers, cluster)
  return {
    name,
    // Each of its requests may be picked up by another node.
    keepsOrder: false,
    marginMs: plainMarginMs,
    call: (wish, timeoutMs) => askPlain(plain, wish, timeoutMs),
    close: () => plain.close(),
  }
}

async function askPlain(plain: PlainClient, wish: Wish, timeoutMs: number): Promise<Outcome> {
  const { op, type, actor: id, request: requestId } = wish
  const isEvent = op === 'ask' || op === 'tell'
  const body = { id, timeoutMs, ...(isEvent ? { event: eventOf(wish), requestId } : { type }) }
  try {
    const { ok, error, ...value } = await plain.request(
      isEvent || op === 'get' ? `actor.${type}.${op}` : `placement.${op}`,
      body,
      { timeoutMs: timeoutMs + plainMarginMs },
    )
    return ok ? { kind: 'done', value } : { kind: 'refused', why: error as Refusal }
  } catch (thrown) {
    if (!(thrown instanceof NoAnswer)) throw thrown
    return { kind: 'refused', why: { code: 'DEADLINE', message: thrown.message, retryable: true } }
  }
}

const eventOf = ({ mark, delayMs }: Wish) =>
  delayMs === undefined ? { type: 'ADD', mark } : { type: 'ARM', mark, delayMs }
