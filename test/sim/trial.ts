/** Trial: one seed that is run, and the verdict on it: small, for it may come from another process. */

import { closeSync, openSync, writeSync } from 'node:fs'
import type { Plan } from './plan.ts'
import { type Outcome, simulate } from './simulation.ts'

export interface Trial {
  readonly seed: number
  /** Takes the place of the drawn plan. */
  readonly plan?: Plan
  /** Two runs of it must be the same. */
  readonly twice?: boolean
  /** File to write its transcript to, line by line: what there is of it is there even if the process dies. */
  readonly transcript?: string
}

export interface Verdict {
  readonly seed: number
  readonly violations: readonly string[]
  /** Where it was asked for, by `twice` or by listening. */
  readonly hash: string | undefined
  readonly events: number
  readonly calls: number
  readonly answered: number
  readonly wholeExcessMs: number
  readonly simulatedMs: number
  readonly coverage: Readonly<Record<string, number>>
}

export async function judge(trial: Trial, echo?: (line: string) => void): Promise<Verdict> {
  const file = trial.transcript === undefined ? undefined : openSync(trial.transcript, 'w')
  const write = file === undefined ? echo : (line: string) => void writeSync(file, `${line}\n`)
  const plan = trial.plan === undefined ? {} : { plan: trial.plan }
  try {
    const outcome = await simulate(trial.seed, { ...plan, ...(write && { echo: write }) })
    const verdict = verdictOf(trial.seed, outcome, trial.twice === true || write !== undefined)
    if (!trial.twice || verdict.violations.length > 0) return verdict
    return { ...verdict, violations: differencesOf(outcome, await simulate(trial.seed, plan)) }
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
  hash: undefined,
  events: 0,
  calls: 0,
  answered: 0,
  wholeExcessMs: -Infinity,
  simulatedMs: 0,
  coverage: {},
})

const verdictOf = (seed: number, outcome: Outcome, isHashed: boolean): Verdict => ({
  seed,
  violations: outcome.violations,
  hash: isHashed ? outcome.hash() : undefined,
  events: outcome.events,
  calls: outcome.calls,
  answered: outcome.answered,
  wholeExcessMs: outcome.wholeExcessMs,
  simulatedMs: outcome.simulatedMs,
  coverage: outcome.coverage,
})

/** The first of them. */
function differencesOf(one: Outcome, other: Outcome): readonly string[] {
  if (one.hash() === other.hash()) return []
  const [lines, others] = [one.transcript(), other.transcript()]
  const length = Math.max(lines.length, others.length)
  let at = 0
  while (at < length && lines[at] === others[at]) at++
  return [`two runs differ: in line ${at + 1} one has "${lines[at]?.trim()}" and the other "${others[at]?.trim()}"`]
}
