/** Trial: one seed that is run, and the verdict on it: small, for it may come from another process. */

import { closeSync, openSync, writeSync } from 'node:fs'
import type { Plan } from './plan.ts'
import { type Outcome, simulate } from './simulation.ts'

export interface Trial {
  readonly seed: number
  /** Takes the place of the drawn plan. */
  readonly plan?: Plan
  /** Another run of it, in another process, must be the same: so its verdict tells how it went. */
  readonly twice?: boolean
  /** File to write its transcript to, line by line: what there is of it is there even if the process dies. */
  readonly transcript?: string
}

export interface Verdict {
  readonly seed: number
  readonly violations: readonly string[]
  /** How it went, where it must be the same twice, or somebody listens. */
  readonly course: Course | undefined
  readonly events: number
  readonly calls: number
  readonly answered: number
  readonly wholeExcessMs: number
  readonly simulatedMs: number
  readonly coverage: Readonly<Record<string, number>>
}

export interface Course {
  readonly hash: string
  readonly storedHash: string
  readonly lines: readonly string[]
}

export async function judge(trial: Trial, echo?: (line: string) => void): Promise<Verdict> {
  const file = trial.transcript === undefined ? undefined : openSync(trial.transcript, 'w')
  const write = file === undefined ? echo : (line: string) => void writeSync(file, `${line}\n`)
  const plan = trial.plan === undefined ? {} : { plan: trial.plan }
  try {
    const isUnread = trial.twice !== true
    return verdictOf(
      trial.seed,
      await simulate(trial.seed, { ...plan, ...(write && { echo: write }), isUnread }),
      isUnread,
    )
  } catch (thrown) {
    return failed(trial.seed, `the run threw: ${thrown instanceof Error ? thrown.stack : String(thrown)}`)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** Of a run that did not come to its end. */
export const failed = (seed: number, violation: string): Verdict => ({
  seed,
  violations: [violation],
  course: undefined,
  events: 0,
  calls: 0,
  answered: 0,
  wholeExcessMs: -Infinity,
  simulatedMs: 0,
  coverage: {},
})

const verdictOf = (seed: number, outcome: Outcome, isUnread: boolean): Verdict => ({
  seed,
  violations: outcome.violations,
  course: isUnread
    ? undefined
    : { hash: outcome.hash(), storedHash: outcome.storedHash(), lines: outcome.transcript() },
  events: outcome.events,
  calls: outcome.calls,
  answered: outcome.answered,
  wholeExcessMs: outcome.wholeExcessMs,
  simulatedMs: outcome.simulatedMs,
  coverage: outcome.coverage,
})

/** Of two runs of one trial: they must be the same. */
export function compared(one: Verdict, other: Verdict): Verdict {
  if (one.violations.length > 0 || other.violations.length > 0) return one.violations.length > 0 ? one : other
  const difference = differenceOf(one.course!, other.course!)
  return difference === undefined ? one : { ...one, violations: [`two runs differ: ${difference}`] }
}

/** The first one. */
function differenceOf(one: Course, other: Course): string | undefined {
  const length = Math.max(one.lines.length, other.lines.length)
  let at = 0
  while (at < length && one.lines[at] === other.lines[at]) at++
  if (at < length)
    return `in line ${at + 1} one has "${one.lines[at]?.trim()}" and the other "${other.lines[at]?.trim()}"`
  return one.storedHash === other.storedHash ? undefined : 'they tell the same, and stored other bytes'
}
