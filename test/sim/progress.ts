/** Progress: how far a long work has come: one line that is rewritten where somebody looks, and else a line every ten seconds. */

import stringWidth from 'string-width'
import { type Output, paint } from '../../src/cli/terminal.ts'
import { pageWidthOf } from './page.ts'

export interface Standing {
  /** From 0 to 1. */
  readonly share: number
  readonly facts: readonly string[]
}

export class Progress {
  private readonly output: Output
  private readonly look: () => Standing
  private readonly interval: NodeJS.Timeout

  constructor(output: Output, look: () => Standing) {
    this.output = output
    this.look = look
    if (output.isTerminal) void output.write(hideCursor)
    process.once('exit', this.end)
    this.interval = setInterval(() => this.show(), output.isTerminal ? 100 : 10_000)
    if (output.isTerminal) this.show()
  }

  /** A line that stays. */
  say(line: string): void {
    void this.output.write(this.output.isTerminal ? `${clearLine}${line}\n` : `${line}\n`)
    if (this.output.isTerminal) this.show()
  }

  /** Whatever ends the process: its terminal is as it was. */
  readonly end = (): void => {
    clearInterval(this.interval)
    process.off('exit', this.end)
    if (this.output.isTerminal) void this.output.write(clearLine + showCursor)
  }

  private show(): void {
    const { share, facts } = this.look()
    if (!this.output.isTerminal) return void this.output.write(`${facts.join(', ')}\n`)
    const text = facts.join(paint(this.output, 'dim', ' · '))
    const width = pageWidthOf(this.output) - stringWidth(text) - 5
    void this.output.write(`${clearLine}  ${width < barWidthMin ? '' : `${this.bar(share, width)}  `}${text}`)
  }

  /** In half characters, so that it moves often. */
  private bar(share: number, width: number): string {
    const halves = Math.round(Math.min(1, Math.max(0, share)) * width * 2)
    const done = '━'.repeat(halves >> 1) + (halves % 2 === 1 ? '╸' : '')
    return paint(this.output, 'green', done) + paint(this.output, 'dim', '─'.repeat(width - done.length))
  }
}

const barWidthMin = 8
const clearLine = '\r\u001b[2K'
const hideCursor = '\u001b[?25l'
const showCursor = '\u001b[?25h'
