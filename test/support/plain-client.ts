/** PlainClient: what anybody with the `nats` package can do, and nothing more: it knows the public subjects of the README, and not a
 *  line of Godwit. It asks again, under the same request id, when no answer came or the answer says that this may help. */

import { randomUUID } from 'node:crypto'
import { Packr } from 'msgpackr'
import { connect, type NatsConnection, NatsError } from 'nats'

export type Encoding = 'json' | 'msgpack'

/** `{ok: true, …}` or `{ok: false, error}`. */
export type Answer = {
  readonly ok: boolean
  readonly error?: { readonly code: string; readonly message: string; readonly retryable: boolean }
} & {
  readonly [key: string]: any
}

/** What became of an ask that was repeated until its time was over. */
export type Fate =
  | { readonly kind: 'acknowledged'; readonly handled: boolean; readonly reply: any }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  /** It counts once or not at all. */
  | { readonly kind: 'unknown'; readonly last: string }

export interface AskOptions {
  readonly requestId?: string
  /** How long it is repeated. Default 30 s. */
  readonly withinMs?: number
  /** How long one attempt waits. Default 2 s. */
  readonly attemptMs?: number
}

export interface PlainClient {
  readonly connection: NatsConnection
  /** One request, as it is. `what` is the subject after `godwit.<cluster>.`. Rejects with `NoAnswer`. */
  request(
    what: string,
    body: unknown,
    options?: { readonly encoding?: Encoding; readonly timeoutMs?: number },
  ): Promise<Answer>
  /** The same with a payload of bytes, answered in JSON or MessagePack. */
  send(what: string, payload: Uint8Array, timeoutMs?: number): Promise<Answer>
  /** Repeated until it is settled. */
  ask(type: string, id: string, event: object, options?: AskOptions): Promise<Fate>
  /** Repeated until it is answered; rejects with what a refusal says. */
  must(what: string, body: object, withinMs?: number): Promise<Answer>
  close(): Promise<void>
}

export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

const packr = new Packr({ useRecords: false })
const pauseMs = 25

export async function connectPlain(servers: string | readonly string[], cluster: string): Promise<PlainClient> {
  const connection = await connect({ servers: [servers].flat(), maxReconnectAttempts: -1, reconnectTimeWait: 100 })

  async function send(what: string, payload: Uint8Array, timeoutMs = 10_000): Promise<Answer> {
    try {
      const { data } = await connection.request(`godwit.${cluster}.${what}`, payload, { timeout: timeoutMs })
      return data[0] === 0x7b ? JSON.parse(Buffer.from(data).toString()) : packr.unpack(data)
    } catch (thrown) {
      if (thrown instanceof NatsError) throw new NoAnswer(`${thrown.code} for ${what}`, { cause: thrown })
      throw thrown
    }
  }

  function request(
    what: string,
    body: unknown,
    { encoding = 'json', timeoutMs }: { encoding?: Encoding; timeoutMs?: number } = {},
  ): Promise<Answer> {
    return send(what, encoding === 'json' ? Buffer.from(JSON.stringify(body)) : packr.pack(body), timeoutMs)
  }

  /** Settled, or what was last heard when the time was over. */
  async function persist(what: string, body: object, withinMs: number, attemptMs: number): Promise<Answer | string> {
    const endMs = performance.now() + withinMs
    for (;;) {
      let last: string
      try {
        const answer = await request(what, { ...body, timeoutMs: attemptMs }, { timeoutMs: attemptMs + 200 })
        if (answer.ok || !answer.error!.retryable) return answer
        last = `${answer.error!.code}: ${answer.error!.message}`
      } catch (thrown) {
        if (!(thrown instanceof NoAnswer)) throw thrown
        last = thrown.message
      }
      if (performance.now() > endMs || connection.isClosed()) return last
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  return {
    connection,
    request,
    send,
    async ask(type, id, event, { requestId = randomUUID(), withinMs = 30_000, attemptMs = 2_000 } = {}) {
      const answer = await persist(`actor.${type}.ask`, { id, event, requestId }, withinMs, attemptMs)
      if (typeof answer === 'string') return { kind: 'unknown', last: answer }
      if (answer.ok) return { kind: 'acknowledged', handled: answer['handled'], reply: answer['reply'] }
      return { kind: 'refused', code: answer.error!.code, message: answer.error!.message }
    },
    async must(what, body, withinMs = 30_000) {
      const answer = await persist(what, body, withinMs, 2_000)
      if (typeof answer === 'string') throw new NoAnswer(answer)
      if (!answer.ok) throw new Error(`${what} was refused: ${answer.error!.code}: ${answer.error!.message}`)
      return answer
    },
    close: () => connection.close(),
  }
}
