/** Table: rows of text in columns, without lines. It is written in pieces, because a list of actors has no end that is worth
 *  waiting for: the first piece settles the widths, and a later one may only widen them. */

import stringWidth from 'string-width'
import { type Output, paint, printable, type Style } from './terminal.ts'

export interface Column<T> {
  readonly title: string
  readonly of: (row: T) => string | number
  /** Numbers stand right, so that their digits do. */
  readonly align?: 'left' | 'right'
  readonly style?: (row: T) => Style | undefined
}

export interface Table<T> {
  write(rows: readonly T[]): Promise<void>
}

const gap = '  '

export function createTable<T>(output: Output, columns: readonly Column<T>[]): Table<T> {
  const widths = columns.map(({ title }) => stringWidth(title))
  let isBegun = false

  function line(cells: readonly string[], style: (column: number) => Style | undefined): string {
    const padded = cells.map((text, i) => {
      const space = ' '.repeat(widths[i]! - stringWidth(text))
      const painted = paintIf(output, style(i), text)
      return columns[i]!.align === 'right' ? space + painted : painted + space
    })
    return `${padded.join(gap).trimEnd()}\n`
  }

  async function write(rows: readonly T[]): Promise<void> {
    const cells = rows.map((row) => columns.map(({ of }) => printable(String(of(row)))))
    for (const texts of cells) texts.forEach((text, i) => (widths[i] = Math.max(widths[i]!, stringWidth(text))))
    const lines = cells.map((texts, row) => line(texts, (i) => columns[i]!.style?.(rows[row]!)))
    if (!isBegun) {
      lines.unshift(
        line(
          columns.map(({ title }) => title),
          () => 'dim',
        ),
      )
    }
    isBegun = true
    await output.write(lines.join(''))
  }

  return { write }
}

const paintIf = (output: Output, style: Style | undefined, text: string): string =>
  style === undefined ? text : paint(output, style, text)
