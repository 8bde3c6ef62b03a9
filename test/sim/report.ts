/** Report: what a run of many seeds has shown, for a reader: its numbers, and what was met. */

import { type Output, paint } from '../../src/cli/terminal.ts'
import { type Counts, faultPrefix, missingFrom, times, upon } from './coverage.ts'
import { type Cell, columns, duration, entry, matrix, thousands } from './page.ts'
import type { Tally } from './tally.ts'

export function numbersOf(output: Output, tally: Tally, seconds: number, jobs: number): string {
  const { seeds, failures, calls, answered, simulatedMs, slowest } = tally
  const rate = seeds / seconds
  const failed = paint(
    output,
    failures.length > 0 ? 'red' : 'green',
    failures.length > 0 ? `${failures.length} failed` : 'none failed',
  )
  const beyond = slowest.excessMs > 0 ? 'after' : 'before'
  return [
    entry(output, 'seeds', [`${thousands(seeds)} in ${duration(seconds)}`, failed]),
    entry(output, 'speed', [
      `${rate.toFixed(1)} seeds a second`,
      jobs === 1 ? 'on one core' : `${(rate / jobs).toFixed(1)} on each of ${jobs} cores`,
    ]),
    entry(output, 'simulated', [duration(simulatedMs / 1_000)]),
    entry(output, 'wishes', [`${thousands(calls)} asked`, `${thousands(answered)} answered`]),
    Number.isFinite(slowest.excessMs)
      ? entry(output, 'whole again', [
          `at the latest ${thousands(Math.abs(slowest.excessMs))} ms ${beyond} 2W + T`,
          `with seed ${slowest.seed}`,
        ])
      : '',
  ].join('')
}

/** Faults, what lay in wait against where it struck, and then inputs against the states of the core: of the node and of the shard. */
export function coverageOf(output: Output, counts: Counts): string {
  const all = { ...counts, ...Object.fromEntries(missingFrom(counts).map((name) => [name, 0])) }
  const named = Object.keys(all)
    .filter((name) => name.startsWith(faultPrefix))
    .map((name) => ({ name: name.slice(faultPrefix.length), count: all[name]! }))
    .toSorted((a, b) => a.name.localeCompare(b.name))
  const isAmbush = ({ name }: Cell): boolean => name.includes(upon)
  const ambushes = named.filter(isAmbush).map(({ name }) => name.split(upon) as [situation: string, kind: string])
  const [situations, kinds] = [0, 1].map((i) => [...new Set(ambushes.map((ambush) => ambush[i]!))].toSorted())
  const pairs = Object.keys(all)
    .filter((name) => name.includes(times))
    .map((name) => name.split(times) as [state: string, input: string])
  const wholes = [...new Set(pairs.map(([state]) => state.replace(/ .*/, '')))].toSorted()
  const section = (title: string, table: string): string => `  ${paint(output, 'bold', title)}\n${table}`
  return [
    section(
      'faults',
      columns(
        output,
        named.filter((cell) => !isAmbush(cell)),
      ),
    ),
    ...(ambushes.length === 0
      ? []
      : [
          section(
            'what lay in wait, by where it struck',
            matrix(output, situations!, kinds!, (row, head) => all[`${faultPrefix}${row}${upon}${head}`]),
          ),
        ]),
    ...wholes.map((whole) => {
      const own = pairs.filter(([state]) => state.startsWith(`${whole} `))
      const countOf = (input: string, head: string): number | undefined => all[`${whole} ${head}${times}${input}`]
      const heads = [...new Set(own.map(([state]) => state.slice(whole.length + 1)))].toSorted()
      const inputs = [...new Set(own.map(([, input]) => input))].toSorted()
      return section(`what reached the core, by the state of the ${whole}`, matrix(output, inputs, heads, countOf))
    }),
  ].join('\n')
}

/** `isFailure`: there were seeds enough to meet all of it. Few seeds miss much, and nobody wants to read what. */
export function missingOf(output: Output, missing: readonly string[], isFailure: boolean): string {
  if (missing.length === 0) return ''
  const names = missing.map((name) => paint(output, 'red', name))
  return entry(output, 'not met', isFailure ? names : [`${missing.length} of what a thousand seeds must meet`])
}
