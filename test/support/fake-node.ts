/** FakeNode: an owner for tests of the sender's side. It shows a view, and answers frames as the test says. */

import { systemClock, type Clock } from '../../src/base/clock.ts'
import { encodeViewReply } from '../../src/protocol/cluster.ts'
import { encode } from '../../src/protocol/codec.ts'
import { type Answer, decodeFrames, type Frame } from '../../src/protocol/frames.ts'
import type { View } from '../../src/protocol/records.ts'
import { subjects as subjectsOf } from '../../src/protocol/subjects.ts'
import { createAnswerLink } from '../../src/runtime/link.ts'
import type { Transport } from '../../src/transport/port.ts'

export interface FakeNode {
  view: View | undefined
  /** What the node does with a frame: the result of the operation, an answer, or nothing. */
  does: (frame: Frame) => object | Omit<Answer, 'id'> | undefined
  /** Every message of frames that came, as they came. */
  readonly batches: (readonly Frame[])[]
  stop(): void
}

export function fakeNode(transport: Transport, cluster: string, nodeId: string, clock: Clock = systemClock): FakeNode {
  const subjects = subjectsOf(cluster)
  const answers = createAnswerLink({ transport, clock, nodeId })
  const ends = [
    transport.subscribe(subjects.view, ({ replyTo }) => transport.publish(replyTo!, encodeViewReply(node.view)), {
      queue: 'gateway',
    }),
    transport.subscribe(subjects.frames(nodeId), ({ bytes }) => {
      const { replyTo, frames } = decodeFrames(bytes)!
      node.batches.push(frames)
      for (const frame of frames) {
        const given = node.does(frame)
        if (given === undefined) continue
        const answer = 'kind' in given ? given : { kind: 'done', body: encode(given) }
        answers.send(replyTo, [{ ...answer, id: frame.id } as Answer])
      }
    }),
  ]
  const node: FakeNode = {
    view: undefined,
    does: () => undefined,
    batches: [],
    stop: () => ends.forEach((end) => end()),
  }
  return node
}
