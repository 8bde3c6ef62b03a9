/** Sender: the event loop around a router: it feeds calls and answers in and performs what comes out. A client has one for its
 *  own calls, a node one for those that it takes from the public subjects. It decides nothing. */

import type { Cancel, Clock } from '../base/clock.ts'
import { messageOf, type Refusal, refuse } from '../base/errors.ts'
import { hashVersion } from '../base/hash.ts'
import { drawToken, type Random } from '../base/random.ts'
import { unreachable } from '../base/assert.ts'
import { ringVersion } from '../core/ring.ts'
import { createRouter, type Outcome, type RouterEffect, type RouterInput, step, wakeMs } from '../core/router.ts'
import type { Call } from '../protocol/call.ts'
import { decodeAnswers } from '../protocol/frames.ts'
import type { View } from '../protocol/records.ts'
import { subjects } from '../protocol/subjects.ts'
import type { Message, Transport } from '../transport/port.ts'
import { createFrameLink } from './link.ts'
import { endSpan, traceCall } from './tracing.ts'

export interface SenderOptions {
  readonly cluster: string
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  /** The view as it is now, a node's reason to have none, or nothing: nobody answers. */
  readonly fetchView: () => Promise<View | Refusal | undefined>
}

export interface Sender {
  /** Settles by the deadline of the call; never rejects. */
  call(call: Call, signal?: AbortSignal): Promise<Outcome>
  /** Settles what is open. Later calls are refused. */
  close(): void
}

export function createSender(options: SenderOptions): Sender {
  const { cluster, transport, clock, random } = options
  const router = createRouter(cluster)
  // Another sender of the same name would be taken for this one: its lanes would mix with ours.
  const name = drawToken(random)
  const waiting = new Map<string, (outcome: Outcome) => void>()
  const answersTo = `${transport.inbox}.answers`
  const nobodyTo = `${transport.inbox}.nobody`
  let calls = 0
  let wake: { readonly atMs: number; readonly cancel: Cancel } | undefined

  const link = createFrameLink({
    transport,
    clock,
    subjects: subjects(cluster),
    from: name,
    answersTo,
    nobodyTo: (nodeId) => `${nobodyTo}.${nodeId}`,
    onTooLarge: (nodeId, { id }) => {
      const why = refuse('TOO_LARGE', `the request is larger than a message may be (${transport.bytesMax} bytes)`)
      feed({ kind: 'answers', batch: { from: nodeId, answers: [{ id, kind: 'refused', why }] } })
    },
  })
  const ends = [
    transport.subscribe(answersTo, onAnswers),
    transport.subscribe(`${nobodyTo}.*`, onNobody),
    transport.onConnection((connected) => feed({ kind: 'connection', connected })),
  ]

  function feed(input: RouterInput): void {
    for (const effect of step(router, input, clock.now())) perform(effect)
    setWake()
  }

  function perform(effect: RouterEffect): void {
    switch (effect.kind) {
      case 'send':
        return link.send(effect.node, effect.frames)
      case 'refresh view':
        return void refreshView(effect.asOfMs)
      case 'settle': {
        const settle = waiting.get(effect.id)
        waiting.delete(effect.id)
        return settle?.(effect.outcome)
      }
      default:
        unreachable(effect)
    }
  }

  /** One timer for everything. One that rings too early costs a look, so it is only ever moved forward. */
  function setWake(): void {
    const atMs = wakeMs(router)
    if (atMs === Infinity || (wake !== undefined && wake.atMs <= atMs)) return
    wake?.cancel()
    const cancel = clock.after(Math.max(0, atMs - clock.now().monoMs), () => {
      wake = undefined
      feed({ kind: 'tick' })
    })
    wake = { atMs, cancel }
  }

  async function refreshView(asOfMs: number): Promise<void> {
    const view = await options.fetchView().catch((thrown: unknown) => refuse('INTERNAL', messageOf(thrown)))
    if (view === undefined) return
    if ('code' in view) return feed({ kind: 'no view', why: view.message })
    if (view.ringVersion === ringVersion && view.hashVersion === hashVersion)
      return feed({ kind: 'view', view, asOfMs })
    const why = `cluster ${cluster} places actors by ring ${view.ringVersion} and hash ${view.hashVersion}, this release by ring ${ringVersion} and hash ${hashVersion}`
    feed({ kind: 'no view', why })
  }

  function onAnswers(message: Message): void {
    const batch = decodeAnswers(message.bytes)
    if (batch !== undefined) feed({ kind: 'answers', batch })
  }

  /** Nodes never write to this subject; the broker does, when nobody subscribes to what we sent. */
  function onNobody(message: Message): void {
    feed({ kind: 'unreachable', node: message.subject.slice(nobodyTo.length + 1) })
  }

  function call(given: Call, signal?: AbortSignal): Promise<Outcome> {
    if (signal?.aborted)
      return Promise.resolve({
        kind: 'refused',
        why: refuse('UNAVAILABLE', 'its caller gave it up before it was sent'),
      })
    return new Promise((resolve) => {
      const id = `${name}.${++calls}`
      const { call: traced, span } = traceCall(given)
      const settle = (outcome: Outcome): void => {
        endSpan(span, outcome.kind === 'refused' ? outcome.why.code : undefined)
        resolve(outcome)
      }
      waiting.set(id, signal === undefined ? settle : untilAborted(id, signal, settle))
      feed({ kind: 'call', id, call: traced })
    })
  }

  function untilAborted(id: string, signal: AbortSignal, settle: (outcome: Outcome) => void): typeof settle {
    const cancel = (): void => feed({ kind: 'cancel', id })
    signal.addEventListener('abort', cancel, { once: true })
    return (outcome) => {
      signal.removeEventListener('abort', cancel)
      settle(outcome)
    }
  }

  function close(): void {
    for (const end of ends) end()
    feed({ kind: 'close' })
    wake?.cancel()
    wake = undefined
  }

  return { call, close }
}
