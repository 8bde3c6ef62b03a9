/** Shell: the command line inside the test's process, on streams that remember what was written. */

import { run } from '../../src/cli/program.ts'
import type { Output } from '../../src/cli/terminal.ts'

// What the person who runs the tests has set for their own cluster is none of a test's.
for (const name of Object.keys(process.env)) {
  if (name.startsWith('GODWIT_') && name !== 'GODWIT_NATS_SERVER') delete process.env[name]
}

export class TestOutput implements Output {
  readonly isTerminal: boolean
  readonly colors: boolean
  readonly columns = 100
  text = ''

  constructor(isTerminal = false, colors = false) {
    this.isTerminal = isTerminal
    this.colors = colors
  }

  write(text: string): Promise<void> {
    this.text += text
    return Promise.resolve()
  }
}

export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs one command as in a pipe, or as on a terminal without colours. */
export async function runCommand(
  words: readonly string[],
  { stdin = '', isTerminal = false }: { readonly stdin?: string; readonly isTerminal?: boolean } = {},
): Promise<Ran> {
  const stdout = new TestOutput(isTerminal)
  const stderr = new TestOutput(isTerminal)
  const exitCode = await run(words, { stdin: textOf(stdin), stdout, stderr, exitCode: 0 })
  return { exitCode, stdout: stdout.text, stderr: stderr.text }
}

export async function* textOf(text: string): AsyncGenerator<string> {
  yield text
}
