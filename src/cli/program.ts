/** Program: the whole command line. It is written against the public API alone: what it can do, a program can. */

import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { addActorCommands } from './actor-commands.ts'
import { addClusterCommands } from './cluster-commands.ts'
import { type Circumstances, exitCodeLines, report, UsageError } from './failure.ts'
import { flag } from './flags.ts'
import { helpStyle, section } from './help.ts'
import { addNodeCommand } from './node-command.ts'
import type { Shell } from './terminal.ts'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

/** Runs one command; resolves with the exit code. What goes wrong is told on the shell's standard error. */
export async function run(words: readonly string[], shell: Shell): Promise<number> {
  const program = createProgram(shell)
  const command = program.commands.some((each) => each.name() === words[0]) ? words[0] : undefined
  let circumstances: Circumstances = { command, json: words.includes('--json') }
  program.hook('preAction', (_, action) => {
    const { json, requestId } = action.opts<{ json?: true; requestId?: string }>()
    circumstances = { command, json: json === true, ...(requestId !== undefined && { requestId }) }
  })
  try {
    if (words.length === 0) program.outputHelp()
    else await program.parseAsync(words, { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) await report(shell, thrown, circumstances)
    else if (thrown.exitCode !== 0) await report(shell, new UsageError(sentenceOf(thrown, words)), circumstances)
  }
  return shell.exitCode
}

function createProgram(shell: Shell): Command {
  const { stdout } = shell
  const program = new Command('godwit')
    .description('Resources are actors, and actors migrate: XState machines on a NATS cluster.')
    .usage('COMMAND [ARGUMENTS] [--json]')
    .version(version, '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .exitOverride()
    .configureHelp(helpStyle(stdout))
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      // Said by `report`, in the same form as everything else that goes wrong.
      writeErr: () => {},
      outputError: () => {},
      getOutHelpWidth: () => stdout.columns,
      getOutHasColors: () => stdout.colors,
    })
  program.commandsGroup('Actors:')
  addActorCommands(program, shell)
  program.commandsGroup('Cluster:')
  addNodeCommand(program, shell)
  addClusterCommands(program, shell)
  program.commandsGroup('More:').helpCommand('help [command]', 'Print the help of a command')
  const codes = exitCodeLines.map((line) => `  ${line}`)
  const first = [
    'godwit node --cluster demo --id n1 --actors actors/counter.ts',
    'export GODWIT_CLUSTER=demo',
    'godwit spawn counter c1 start=5',
    'godwit ask counter c1 INC',
  ].map((line) => `  ${line}`)
  program.addHelpText(
    'after',
    `\n${section(stdout, 'To begin, with a nats-server (-js) on this machine', first)}\n${section(stdout, 'Exit codes', codes)}`,
  )
  return program
}

/** Commander says `error: unknown command 'akk'\n(Did you mean ask?)`. */
function sentenceOf({ code, message }: CommanderError, words: readonly string[]): string {
  if (code === 'commander.help') return `unknown command '${words[1]}'`
  const text = message.replace(/^error: /, '').replace(/\n\(Did you mean (.*)\?\)$/, '; did you mean $1?')
  const flags = /^required option '(.*)' not specified$/.exec(text)?.[1]
  if (flags === undefined) return text
  return `${flags} is missing (or the variable ${flag(flags, '').envVar})`
}
