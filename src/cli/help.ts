/** Help: how help texts look: what a command does, its arguments and flags with defaults and variables, and examples to copy. */

import type { Argument, Command, HelpConfiguration } from 'commander'
import { type Output, paint } from './terminal.ts'

export type Example = readonly [command: string, explanation: string]

export const helpStyle = (output: Output): HelpConfiguration => ({
  // Wider lines are tiring to read, even where the terminal has them.
  helpWidth: Math.min(output.columns, 110),
  showGlobalOptions: false,
  styleTitle: (text) => paint(output, 'bold', text),
  styleCommandText: (text) => paint(output, 'cyan', text),
  styleSubcommandText: (text) => paint(output, 'cyan', text),
  styleOptionText: (text) => paint(output, 'cyan', text),
  styleArgumentText: (text) => paint(output, 'cyan', text),
  subcommandTerm: (command) => [command.name(), ...command.registeredArguments.map(argumentTerm)].join(' '),
  optionDescription: ({ description, defaultValueDescription, defaultValue, envVar, mandatory }) => {
    const preset = defaultValueDescription ?? (defaultValue as string | undefined)
    const notes = [
      mandatory ? 'required' : [],
      preset === undefined ? [] : `default: ${preset}`,
      envVar === undefined ? [] : `$${envVar}`,
    ].flat()
    return notes.length === 0 ? description : `${description} ${paint(output, 'dim', `(${notes.join(', ')})`)}`
  },
})

const argumentTerm = (argument: Argument): string => {
  const name = argument.name() + (argument.variadic ? '...' : '')
  return argument.required ? `<${name}>` : `[${name}]`
}

export function addExamples(command: Command, output: Output, examples: readonly Example[]): void {
  const lines = examples.map(
    ([text, explanation]) => `  ${paint(output, 'dim', `# ${explanation}`)}\n  ${paint(output, 'cyan', text)}`,
  )
  command.addHelpText('after', `\n${section(output, 'Examples', lines)}`)
}

export const section = (output: Output, title: string, lines: readonly string[]): string =>
  `${paint(output, 'bold', `${title}:`)}\n${lines.join('\n')}\n`
