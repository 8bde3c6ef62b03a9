/** Flags: what the commands of the simulator are told. What they cannot use they refuse in one line that says what is meant, and end
 *  with 2: a run of other seeds than those that were asked for would show nothing. */

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { limits } from '../../src/base/limits.ts'
import { wholeNumber } from '../../src/cli/flags.ts'
import { addExamples, type Example, helpStyle } from '../../src/cli/help.ts'
import { type Output, outputOf, paint } from '../../src/cli/terminal.ts'
import type { Patch } from './difference.ts'
import { blowKinds, noFaults } from './faults.ts'
import { drawPlan } from './plan.ts'

export interface FlagsOf {
  /** As npm knows it: `npm run sim`. */
  readonly name: string
  readonly purpose: string
  readonly usage: string
  readonly examples: readonly Example[]
  readonly options: readonly Option[]
}

/** Ends the process where they are wrong, or where help is asked for. */
export function parseFlags(words: readonly string[], of: FlagsOf): object {
  const command = commandOf(of, outputOf(process.stdout))
  try {
    command.parse(words, { from: 'user' })
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown
    if (thrown.exitCode === 0) process.exit(0)
    const sentence = thrown.message.replace(/^error: /, '').replace(/\n\(Did you mean (.*)\?\)$/, '; did you mean $1?')
    refuse(sentence, of.name)
  }
  return command.opts()
}

/** Says what is wrong, and ends the process. */
export function refuse(sentence: string, name: string): never {
  const output = outputOf(process.stderr)
  const help = paint(output, 'dim', `npm run ${name} -- --help`)
  process.stderr.write(`${paint(output, 'red', 'error:')} ${sentence.replace(/\.$/, '')} (${help})\n`)
  process.exit(2)
}

function commandOf({ name, purpose, usage, examples, options }: FlagsOf, output: Output): Command {
  const command = new Command(`npm run ${name} --`)
    .description(purpose)
    .usage(usage)
    .helpOption('--help', 'print this help')
    .exitOverride()
    .configureHelp(helpStyle(output))
    .configureOutput({ writeErr: () => {}, outputError: () => {}, getOutHelpWidth: () => output.columns })
  for (const option of options) command.addOption(option)
  addExamples(command, output, examples)
  return command
}

export interface Seeds {
  readonly from: number
  /** Infinity: as many as there is time for. */
  readonly count: number
}

/** How seeds are named, in both commands. */
export const seedFlags = (countDefault: number): readonly Option[] => [
  new Option('--seeds <N>', 'so many seeds').argParser(wholeNumber(1)).default(undefined, `${countDefault}`),
  new Option('--seed <S>', 'the first one; without --seeds the only one').argParser(wholeNumber(0)),
  new Option('--from <S>', 'the first one').argParser(wholeNumber(0)).conflicts('seed'),
]

export interface SeedFlags {
  readonly seeds?: number
  readonly seed?: number
  readonly from?: number
}

/** `otherwise`: where neither is said. */
export const seedsOf = ({ seeds, seed, from }: SeedFlags, otherwise: Seeds): Seeds => ({
  from: seed ?? from ?? otherwise.from,
  count: seeds ?? (seed === undefined ? otherwise.count : 1),
})

/** For `argParser`: more than none. */
export function positiveNumber(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text) && Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('It must be a number above 0.')
}

/** For `argParser`: what is to be different in a plan. */
export function planPatch(text: string): Patch {
  let patch: unknown
  try {
    patch = JSON.parse(text)
  } catch (thrown) {
    throw new InvalidArgumentError(`It must be JSON: ${(thrown as Error).message}.`)
  }
  const wrong = misfitOf(patch, { ...drawPlan(1), limits, faults: noFaults }, 'plan')
  if (wrong !== undefined) throw new InvalidArgumentError(`${wrong}.`)
  return patch as Patch
}

/** Where the patch does not fit what it is to change. */
function misfitOf(patch: unknown, pattern: unknown, where: string): string | undefined {
  if (kindOf(patch) !== kindOf(pattern)) return `${where} must be ${article(kindOf(pattern))}`
  if (where === 'blows')
    return (patch as readonly unknown[]).every(isBlow) ? undefined : 'each of blows must have a kind, atMs and a seed'
  if (kindOf(pattern) !== 'object') return undefined
  const fields = pattern as Patch
  for (const [name, value] of Object.entries(patch as Patch)) {
    if (!(name in fields)) return `${where} has no ${name}; it has ${Object.keys(fields).join(', ')}`
    // A limit that is taken away is as it is shipped.
    const wrong = value === null && where === 'limits' ? undefined : misfitOf(value, fields[name], name)
    if (wrong !== undefined) return wrong
  }
  return undefined
}

const article = (noun: string): string => `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`

const kindOf = (value: unknown): string => (Array.isArray(value) ? 'list' : value === null ? 'null' : typeof value)

function isBlow(value: unknown): boolean {
  const { kind, atMs, seed } = (value ?? {}) as Patch
  return blowKinds.includes(kind as never) && typeof atMs === 'number' && typeof seed === 'number'
}
