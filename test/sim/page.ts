/** Page: text for a terminal, in lines of at most a hundred columns: terms with what is said of them, and counts in columns. */

import stringWidth from 'string-width'
import { type Output, paint } from '../../src/cli/terminal.ts'

export const pageWidthOf = (output: Output): number => (output.isTerminal ? Math.min(output.columns, 100) : 100)

const indent = '  '
const termWidth = 12

export const thousands = (count: number): string => Math.round(count).toLocaleString('en')

const compact = new Intl.NumberFormat('en', { notation: 'compact' })

/** At most five characters. */
export const short = (count: number): string => compact.format(count)

/** In its two largest units. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const [hours, minutes] = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60]
  const two = (count: number): string => String(count).padStart(2, '0')
  if (hours > 0) return `${thousands(hours)} h ${two(minutes)} min`
  return minutes > 0 ? `${minutes} min ${two(whole % 60)} s` : `${whole} s`
}

/** Broken between words, each line after the first behind so many blanks. The first one begins there as well. */
export function wrapped(output: Output, text: string, margin: number): string {
  const width = pageWidthOf(output) - margin
  const lines = text.split('\n').flatMap((line) => {
    const broken: string[] = []
    for (const word of line.split(' ')) {
      const last = broken.at(-1)
      if (last === undefined || stringWidth(last) + 1 + stringWidth(word) > width) broken.push(word)
      else broken[broken.length - 1] = `${last} ${word}`
    }
    return broken
  })
  return lines.join(`\n${' '.repeat(margin)}`)
}

/** A term, and beside it what is said of it, broken between its parts. */
export function entry(output: Output, term: string, parts: readonly string[]): string {
  const lines: string[] = []
  for (const [i, part] of parts.entries()) {
    const text = i === parts.length - 1 ? part : `${part},`
    const last = lines.at(-1)
    if (
      last === undefined ||
      indent.length + termWidth + stringWidth(last) + 1 + stringWidth(text) > pageWidthOf(output)
    )
      lines.push(text)
    else lines[lines.length - 1] = `${last} ${text}`
  }
  const margin = indent + ' '.repeat(termWidth)
  return `${indent}${paint(output, 'dim', term.padEnd(termWidth))}${lines.join(`\n${margin}`)}\n`
}

export interface Cell {
  readonly name: string
  readonly count: number
}

/** Names with their counts, read downwards. */
export function columns(output: Output, cells: readonly Cell[]): string {
  const width = Math.max(0, ...cells.map(({ name }) => name.length)) + countWidth
  const count = Math.max(1, Math.floor((pageWidthOf(output) - indent.length + gap.length) / (width + gap.length)))
  const height = Math.ceil(cells.length / count)
  return Array.from({ length: height }, (_, row) => {
    const line = cells.filter((__, i) => i % height === row)
    const texts = line.map((cell) => cell.name.padEnd(width - countWidth) + shownCount(output, cell.count))
    return `${indent}${texts.join(gap)}\n`
  }).join('')
}

/** Rows against columns, in as many blocks beneath each other as the page needs. */
export function matrix(
  output: Output,
  rows: readonly string[],
  heads: readonly string[],
  countOf: (row: string, head: string) => number | undefined,
): string {
  const labelWidth = Math.max(...rows.map((row) => row.length))
  const widthOf = (head: string): number => Math.max(countWidth, ...head.split(' ').map((word) => word.length + 2))
  const blocks: string[][] = [[]]
  let width = labelWidth
  for (const head of heads) {
    if (indent.length + width + widthOf(head) > pageWidthOf(output)) {
      blocks.push([])
      width = labelWidth
    }
    width += widthOf(head)
    blocks.at(-1)!.push(head)
  }
  return blocks.map((block) => blockOf(block)).join('\n')

  function blockOf(block: readonly string[]): string {
    const words = block.map((head) => head.split(' '))
    const height = Math.max(...words.map(({ length }) => length))
    const head = Array.from({ length: height }, (_, line) => {
      const texts = words.map((each, i) => (each[line - height + each.length] ?? '').padStart(widthOf(block[i]!)))
      return `${indent}${' '.repeat(labelWidth)}${paint(output, 'dim', texts.join('').trimEnd())}\n`
    })
    const body = rows
      .filter((row) => block.some((each) => countOf(row, each) !== undefined))
      .map((row) => {
        const texts = block.map((each) => shownCount(output, countOf(row, each), widthOf(each)))
        return `${indent}${row.padEnd(labelWidth)}${texts.join('')}\n`
      })
    return [...head, ...body].join('')
  }
}

const gap = '   '
const countWidth = 7

/** A zero is what should not be; a dot is what need not be. */
function shownCount(output: Output, count: number | undefined, width = countWidth): string {
  if (count === undefined) return paint(output, 'dim', '·'.padStart(width))
  const text = short(count).padStart(width)
  return count === 0 ? paint(output, 'red', text) : text
}
