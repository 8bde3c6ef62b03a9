/** A log as one process in a simulated world reaches it: the memory twin, with calls that get lost on the way or on the way back,
 *  are slow, or arrive after their caller has given them up. */

import type { AppendResult, Log, LogEntry, LogIdentity, ReadResult, TailResult } from '../../src/log/port.ts'
import { memoryLog } from '../../src/log/memory.ts'
import type { MemoryBroker } from '../../src/transport/memory-broker.ts'
import type { Stall, Wire } from './network.ts'

/** As the port says of `read`. */
const answerMsMax = 2_000

const unanswered = { kind: 'unknown', reason: 'no answer in time' } as const
const full = { kind: 'full', reason: 'the store has no room' } as const
const broken = { kind: 'unknown', reason: 'the connection broke' } as const

/** `serverOf`: which life of the broker answers, and whether it may forget. */
export function faultyLog(
  broker: MemoryBroker,
  stream: string,
  wire: Wire,
  serverOf: () => Pick<LogIdentity, 'server' | 'mayForget'>,
  report: (error: Error) => void,
): Log {
  const inner = memoryLog(broker, { stream, report })
  const { clock, network } = wire
  const { random } = network

  /** One call to the store and back. `late`: what the caller hears if nothing comes back in time; `gone`: if the connection breaks. */
  function call<T>(
    timeoutMs: number,
    act: () => Promise<T>,
    late: T,
    gone: T,
    stall?: Stall,
    longerMs = 0,
  ): Promise<T> {
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
      wire.beforeUse()
      const { log } = network.faults
      // What is cut off is not lost on its way as well.
      const count = (fault: string): void => {
        if (wire.reaches) network.coverage.fault(fault)
      }
      if (random.next() < log.lost) return count('log call lost')
      if (stall !== undefined && wire.reaches) {
        stall.met?.()
        count(`append ${stall.how}`)
      }
      if (stall?.how === 'lost') return
      const isUnanswered = random.next() < log.unanswered || stall?.how === 'unanswered'
      const heldMs = longerMs + (stall?.how === 'held' ? stall.untilMs - network.timeline.nowMs : 0)
      const slowMs = (): number => {
        if (random.next() >= log.slow) return wire.delayMs()
        count('log call slow')
        return wire.delayMs() + random.next() * log.slowMsMax
      }
      wire.reach(heldMs + slowMs(), () => {
        void act().then((result) => {
          if (isUnanswered) return count('log call unanswered')
          wire.answer(slowMs(), () => {
            if (network.logsDown) network.coverage.fault('answer without a leader')
            else settle(result)
          })
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
        wire.answer(soonestMs - network.timeline.nowMs, () => {
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

  async function identity(): Promise<LogIdentity | 'unknown'> {
    const found = await inner.identity(answerMsMax)
    return found === 'unknown' ? found : { ...found, ...serverOf() }
  }

  return {
    bytesMax: inner.bytesMax,
    append: (name, record, expected, options) => {
      const bytes = new Uint8Array(record)
      const stall = wire.stallOf(stream)
      const isFull = random.next() < network.faults.log.full || stall?.how === 'full'
      const act = (): Promise<AppendResult> => {
        if (!isFull) return inner.append(name, bytes, expected, options)
        network.coverage.fault('log full')
        return Promise.resolve(full)
      }
      const longerMs = name.startsWith('part.') ? random.next() * network.faults.log.partMsMax : 0
      return call(options.timeoutMs, act, unanswered, broken, stall, longerMs)
    },
    tail: (name, timeoutMs) => call<TailResult>(timeoutMs, () => inner.tail(name, timeoutMs), unanswered, broken),
    read: (name, from, timeoutMs) =>
      call<ReadResult>(Math.min(timeoutMs, answerMsMax), () => inner.read(name, from, timeoutMs), unanswered, broken),
    purge: (name, before, timeoutMs) =>
      call<'done' | 'unknown'>(timeoutMs, () => inner.purge(name, before, timeoutMs), 'unknown', 'unknown'),
    watch,
    identity: (timeoutMs) => call<LogIdentity | 'unknown'>(timeoutMs, identity, 'unknown', 'unknown'),
    close: () => inner.close(),
  }
}
