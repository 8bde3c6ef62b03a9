/** Gateway: the public subjects, served to any NATS client in any language. All nodes serve them as one queue group; the node
 *  that picks a request up acts as its sender, so that it gets the guarantees of Godwit's own client: order and deadline within
 *  this node's lanes, and one processing for each request id.
 *
 *  A payload is JSON or MessagePack and is answered in kind. Every request that wants an answer gets one: a malformed one a
 *  typed refusal. Keys that nobody knows are tolerated: a newer client may say more than an older node understands. */

import { GodwitError, refuse, type Refusal } from '../base/errors.ts'
import { type Call, eventCall, plainCall, spawnCall } from '../protocol/call.ts'
import {
  type DrainOrder,
  encodeViewReply,
  type ListPage,
  type ListQuery,
  parseDrainOrder,
  parseListQuery,
} from '../protocol/cluster.ts'
import { decode, type Parsed, parsePayload } from '../protocol/codec.ts'
import type { View } from '../protocol/records.ts'
import { encodeRefusal, encodeReply, refusalOf } from '../protocol/replies.ts'
import type { Nodes } from '../protocol/results.ts'
import { subjects as subjectsOf } from '../protocol/subjects.ts'
import type { Outcome } from '../core/router.ts'
import type { Message, Transport } from '../transport/port.ts'

export interface GatewayOptions {
  readonly cluster: string
  readonly transport: Transport
  /** Sends the call to the owner of its actor. Never rejects. */
  readonly call: (call: Call) => Promise<Outcome>
  readonly directory: Directory
}

/** What a node knows of its cluster. Rejections with a `GodwitError` reach the caller as they are. */
export interface Directory {
  view(): View | undefined
  nodes(): Promise<Nodes>
  list(query: ListQuery): Promise<ListPage>
  /** Resolves when the node has left, or does so without waiting. */
  drain(order: DrainOrder): Promise<void>
}

/** The payload of a request. Everything in it is still to be checked. */
type Body = Readonly<Record<string, unknown>>

const queue = 'gateway'

/** Serves the public subjects until the function that it returns is called. What that returns resolves when every request is
 *  answered that the broker had given to this node: nobody else has it, and a node that is drained through its own gateway must
 *  not leave before it said so. */
export function serveGateway({ cluster, transport, call, directory }: GatewayOptions): () => Promise<void> {
  const subjects = subjectsOf(cluster)
  const open = new Set<Promise<void>>()

  /** `work` throws what the caller is to hear. */
  function serve(subject: string, work: (body: Body, subject: string) => object | Promise<object>): () => void {
    const take = (message: Message): void => {
      const answered = answer(message, work).finally(() => open.delete(answered))
      open.add(answered)
    }
    return transport.subscribe(subject, take, { queue })
  }

  async function answer(
    message: Message,
    work: (body: Body, subject: string) => object | Promise<object>,
  ): Promise<void> {
    let encoding: Parsed['encoding'] = 'json'
    try {
      const parsed = parsePayload(message.bytes)
      encoding = parsed.encoding
      reply(message, encodeReply(await work(bodyOf(parsed), message.subject), encoding), encoding)
    } catch (thrown) {
      reply(message, encodeRefusal(refusalOf(thrown), encoding), encoding)
    }
  }

  function reply({ replyTo }: Message, bytes: Uint8Array, encoding: Parsed['encoding']): void {
    if (replyTo === undefined || transport.publish(replyTo, bytes) !== 'too large') return
    transport.publish(replyTo, encodeRefusal(tooLarge(bytes, transport.bytesMax), encoding))
  }

  async function ownerAnswers(request: Call): Promise<object> {
    const outcome = await call(request)
    if (outcome.kind === 'done') return decode(outcome.body) as object
    throw new GodwitError(outcome.why.code, outcome.why.message)
  }

  const ends = [
    serve(subjects.spawn, (body) => ownerAnswers(spawnCall(body.type, body.id, body.input, body))),
    serve(subjects.locate, (body) => ownerAnswers(plainCall('locate', body.type, body.id, body))),
    serve(subjects.stop, (body) => ownerAnswers(plainCall('stop', body.type, body.id, body))),
    serve(subjects.actor('*', '*'), (body, subject) => ownerAnswers(actorCall(subject, body))),
    serve(subjects.nodes, () => directory.nodes()),
    serve(subjects.list, (body) => directory.list(parseListQuery(body))),
    serve(subjects.drain, async (body) => {
      await directory.drain(parseDrainOrder(body))
      return {}
    }),
    transport.subscribe(
      subjects.view,
      ({ replyTo }) => void (replyTo && transport.publish(replyTo, encodeViewReply(directory.view()))),
      { queue },
    ),
  ]
  return async () => {
    for (const end of ends) end()
    await transport.flush()
    await Promise.all(open)
  }
}

function bodyOf({ value }: Parsed): Body {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Body
  throw new GodwitError('BAD_REQUEST', 'the payload of a request must be an object')
}

/** Type and operation stand in the subject: `….actor.<type>.<operation>`. */
function actorCall(subject: string, body: Body): Call {
  const [type, operation] = subject.split('.').slice(-2)
  switch (operation) {
    case 'ask':
    case 'tell':
      return eventCall(operation, type, body.id, body.event, body)
    case 'get':
      return plainCall(operation, type, body.id, body)
    default:
      throw new GodwitError('BAD_REQUEST', `actors know ask, tell and get, and not ${operation}`)
  }
}

/** Not TOO_LARGE, which would say that nothing was processed. */
const tooLarge = (bytes: Uint8Array, bytesMax: number): Refusal =>
  refuse(
    'INTERNAL',
    `the request was processed, but its answer has ${bytes.length} bytes and a message may have ${bytesMax}`,
  )
