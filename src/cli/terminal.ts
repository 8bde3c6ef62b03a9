/** Terminal: the three streams of the command line, and how text becomes fit for them: colours where somebody looks, none
 *  in a pipe, and never a control character that came from the cluster. */

import { inspect, styleText } from 'node:util'

export type Style = Extract<Parameters<typeof styleText>[0], string>

export interface Output {
  readonly isTerminal: boolean
  readonly colors: boolean
  readonly columns: number
  /** Resolves when the text is out: a long list waits for a slow reader. */
  write(text: string): Promise<void>
}

export interface Shell {
  readonly stdin: AsyncIterable<Buffer | string>
  readonly stdout: Output
  readonly stderr: Output
  /** What the process will exit with. */
  exitCode: number
}

export function outputOf(stream: NodeJS.WriteStream): Output {
  return {
    isTerminal: stream.isTTY,
    // Node's own judgement: it knows NO_COLOR, FORCE_COLOR and dumb terminals.
    colors: styleText('red', '.', { stream }) !== '.',
    columns: stream.columns ?? 80,
    write: (text) => new Promise((resolve) => void stream.write(text, () => resolve())),
  }
}

export const paint = (output: Output, style: Style, text: string): string =>
  output.colors && text !== '' ? styleText(style, text, { validateStream: false }) : text

/** Ids and texts are anybody's: without this, one could move the cursor, or read backwards. */
export const printable = (text: string): string =>
  text.replaceAll(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, (found) => `\\u{${found.codePointAt(0)!.toString(16)}}`)

/** A value for a person: a text as it is, everything else in JavaScript's notation. */
export function shown(output: Output, value: unknown): string {
  if (typeof value === 'string') return output.isTerminal ? value.split('\n').map(printable).join('\n') : value
  return notation(output, value)
}

export const notation = (output: Output, value: unknown, indent = 0): string =>
  inspect(value, {
    colors: output.colors,
    depth: Infinity,
    maxArrayLength: null,
    maxStringLength: null,
    breakLength: output.columns - indent,
  }).replaceAll('\n', `\n${' '.repeat(indent)}`)

/** A value for a program: one line of JSON. MessagePack knows larger numbers than JSON. */
export const jsonLine = (value: unknown): string =>
  `${JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each))}\n`
