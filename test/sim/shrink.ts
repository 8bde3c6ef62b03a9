/** Shrink: makes the plan of a failing run smaller for as long as it fails by the same rule: what is left is what it takes to fail.
 *  Blows, faults and limits are lists, and are made short by delta debugging; sizes are tried from the smallest on. A
 *  smaller plan is another run, which may happen to pass: so this finds a small plan and not the smallest. */

import { differenceOf, fieldsOf, merge } from './difference.ts'
import { noFaults } from './faults.ts'
import type { Plan } from './plan.ts'

export interface Shrunk {
  readonly plan: Plan
  readonly runs: number
  /** Nothing more could be left out; or else the bounds were reached. */
  readonly isDone: boolean
}

/** Runs a plan, and says whether it fails in the way that is looked for. */
export type Fails = (plan: Plan) => Promise<boolean>

/** The first of several that fails. */
export type Find<T> = (candidates: readonly T[]) => Promise<T | undefined>

export interface Bounds {
  readonly runsMax: number
  readonly msMax: number
  /** Runs at one time. */
  readonly width: number
}

export const boundsDefault: Bounds = { runsMax: 300, msMax: 60_000, width: 1 }

/** `plan` fails. */
export async function shrink(plan: Plan, fails: Fails, bounds = boundsDefault): Promise<Shrunk> {
  const untilMs = performance.now() + bounds.msMax
  const passed = new Set<string>()
  let smallest = plan
  let runs = 0
  const isOver = (): boolean => runs >= bounds.runsMax || performance.now() >= untilMs
  const attempt: Fails = async (candidate) => {
    const text = JSON.stringify(candidate)
    if (isOver() || passed.has(text)) return false
    runs++
    const didFail = await fails(candidate)
    if (!didFail) passed.add(text)
    return didFail
  }
  const find: Find<Plan> = async (candidates) => {
    for (let i = 0; i < candidates.length; i += bounds.width) {
      const several = candidates.slice(i, i + bounds.width)
      const failed = (await Promise.all(several.map(attempt))).indexOf(true)
      if (failed >= 0) return (smallest = several[failed]!)
    }
    return undefined
  }
  for (let before: Plan | undefined; before !== smallest; ) {
    before = smallest
    for (const reduce of reductions) await reduce(smallest, find)
  }
  return { plan: smallest, runs, isDone: !isOver() }
}

/** Most runs become short by the first one, and the others then cost less time. */
const reductions: readonly ((plan: Plan, find: Find<Plan>) => Promise<unknown>)[] = [
  size('troubleMs', [250, 500, 1_000, 2_000, 4_000, 8_000]),
  list(
    ({ blows }) => blows,
    (plan, blows) => ({ ...plan, blows }),
  ),
  list(
    ({ focus }) => focus,
    (plan, focus) => ({ ...plan, focus }),
  ),
  list(
    ({ faults }) => fieldsOf(differenceOf(noFaults, faults)),
    (plan, kept) => ({ ...plan, faults: kept.reduce(merge, noFaults) }),
  ),
  list(
    (plan) => fieldsOf(plan.limits),
    (plan, kept) => ({ ...plan, limits: kept.reduce<Plan['limits']>(merge, {}) }),
  ),
  size('clients', [1, 2, 3]),
  size('actors', [1, 2, 3, 4, 5]),
  size('nodes', [1, 2, 3, 4]),
  size('shards', [1, 2, 3, 4, 8]),
  size('callsPerSecond', [1, 2, 4, 8, 16]),
  size('paddingBytes', [0]),
  async (plan, find) => plan.endsCold && find([{ ...plan, endsCold: false }]),
  async (plan, find) => plan.recordBytesMax < recordBytesLarge && find([{ ...plan, recordBytesMax: recordBytesLarge }]),
]

/** Everything fits. */
const recordBytesLarge = 900_000

type Size = { [K in keyof Plan]: Plan[K] extends number ? K : never }[keyof Plan]

function size(name: Size, values: readonly number[]): (plan: Plan, find: Find<Plan>) => Promise<unknown> {
  return (plan, find) => find(values.filter((value) => value < plan[name]).map((value) => ({ ...plan, [name]: value })))
}

function list<T>(
  membersOf: (plan: Plan) => readonly T[],
  withMembers: (plan: Plan, kept: readonly T[]) => Plan,
): (plan: Plan, find: Find<Plan>) => Promise<unknown> {
  return (plan, find) =>
    ddmin(membersOf(plan), async (parts) => {
      const plans = parts.map((kept) => withMembers(plan, kept))
      const found = await find(plans)
      return found && parts[plans.indexOf(found)]
    })
}

/** The part of `whole` without any one of whose members nothing fails any more: A. Zeller and R. Hildebrandt, "Simplifying and
 *  isolating failure-inducing input", IEEE Transactions on Software Engineering 28 (2), 2002. Before that it tries no
 *  member at all: most kinds of them do not matter. */
export async function ddmin<T>(whole: readonly T[], find: Find<readonly T[]>): Promise<readonly T[]> {
  if (whole.length === 0 || (await find([[]])) !== undefined) return []
  let kept = whole
  for (let count = 2; kept.length >= 2; ) {
    const pieces = cut(kept, count)
    const piece = await find(pieces)
    // Of two pieces each is what is left without the other.
    const others = count === 2 ? [] : pieces.map((left) => kept.filter((member) => !left.includes(member)))
    const rest = piece ?? (await find(others))
    if (rest === undefined && count === kept.length) return kept
    if (rest === undefined) count = Math.min(2 * count, kept.length)
    else {
      kept = rest
      count = piece === undefined ? Math.max(2, count - 1) : 2
    }
  }
  return kept
}

/** Into so many pieces of nearly the same length. */
const cut = <T>(whole: readonly T[], count: number): readonly (readonly T[])[] =>
  Array.from({ length: count }, (_, i) =>
    whole.slice(Math.floor((i * whole.length) / count), Math.floor(((i + 1) * whole.length) / count)),
  )

/** What of a violation tells one kind from another: the rule it names, or its words without the numbers in them. */
export function ruleOf(violation: string): string {
  const text = violation.replace(/^[\d.]+ ms: /, '')
  return text.replace(/:[\s\S]*/, '').replaceAll(/(?<![A-Z\d])\d+(\.\d+)?/g, '#')
}
