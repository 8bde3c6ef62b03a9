/** The transport of one process in a simulated world: the memory twin, behind a wire. */

import type { MemoryBroker } from '../../src/transport/memory-broker.ts'
import { memoryTransport } from '../../src/transport/memory.ts'
import type { ConnectionListener, Message, RequestResult, Transport } from '../../src/transport/port.ts'
import type { Wire } from './network.ts'

export function faultyTransport(broker: MemoryBroker, wire: Wire, report: (error: Error) => void): Transport {
  const inner = memoryTransport(broker, { report })
  const { clock } = wire

  function request(subject: string, bytes: Uint8Array, timeoutMs: number): Promise<RequestResult> {
    return new Promise((resolve) => {
      const settle = (result: RequestResult): void => {
        cancel()
        unlisten()
        resolve(result)
      }
      const cancel = clock.after(timeoutMs, () => settle({ kind: 'unknown', reason: 'no answer in time' }))
      const unlisten = wire.onConnection((connected) => {
        if (!connected) clock.soon(() => settle({ kind: 'unknown', reason: 'the connection broke' }))
      })
      wire.send(() => {
        void inner.request(subject, bytes, longMs).then((result) => wire.receive(() => settle(result)))
      })
    })
  }

  return {
    bytesMax: inner.bytesMax,
    inbox: inner.inbox,
    publish(subject, bytes, options) {
      if (bytes.length > inner.bytesMax) return 'too large'
      wire.send(() => void inner.publish(subject, bytes, options))
      return 'sent'
    },
    subscribe(subject, handler, options) {
      let ended = false
      const hear = (message: Message): void => {
        if (ended) return
        try {
          handler(message)
        } catch (thrown) {
          report(thrown as Error)
        }
      }
      const end = inner.subscribe(subject, (message) => wire.receive(() => hear(message)), options)
      return () =>
        wire.send(() => {
          end()
          wire.receive(() => (ended = true))
        })
    },
    request,
    onConnection: (listener: ConnectionListener) => wire.onConnection(listener),
    flush: () =>
      new Promise((resolve) => {
        wire.send(() => wire.receive(resolve))
        wire.onConnection((connected) => {
          if (!connected) resolve()
        })
      }),
    close: () => inner.close(),
  }
}

/** Longer than any run: the process has a timer of its own. */
const longMs = 10 ** 7
