/** Client: access to a cluster from outside. It routes by itself: it knows the view, computes the owner of each actor and sends
 *  there directly, many calls in one message. Of the cluster it needs no more than the definitions' types.
 *
 *  Every call settles by its deadline, with a result or a `GodwitError`; closing settles those that are open. */

import { type Clock, systemClock } from '../base/clock.ts'
import { GodwitError } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import { type Random, systemRandom } from '../base/random.ts'
import { checkName } from '../protocol/address.ts'
import { timeoutOf } from '../protocol/call.ts'
import { decodeViewReply, type ListPage, parseDrainOrder, parseListQuery } from '../protocol/cluster.ts'
import { encode } from '../protocol/codec.ts'
import { parseReply } from '../protocol/replies.ts'
import type { Located, ListRow, Nodes } from '../protocol/results.ts'
import { subjects as subjectsOf } from '../protocol/subjects.ts'
import { createSender } from '../runtime/sender.ts'
import type { Transport } from '../transport/port.ts'
import { type ActorRef, type AnyDefinition, type CallOptions, createRef } from './ref.ts'

export interface Client extends AsyncDisposable {
  readonly cluster: string
  /** An actor of a definition, or of a type by name: `client.actor<typeof counter>('counter', id)` needs a type import alone. */
  actor<TDefinition extends AnyDefinition>(type: TDefinition | TDefinition['type'], id: string): ActorRef<TDefinition>
  locate(type: AnyDefinition | string, id: string, options?: CallOptions): Promise<Located>
  nodes(options?: Pick<CallOptions, 'timeoutMs'>): Promise<Nodes>
  /** Has a node hand everything over and leave. Resolves when it has. */
  drain(nodeId: string, options?: Pick<CallOptions, 'timeoutMs'>): Promise<void>
  /** The actors of the cluster, in no promised order, page by page as they are read. One that moves or begins meanwhile may
   *  be missed or come twice. */
  list(query?: { readonly type?: AnyDefinition | string }): AsyncIterable<ListRow>
  /** Settles what is open and closes the connection, unless it is the caller's own. */
  close(): Promise<void>
}

export interface ClientParts {
  readonly cluster: string
  /** Belongs to the client from now on. */
  readonly transport: Transport
  readonly clock?: Clock
  readonly random?: Random
}

/** One node that does not answer must not cost a call its whole time: the view is asked for again meanwhile. */
const viewTimeoutMs = 1_000

/** Beyond the time that a drain itself may take. */
const drainMarginMs = 20_000

export function createClient({ cluster, transport, clock = systemClock, random = systemRandom }: ClientParts): Client {
  checkName('the name of a cluster', cluster)
  const subjects = subjectsOf(cluster)
  const sender = createSender({ cluster, transport, clock, random, fetchView })
  let closed = false

  async function fetchView() {
    const result = await transport.request(subjects.view, new Uint8Array(0), viewTimeoutMs)
    return result.kind === 'reply' ? decodeViewReply(result.bytes) : undefined
  }

  /** A request that any node answers. */
  async function ask<T>(subject: string, payload: object, timeoutMs: number): Promise<T> {
    if (closed) throw new GodwitError('UNAVAILABLE', 'this client is closed')
    const result = await transport.request(subject, encode(payload), timeoutMs)
    switch (result.kind) {
      case 'reply':
        return parseReply(result.bytes) as T
      case 'nobody':
        throw new GodwitError('UNAVAILABLE', `no node of cluster ${cluster} answers`)
      case 'unknown':
        throw new GodwitError('DEADLINE', `no node of cluster ${cluster} has answered: ${result.reason}`)
    }
  }

  function actor<TDefinition extends AnyDefinition>(type: AnyDefinition | string, id: string): ActorRef<TDefinition> {
    return createRef(sender, { type: typeOf(type), id })
  }

  async function drain(nodeId: string, options: Pick<CallOptions, 'timeoutMs'> = {}): Promise<void> {
    const order = parseDrainOrder({ node: nodeId, timeoutMs: options.timeoutMs })
    await ask(subjects.drain, order, order.timeoutMs + drainMarginMs)
  }

  async function* list(query: { readonly type?: AnyDefinition | string } = {}): AsyncGenerator<ListRow> {
    const type = query.type === undefined ? undefined : typeOf(query.type)
    let after: string | undefined
    do {
      const page: ListPage = await ask(subjects.list, parseListQuery({ type, after }), limits.timeoutMsDefault)
      yield* page.rows
      after = page.next
    } while (after !== undefined)
  }

  async function close(): Promise<void> {
    closed = true
    sender.close()
    await transport.close()
  }

  return {
    cluster,
    actor,
    locate: async (type, id, options) => actor(type, id).locate(options),
    nodes: async (options) => ask<Nodes>(subjects.nodes, {}, timeoutOf(options?.timeoutMs)),
    drain,
    list,
    close,
    [Symbol.asyncDispose]: close,
  }
}

const typeOf = (type: AnyDefinition | string): string => (typeof type === 'string' ? type : type.type)
