/** CliProcess: `godwit` as a process of its own, from the sources. */

import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface CliProcess {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Resolves with the match once standard output or standard error holds it; rejects if the process ends without. */
  says(pattern: RegExp): Promise<RegExpExecArray>
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const top = fileURLToPath(new URL('../..', import.meta.url))

export function startCli(words: readonly string[], env: NodeJS.ProcessEnv = {}): CliProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...words], {
    cwd: top,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const texts = { stdout: '', stderr: '' }
  const looks = new Set<() => void>()
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text
      for (const look of looks) look()
    })
  }
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal!))
  })

  const says = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(texts.stdout) ?? pattern.exec(texts.stderr)
        if (found !== null) resolve(found)
      }
      looks.add(look)
      look()
      void ended.then((how) =>
        reject(
          new Error(`godwit ${words[0]} ended with ${how} before it said ${pattern}:\n${texts.stdout}${texts.stderr}`),
        ),
      )
    })

  return { child, stdout: () => texts.stdout, stderr: () => texts.stderr, says, ended }
}
