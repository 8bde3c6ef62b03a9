/** A failing plan becomes a small one: by what is left out of it, and never at the cost of another failure. */

import test from 'ava'
import { differenceOf, fieldsOf, merge } from './difference.ts'
import { noFaults } from './faults.ts'
import { drawPlan, type Plan } from './plan.ts'
import { boundsDefault, ddmin, type Fails, ruleOf, shrink } from './shrink.ts'

const holds = (whole: readonly number[], ...needed: readonly number[]): boolean =>
  needed.every((member) => whole.includes(member))

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i)

for (const { whole, needed } of [
  { whole: [], needed: [] },
  { whole: [0], needed: [] },
  { whole: [0], needed: [0] },
  { whole: upTo(8), needed: [] },
  { whole: upTo(8), needed: [5] },
  { whole: upTo(8), needed: [0, 7] },
  { whole: upTo(9), needed: [2, 3, 8] },
  { whole: upTo(40), needed: [1, 17, 18, 39] },
  { whole: upTo(5), needed: [0, 1, 2, 3, 4] },
])
  test(`of ${whole.length} members the ${needed.length} that fail together are left: ${needed.join(' ')}`, async (t) => {
    t.deepEqual(await ddmin(whole, async (parts) => parts.find((part) => holds(part, ...needed))), needed)
  })

test('no member can be left out of what is left, where several parts fail', async (t) => {
  const fails = (part: readonly number[]): boolean => holds(part, 1, 6) || holds(part, 3, 4, 9)

  const left = await ddmin(upTo(12), async (parts) => parts.find(fails))

  t.true(fails(left))
  for (const member of left) t.false(fails(left.filter((other) => other !== member)))
})

/** A plan with something of everything in it. */
const largePlan: Plan = {
  ...drawPlan(1),
  world: 'lawful',
  nodes: 5,
  shards: 16,
  clients: 4,
  actors: 6,
  callsPerSecond: 14,
  troubleMs: 9_000,
  limits: merge<Plan['limits']>({}, { turnsPerCommitMax: 1, claimsAtOnceMax: 2 }),
  faults: { ...noFaults, lost: 0.1, reordered: true, log: { ...noFaults.log, slow: 0.2, slowMsMax: 90 } },
  blows: upTo(12).map((i) => ({ kind: i % 2 === 0 ? 'crash' : 'cut', atMs: 100 * i, seed: i })),
}

test('a plan that fails whatever is in it becomes the smallest there is', async (t) => {
  const { plan, isDone } = await shrink(largePlan, async () => true)

  t.true(isDone)
  t.like(plan, {
    nodes: 1,
    shards: 1,
    clients: 1,
    actors: 1,
    callsPerSecond: 1,
    limits: {},
    faults: noFaults,
    blows: [],
  })
  t.is(plan.seed, largePlan.seed)
  t.deepEqual(plan.timing, largePlan.timing)
})

test('what it takes to fail is left of a plan, and nothing else', async (t) => {
  const fails: Fails = async ({ nodes, faults, limits, blows }) =>
    nodes >= 3 && faults.log.slow > 0 && limits.claimsAtOnceMax !== undefined && blows.some(({ seed }) => seed === 4)

  const { plan } = await shrink(largePlan, fails)

  t.is(plan.nodes, 3)
  t.is(plan.clients, 1)
  t.deepEqual(plan.faults, { ...noFaults, log: { ...noFaults.log, slow: 0.2 } })
  t.deepEqual({ ...plan.limits }, merge<Plan['limits']>({}, { claimsAtOnceMax: 2 }))
  t.deepEqual(
    plan.blows.map(({ seed }) => seed),
    [4],
  )
})

test('a plan of which nothing can be left out stays as it is, and no plan is run twice', async (t) => {
  const seen: string[] = []

  const { plan, runs } = await shrink(largePlan, async (candidate) => {
    seen.push(JSON.stringify(candidate))
    return false
  })

  t.is(plan, largePlan)
  t.is(runs, seen.length)
  t.is(new Set(seen).size, seen.length)
})

test('several runs at one time come to the same plan', async (t) => {
  const fails: Fails = async ({ actors, blows }) =>
    actors >= 2 && blows.filter(({ kind }) => kind === 'cut').length >= 2

  const [one, several] = [
    await shrink(largePlan, fails),
    await shrink(largePlan, fails, { ...boundsDefault, width: 8 }),
  ]

  t.deepEqual(several.plan, one.plan)
  t.is(one.plan.blows.length, 2)
})

test('the bound of runs is kept, and what was reached is what is returned', async (t) => {
  let runs = 0

  const shrunk = await shrink(largePlan, async () => ++runs > 3, { ...boundsDefault, runsMax: 7 })

  t.is(runs, 7)
  t.is(shrunk.runs, 7)
  t.false(shrunk.isDone)
  t.true(JSON.stringify(shrunk.plan).length < JSON.stringify(largePlan).length)
})

for (const [violation, rule] of [
  ['8123.4 ms: I2: c1.3 was acknowledged and journal/a0 does not remember it', 'I2'],
  ['0.0 ms: T1: c1.3: late', 'T1'],
  ['17.0 ms: n3: the stream ends at 4', 'n#'],
  ['17.0 ms: journal/a0 takes 1000 turns at one moment', 'journal/a# takes # turns at one moment'],
  ['nobody hears: TypeError: x\n    at y', 'nobody hears'],
  ['two runs differ: in line 4', 'two runs differ'],
] as const)
  test(`the rule of "${violation.replaceAll('\n', ' ')}" is ${rule}`, (t) => {
    t.is(ruleOf(violation), rule)
  })

for (const { from, to, patch } of [
  { from: { a: 1, b: 2 }, to: { a: 1, b: 2 }, patch: {} },
  { from: { a: 1, b: 2 }, to: { a: 1, b: 3 }, patch: { b: 3 } },
  { from: { a: { b: 1, c: 2 } }, to: { a: { b: 1, c: 3 } }, patch: { a: { c: 3 } } },
  { from: { a: 1, b: 2 }, to: { a: 1 }, patch: { b: null } },
  { from: {}, to: { a: { b: 1 } }, patch: { a: { b: 1 } } },
  { from: { a: [1, 2] }, to: { a: [2] }, patch: { a: [2] } },
  { from: { a: { b: 1 } }, to: { a: {} }, patch: { a: { b: null } } },
])
  test(`the difference of ${JSON.stringify(from)} and ${JSON.stringify(to)} makes the one of the other`, (t) => {
    t.deepEqual(differenceOf(from, to), patch)
    t.deepEqual(merge<object>(from, patch), to)
  })

test('a shrunk plan is what its difference makes of the drawn one, through JSON too', (t) => {
  const drawn = drawPlan(1)

  const patch = JSON.parse(JSON.stringify(differenceOf(drawn, largePlan)))

  t.deepEqual(merge(drawn, patch), largePlan)
})

test('the fields of a patch make it up again', (t) => {
  const patch = { a: 1, b: { c: 2, d: { e: null } }, f: [1, 2] }

  const fields = fieldsOf(patch)

  t.deepEqual(fields, [{ a: 1 }, { b: { c: 2 } }, { b: { d: { e: null } } }, { f: [1, 2] }])
})
