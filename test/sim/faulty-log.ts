/** A log as one process in a simulated world reaches it: the memory twin, with calls that get lost on the way or on the way back,
 *  are slow, or arrive after their caller has given them up. */

import type { AppendResult, Log, LogEntry, LogIdentity, ReadResult, TailResult } from '../../src/log/port.ts'
import { memoryLog } from '../../src/log/memory.ts'
import type { MemoryBroker } from '../../src/transport/memory-broker.ts'
import type { Wire } from './network.ts'

/** As the port says of `read`. */
const answerMsMax = 2_000

const unanswered = { kind: 'unknown', reason: 'no answer in time' } as const
const broken = { kind: 'unknown', reason: 'the connection broke' } as const

export function faultyLog(broker: MemoryBroker, stream: string, wire: Wire, report: (error: Error) => void): Log {
  const inner = memoryLog(broker, { stream, report })
  const { clock, network } = wire
  const { random } = network

  /** One call to the store and back. `none`: what the caller hears if nothing comes back in time. */
  function call<T>(timeoutMs: number, act: () => Promise<T>, late: T, gone: T): Promise<T> {
    return new Promise((resolve) => {
      const settle = (result: T): void => {
        cancel()
        unlisten()
        resolve(result)
      }
      const cancel = clock.after(timeoutMs, () => settle(late))
      const unlisten = wire.onConnection((connected) => {
        if (!connected) clock.soon(() => settle(gone))
      })
      const { log } = network.faults
      if (random.next() < log.lost) return
      const isUnanswered = random.next() < log.unanswered
      const slowMs = (): number => wire.delayMs() + (random.next() < log.slow ? random.next() * log.slowMsMax : 0)
      wire.reach(slowMs(), () => {
        void act().then((result) => {
          if (!isUnanswered) wire.answer(slowMs(), () => settle(result))
        })
      })
    })
  }

  /** After a connection broke the last records come again, as the port promises. */
  function watch(prefix: string, listener: (entry: LogEntry) => void): () => void {
    let end = begin()
    let ended = false
    let soonestMs = 0
    function begin(): () => void {
      let over = false
      const unwatch = inner.watch(prefix, (entry) => {
        soonestMs = Math.max(
          soonestMs,
          network.timeline.nowMs + wire.delayMs() + random.next() ** 2 * network.faults.log.watchMsMax,
        )
        wire.deliver(soonestMs - network.timeline.nowMs, () => {
          if (!over && !ended) listener(entry)
        })
      })
      return () => {
        over = true
        unwatch()
      }
    }
    let wasConnected = wire.connected
    const unlisten = wire.onConnection((connected) => {
      if (connected && !wasConnected) {
        end()
        end = begin()
      }
      wasConnected = connected
    })
    return () => {
      ended = true
      unlisten()
      end()
    }
  }

  return {
    bytesMax: inner.bytesMax,
    append: (name, record, expected, options) => {
      const bytes = new Uint8Array(record)
      return call<AppendResult>(
        options.timeoutMs,
        () => inner.append(name, bytes, expected, options),
        unanswered,
        broken,
      )
    },
    tail: (name, timeoutMs) => call<TailResult>(timeoutMs, () => inner.tail(name, timeoutMs), unanswered, broken),
    read: (name, from, timeoutMs) =>
      call<ReadResult>(Math.min(timeoutMs, answerMsMax), () => inner.read(name, from, timeoutMs), unanswered, broken),
    purge: (name, before, timeoutMs) =>
      call<'done' | 'unknown'>(timeoutMs, () => inner.purge(name, before, timeoutMs), 'unknown', 'unknown'),
    watch,
    identity: (timeoutMs) =>
      call<LogIdentity | 'unknown'>(timeoutMs, () => inner.identity(timeoutMs), 'unknown', 'unknown'),
    close: () => inner.close(),
  }
}
