/** Paint: colours, and the few shapes that the picture is made of. Widths are counted before the colours go on. */

import { stripVTControlCharacters, styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** NO_COLOR (no-color.org) and anything that is not a terminal get plain text. */
const coloured = process.stdout.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'

export const paint = (style: Style, text: string): string => (coloured ? styleText(style, text) : text)

export const widthOf = (text: string): number => stripVTControlCharacters(text).length

export const left = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)))

export const right = (text: string, width: number): string => ' '.repeat(Math.max(0, width - widthOf(text))) + text

/** A line that is too long loses its colours before it loses its end: a half escape would colour the rest of the screen. */
export const cut = (line: string, width: number): string =>
  widthOf(line) <= width ? line : stripVTControlCharacters(line).slice(0, width)

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

export function bar(share: number, width: number): string {
  const units = Math.round(Math.min(1, Math.max(0, share)) * width * 8)
  return '█'.repeat(Math.floor(units / 8)) + eighths[units % 8]!
}

const steps = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width)
  const top = Math.max(1, ...shown)
  return shown.map((value) => steps[Math.round((value / top) * (steps.length - 1))]!).join('')
}

export const count = (n: number): string => Math.round(n).toLocaleString('en-US')

/** Two digits that matter: 3.1 ms, 14 ms, 2.9 s. */
export function span(ms: number): string {
  if (ms >= 999.5) return `${(ms / 1_000).toFixed(1)} s`
  return `${ms >= 9.95 ? ms.toFixed(0) : ms.toFixed(1)} ms`
}

export function clock(ms: number): string {
  const seconds = Math.floor(ms / 1_000)
  return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`
}
