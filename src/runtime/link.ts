/** Link: puts frames, and answers, that are due to one receiver in the same turn of the event loop into one message. This is
 *  what makes a remote call cheaper than a NATS request of its own. What does not fit into one message goes as several, in order.
 *
 *  It promises nothing that the transport does not: a message may be lost, and then all in it is. */

import type { Clock } from '../base/clock.ts'
import { refuse } from '../base/errors.ts'
import { type Answer, encodeAnswers, encodeFrames, type Frame, frameBytes } from '../protocol/frames.ts'
import type { Subjects } from '../protocol/subjects.ts'
import type { Transport } from '../transport/port.ts'

export interface Link<T> {
  /** `to` is the id of a node for frames, the subject of the sender for answers. */
  send(to: string, items: readonly T[]): void
}

interface Base {
  readonly transport: Transport
  readonly clock: Clock
}

export interface FrameLinkOptions extends Base {
  readonly subjects: Subjects
  /** Names the sender for as long as it lives. */
  readonly from: string
  /** The subject of the sender for answers. */
  readonly answersTo: string
  /** Where brokers that can tell that nobody is there do so, with an empty message. */
  readonly nobodyTo: (nodeId: string) => string
  /** The frame alone is larger than a message may be. */
  readonly onTooLarge: (nodeId: string, frame: Frame) => void
}

export const createFrameLink = (options: FrameLinkOptions): Link<Frame> =>
  createLink({
    ...options,
    bytesOf: frameBytes,
    publish: (nodeId, frames) =>
      options.transport.publish(
        options.subjects.frames(nodeId),
        encodeFrames({ from: options.from, replyTo: options.answersTo, frames }),
        { replyTo: options.nobodyTo(nodeId) },
      ),
    onTooLarge: options.onTooLarge,
  })

export interface AnswerLinkOptions extends Base {
  /** Whose answers they are. Senders compare it with the node that they sent a frame to. */
  readonly nodeId: string
}

export function createAnswerLink(options: AnswerLinkOptions): Link<Answer> {
  const { transport, nodeId } = options
  const publish = (replyTo: string, answers: readonly Answer[]) =>
    transport.publish(replyTo, encodeAnswers({ from: nodeId, answers }))
  return createLink({
    ...options,
    bytesOf: (answer) => (answer.kind === 'done' ? answer.body.length : 1_000) + 3 * answer.id.length + 16,
    publish,
    // Not TOO_LARGE, which would say that nothing was processed.
    onTooLarge: (replyTo, { id }) => {
      const message = `the request was processed, but its answer is larger than a message may be (${transport.bytesMax} bytes)`
      publish(replyTo, [{ id, kind: 'refused', why: refuse('INTERNAL', message) }])
    },
  })
}

interface LinkOptions<T> extends Base {
  /** About what the item takes in a message. */
  readonly bytesOf: (item: T) => number
  readonly publish: (to: string, items: readonly T[]) => ReturnType<Transport['publish']>
  readonly onTooLarge: (to: string, item: T) => void
}

/** Room for what stands before the items. */
const headBytes = 512

function createLink<T>({ transport, clock, bytesOf, publish, onTooLarge }: LinkOptions<T>): Link<T> {
  let due = new Map<string, T[]>()

  function send(to: string, items: readonly T[]): void {
    if (due.size === 0) clock.soon(flush)
    const waiting = due.get(to)
    if (waiting === undefined) due.set(to, [...items])
    else waiting.push(...items)
  }

  function flush(): void {
    const batches = due
    due = new Map()
    for (const [to, items] of batches) for (const part of partsOf(items)) publishPart(to, part)
  }

  function* partsOf(items: readonly T[]): Generator<readonly T[]> {
    let begin = 0
    let bytes = headBytes
    for (const [index, item] of items.entries()) {
      const itemBytes = bytesOf(item)
      if (bytes + itemBytes > transport.bytesMax && index > begin) {
        yield items.slice(begin, index)
        begin = index
        bytes = headBytes
      }
      bytes += itemBytes
    }
    yield begin === 0 ? items : items.slice(begin)
  }

  /** Sizes are estimated; where the estimate was too low, halves are tried. */
  function publishPart(to: string, items: readonly T[]): void {
    if (publish(to, items) !== 'too large') return
    if (items.length === 1) return onTooLarge(to, items[0]!)
    const middle = items.length >> 1
    publishPart(to, items.slice(0, middle))
    publishPart(to, items.slice(middle))
  }

  return { send }
}
