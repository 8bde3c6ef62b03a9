/** Failure: what a person or a program hears when a command does not succeed, and what the process exits with. A refusal
 *  has a code from the closed list; everybody hears what happened, whether it may have run, and what to do. */

import type { ErrorCode, GodwitError } from '../index.ts'
import { jsonLine, paint, printable, type Shell } from './terminal.ts'

export const exitCodes = {
  done: 0,
  refused: 1,
  usage: 2,
  noAnswer: 3,
  notHandled: 4,
} as const

export const exitCodeLines = [
  '0    done',
  '1    refused; the code and a sentence say why, and what to do',
  '2    the command line, a file that it names or an actor module is wrong',
  '3    no answer: the cluster cannot be reached, or not in time (UNAVAILABLE, DEADLINE)',
  '4    ask: the actor has no transition for the event in its present state',
  '130  interrupted a second time, or a client command interrupted (SIGINT); 143 the same for SIGTERM',
]

/** The command line itself is wrong: nothing was sent. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export interface Circumstances {
  /** Undefined if there is none of the name. */
  readonly command: string | undefined
  readonly json: boolean
  /** The name under which the request was sent. */
  readonly requestId?: string
}

/** Writes what happened to standard error and sets the exit code. */
export async function report(shell: Shell, thrown: unknown, circumstances: Circumstances): Promise<void> {
  const failure = failureOf(thrown, circumstances)
  shell.exitCode = failure.exitCode
  await shell.stderr.write(circumstances.json ? jsonLine({ error: failure.error }) : inWords(shell, failure))
}

interface Failure {
  readonly exitCode: number
  readonly error: {
    readonly code: ErrorCode | 'USAGE'
    readonly message: string
    readonly retryable: boolean
    readonly mayHaveRun: boolean
    readonly requestId?: string
  }
  readonly advice: string | undefined
}

function failureOf(thrown: unknown, { command, requestId }: Circumstances): Failure {
  if (isRefusal(thrown)) {
    const { code, message, retryable, mayHaveRun } = thrown
    const isUnanswered = code === 'UNAVAILABLE' || code === 'DEADLINE'
    return {
      exitCode: isUnanswered ? exitCodes.noAnswer : exitCodes.refused,
      error: { code, message, retryable, mayHaveRun, ...(requestId !== undefined && { requestId }) },
      advice: mayHaveRun && retryable ? adviceInDoubt(requestId) : advice[code],
    }
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const isUsage = thrown instanceof UsageError
  return {
    exitCode: isUsage ? exitCodes.usage : exitCodes.refused,
    error: { code: isUsage ? 'USAGE' : 'INTERNAL', message, retryable: false, mayHaveRun: false },
    advice: isUsage ? `See: godwit help${command === undefined ? '' : ` ${command}`}` : stackOf(thrown),
  }
}

/** Of what nobody foresaw. An error of the system (a port in use, a file that is not there) has said all. */
const stackOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && !('syscall' in thrown)
    ? thrown.stack?.split('\n').slice(1).join('\n').trimStart()
    : undefined

/** By its shape: an import of the class would load the whole runtime, only to say that an option is unknown. */
const isRefusal = (thrown: unknown): thrown is GodwitError => thrown instanceof Error && thrown.name === 'GodwitError'

const adviceInDoubt = (requestId: string | undefined): string =>
  requestId === undefined
    ? 'Try again; --timeout MS gives it longer.'
    : `It may have run. Send it again within two minutes under the same name, and it runs once: --request-id ${requestId}`

/** Only what the message of the refusal does not say by itself. */
const advice: Readonly<Partial<Record<ErrorCode, string>>> = {
  TYPE_UNKNOWN: 'Correct the type, or start a node that has it: godwit node --actors MODULE',
  EVENT_REJECTED: 'Capitals count: write it as the machine does.',
  ACTOR_FAILED: 'The event was undone. Mend the machine; stop and spawn an actor whose status is error.',
  ACTOR_DONE: 'Read its output with godwit get, or spawn it anew.',
  OVERLOADED: 'Nothing was done: try again later, and slower.',
  NOT_OWNER: 'Nothing was done: try again.',
  UNAVAILABLE: 'Nothing was done: try again.',
  INTERNAL: 'Report this, with the message.',
}

function inWords({ stderr }: Shell, { error, advice: counsel }: Failure): string {
  const code = error.code === 'USAGE' ? '' : `${paint(stderr, 'bold', error.code)}: `
  const mark = stderr.isTerminal ? paint(stderr, 'red', '✖ ') : 'godwit: '
  const message = error.message.split('\n').map(printable).join('\n  ')
  return `${mark}${code}${message}\n${counsel === undefined ? '' : paint(stderr, 'dim', `  ${counsel}`) + '\n'}`
}
