/** Failure: what is told of a seed that failed: what was drawn, which promise broke, the smaller plan that breaks it too, how to run
 *  that again, and what led to it. */

import { type Output, paint } from '../../src/cli/terminal.ts'
import { differenceOf, fieldsOf, type Patch } from './difference.ts'
import { type Blow, type BlowKind, noFaults } from './faults.ts'
import { entry, thousands, wrapped } from './page.ts'
import { drawPlan, type Plan } from './plan.ts'
import type { Shrunk } from './shrink.ts'
import type { Verdict } from './trial.ts'

export interface Failure {
  readonly verdict: Verdict
  readonly plan: Plan
  readonly shrunk: Shrunk | undefined
  /** The run that is told of: of the shrunk plan, if there is one. `lines`: its last ones; `file`: where all of them are. */
  readonly told: { readonly verdict: Verdict; readonly lines: readonly string[]; readonly file: string }
}

export function failureOf(output: Output, { verdict, plan, shrunk, told }: Failure): string {
  const { seed } = verdict
  const title = (text: string): string => `\n  ${paint(output, 'bold', text)}\n`
  const parts = [`\n  ${paint(output, 'red', `seed ${seed} failed`)}\n`, violationsOf(output, verdict.violations)]
  parts.push(title('its plan'), planText(output, plan))
  if (shrunk !== undefined) {
    const end = shrunk.isDone ? '' : ', with no time for more'
    parts.push(
      title(`what is left of it after ${many(shrunk.runs, 'smaller run')}${end}`),
      planText(output, shrunk.plan),
    )
  }
  if (told.lines.length > 0) parts.push(title('how that ends'), linesOf(output, told.verdict, told.lines), '\n')
  if (shrunk !== undefined) parts.push(violationsOf(output, told.verdict.violations), '\n')
  parts.push(entry(output, 'all lines', [told.file]), entry(output, 'again', [replayOf(seed, shrunk?.plan ?? plan)]))
  return parts.join('')
}

/** The command that runs this plan again. */
export function replayOf(seed: number, plan: Plan): string {
  const patch = JSON.stringify(differenceOf(drawPlan(seed), plan))
  return `npm run sim -- --seed ${seed}${patch === '{}' ? '' : ` --plan '${patch}'`} --verbose`
}

export function planText(output: Output, plan: Plan): string {
  const faults = fieldsOf(differenceOf(noFaults, effective(plan))).map((fault) => faultText(fault))
  const drawnLimits = Object.entries(plan.limits).map(([name, limit]) => `${name} ${thousands(limit)}`)
  return [
    entry(output, 'world', [
      plan.world,
      `leases of ${thousands(plan.timing.leaseMs)} ms`,
      `${thousands(plan.troubleMs)} ms of trouble`,
      ...plan.focus,
      ...(plan.endsCold ? ['everybody begins anew at the end'] : []),
    ]),
    entry(output, 'cluster', [
      many(plan.nodes, 'node'),
      many(plan.shards, 'shard'),
      `records of ${thousands(plan.recordBytesMax)} bytes`,
    ]),
    entry(output, 'work', [
      many(plan.clients, 'client'),
      `${plan.callsPerSecond.toFixed(1)} calls a second of each`,
      `${many(plan.actors, 'actor')} of each type`,
      ...(plan.paddingBytes > 0 ? [`${thousands(plan.paddingBytes)} bytes more in each`] : []),
    ]),
    entry(output, 'faults', faults.length > 0 ? faults : ['none']),
    entry(output, 'blows', plan.blows.length > 0 ? plan.blows.map(blowText) : ['none']),
    entry(output, 'limits', drawnLimits.length > 0 ? drawnLimits : ['as shipped']),
  ].join('')
}

const blowText = ({ kind, atMs, when }: Blow): string =>
  `${kind} ${when === undefined ? 'at' : `upon ${when} from`} ${thousands(atMs)} ms`

const violationsShownMax = 10
const violationLengthMax = 400

/** The first ones, and of each what can be read; the rest is in the file with the transcript. */
export function violationsOf(output: Output, violations: readonly string[]): string {
  const shown = violations.slice(0, violationsShownMax).map((text) => {
    const cut = text.length > violationLengthMax ? `${text.slice(0, violationLengthMax)} …` : text
    return `  ${paint(output, 'red', '✗')} ${wrapped(output, cut, 4)}\n`
  })
  const more = violations.length - shown.length
  return shown.join('') + (more > 0 ? `    and ${more} more\n` : '')
}

/** What speaks of the things that the violations name stands out. */
function linesOf(output: Output, { violations }: Verdict, lines: readonly string[]): string {
  const names = violations.flatMap((text) => text.match(/\b(c\d+\.\d+|[a-z]+\/[a-z]+\d+|main\.\d+)\b/g) ?? [])
  const named = new RegExp(`\\b(${[...new Set(names)].join('|').replaceAll('.', '\\.')})\\b`)
  return lines.map((line) => `${names.length > 0 && !named.test(line) ? paint(output, 'dim', line) : line}\n`).join('')
}

const many = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/** Without the lengths of what never happens. */
function effective({ faults, blows }: Plan): Plan['faults'] {
  const strikes = (...kinds: readonly BlowKind[]): boolean => blows.some(({ kind }) => kinds.includes(kind))
  return {
    ...faults,
    lateMsMax: faults.late > 0 ? faults.lateMsMax : 0,
    lateAnswersMsMax: faults.lateAnswers > 0 ? faults.lateAnswersMsMax : 0,
    log: { ...faults.log, slowMsMax: faults.log.slow > 0 ? faults.log.slowMsMax : 0 },
    cutMsMax: strikes('cut', 'client cut') ? faults.cutMsMax : 0,
    outageMsMax: strikes('outage') ? faults.outageMsMax : 0,
    electionMsMax: strikes('election') ? faults.electionMsMax : 0,
    pauseMsMax: strikes('pause', 'sleep') ? faults.pauseMsMax : 0,
    stallMsMax: strikes('writes stall') ? faults.stallMsMax : 0,
    lostTailMsMax: strikes('lost tail') ? faults.lostTailMsMax : 0,
  }
}

/** `{ log: { slowMsMax: 80 } }` is 'log slow up to 80 ms'. */
function faultText(fault: Patch): string {
  const [[name, value]] = Object.entries(fault) as [[string, unknown]]
  if (typeof value === 'object') return `${name} ${faultText(value as Patch)}`
  const words = name.replace(/MsMax$/, '').replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  if (typeof value !== 'number') return words
  if (!name.endsWith('MsMax')) return `${words} ${(100 * value).toPrecision(2)} %`
  return `${words} up to ${value < 10 ? value.toPrecision(2) : thousands(value)} ms`
}
