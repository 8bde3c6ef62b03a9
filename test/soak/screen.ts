/** Screen: what happens, line by line; and, on a terminal, one line at the bottom that is drawn again and again. Elsewhere that line
 *  is written every few seconds. */

import { bar, clock, count, cut, left, paint, span, widthOf } from '../../examples/demo/paint.ts'
import { monotonicMs } from './clock.ts'
import type { Blow } from './fate.ts'
import type { Round, Soak, SoakListener } from './soak.ts'

export interface Screen extends SoakListener {
  /** From now on there is something to show. */
  show(soak: Soak): void
  say(text: string): void
  close(): void
}

const drawMs = 250
const lineMs = 10_000
const widthMax = 100
const erase = '\r\x1b[K'

export function openScreen(out: NodeJS.WriteStream): Screen {
  const isTerminal = out.isTTY && process.env['TERM'] !== 'dumb'
  let soak: Soak | undefined

  const width = (): number => Math.min(widthMax, out.columns ?? widthMax)
  const timer = setInterval(
    () => (isTerminal ? draw() : soak && write(progressOf(soak, widthMax))),
    isTerminal ? drawMs : lineMs,
  )

  function draw(): void {
    if (soak) out.write(`${erase}${cut(progressOf(soak, width()), width())}`)
  }

  function write(text: string): void {
    out.write(isTerminal ? `${erase}${text}\n` : `${text}\n`)
    if (isTerminal) draw()
  }

  const told = (text: string): void => write(`${paint('dim', now())}  ${text}`)
  const now = (): string => (soak === undefined ? '00:00' : clock(monotonicMs() - soak.startedMs))

  return {
    show: (shown) => void (soak = shown),
    say: write,
    phase: (text) => told(paint('bold', text)),
    blow(blow: Blow) {
      told(blow.text)
    },
    round({ kind, gapMs, wholeMs }: Round) {
      const text = `${kind === 'storm' ? 'the storm is over: ' : ''}whole after ${span(wholeMs)}, nobody unanswered for longer than ${span(gapMs)}`
      write(paint('dim', `         ${text}`))
    },
    violation: (text) => told(`${paint(['bold', 'red'], 'violation')} ${text}`),
    close() {
      clearInterval(timer)
      soak = undefined
      if (isTerminal) out.write(erase)
    },
  }
}

function progressOf(soak: Soak, width: number): string {
  const { startedMs, endsMs, workload, cluster, verdict, faults } = soak
  const nowMs = monotonicMs()
  const struck = [...faults.values()].reduce((sum, times) => sum + times, 0)
  const nodes = (cluster?.living ?? [])
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, state, isFrozen }) => {
      if (isFrozen) return paint('cyan', `${id}❄`)
      if (cluster!.isCut(id)) return paint('yellow', `${id}✂`)
      return state === 'serving' ? id : paint('dim', `${id}${state === 'leaving' ? '↓' : '↑'}`)
    })
  const { calls = 0 } = workload?.counts ?? {}
  const answered = workload?.outcomes.get('answered') ?? 0
  const silentMs = workload?.nowSilentMs ?? 0
  const share = calls === 0 ? 100 : Math.floor((100 * answered) / calls)
  const passed = bar((nowMs - startedMs) / (endsMs - startedMs), 8)
  const parts = [
    clock(nowMs - startedMs),
    paint('green', left(passed, 8)),
    nodes.join(' ') + (cluster?.broker.isUp === false ? paint('yellow', ' nats✂') : ''),
    many(struck, 'fault'),
    `${count(calls)} calls, ${share} % answered`,
    silentMs > 500 ? paint('yellow', `silent ${span(silentMs)}`) : '',
    verdict.count > 0 ? paint(['bold', 'red'], many(verdict.count, 'violation')) : paint('green', '0 violations'),
  ].filter((part) => part !== '')
  const line = parts.join('  ')
  // The bar says least.
  return widthOf(line) <= width ? line : parts.filter((_, i) => i !== 1).join('  ')
}

export const many = (times: number, what: string): string => `${count(times)} ${what}${times === 1 ? '' : 's'}`
