/** Runs the simulator from the command line: many seeds on all cores, and of what fails the smallest plan that fails like it.
 *
 *      npm run sim -- --seeds 1000                 a thousand fresh seeds; with --seed 1: from that one on
 *      npm run sim -- --minutes 10                 as many as there is time for; --keep-going: and do not stop at a failure
 *      npm run sim -- --seed 42                    one seed, twice
 *      npm run sim -- --seed 42 --verbose          and its transcript, in this process
 *      npm run sim -- --seed 42 --plan '{...}'     with something else in its plan than was drawn
 *
 *  A thousand seeds that do not meet everything that `coverage.ts` names have failed as well. */

import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Option } from 'commander'
import { wholeNumber } from '../../src/cli/flags.ts'
import { outputOf, paint } from '../../src/cli/terminal.ts'
import { missingFrom } from './coverage.ts'
import { Crew } from './crew.ts'
import { merge, type Patch } from './difference.ts'
import { type Failure, failureOf, planText, violationsOf } from './failure.ts'
import { parseFlags, planPatch, positiveNumber, seedFlags, type SeedFlags, seedsOf } from './flags.ts'
import { duration, entry, pageWidthOf, thousands } from './page.ts'
import { drawPlan, type Plan } from './plan.ts'
import { Progress } from './progress.ts'
import { coverageOf, missingOf, numbersOf } from './report.ts'
import { boundsDefault, ruleOf, shrink, type Shrunk } from './shrink.ts'
import { Tally } from './tally.ts'
import { compared, judge, type Trial, type Verdict } from './trial.ts'

interface Flags extends SeedFlags {
  readonly minutes?: number
  readonly jobs: number
  readonly lines: number
  readonly plan?: Patch
  readonly verbose?: true
  readonly keepGoing?: true
  readonly shrink: boolean
}

const seedsDefault = 100

const flags = parseFlags(process.argv.slice(2), {
  name: 'sim',
  purpose: 'Runs whole clusters under faults, each from a seed, and says which promise of Godwit breaks.',
  usage: '--seeds N [--seed S] [--minutes M]',
  options: [
    ...seedFlags(seedsDefault),
    new Option('--minutes <M>', 'no longer than that').argParser(positiveNumber),
    new Option('--keep-going', 'do not stop at a failure'),
    new Option('--jobs <N>', 'run so many at one time').argParser(wholeNumber(1)).default(availableParallelism()),
    new Option('--plan <JSON>', 'what is to be different in the plan').argParser(planPatch),
    new Option('--verbose', 'print the transcript, in this process').conflicts('jobs'),
    new Option('--lines <N>', 'show so much of what led to a failure').argParser(wholeNumber(0)).default(60),
    new Option('--no-shrink', 'leave a failing plan as it is'),
  ],
  examples: [
    ['npm run sim -- --seeds 1000', 'a thousand fresh seeds'],
    ['npm run sim -- --seeds 1000 --seed 1', 'always the same thousand'],
    ['npm run sim -- --minutes 10 --keep-going', 'as many as there is time for'],
    ['npm run sim -- --seed 42 --verbose', 'one seed, with its transcript'],
  ],
}) as Flags

// `npm run sim | head`: whoever has read enough is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

const output = outputOf(process.stdout)
const { minutes, jobs, plan: patch } = flags
const { from, count } = seedsOf(
  // Where there is a time for it, one seed is the first of many.
  minutes === undefined ? flags : { ...flags, seeds: flags.seeds ?? Infinity },
  { from: Date.now() % 1_000_000_000, count: seedsDefault },
)
const isAlone = count === 1
const startedMs = performance.now()
const untilMs = minutes === undefined ? Infinity : startedMs + minutes * 60_000
const secondsSoFar = (): number => (performance.now() - startedMs) / 1_000

/** Of so many seeds one is run twice, and must be the same. */
const seedsPerTwice = 50
/** So many meet everything. */
const seedsToMeetAll = 1_000

const tally = new Tally()
let isStopped = false

async function runHere(): Promise<void> {
  const crew = new Crew(1)
  for (const trial of trials()) {
    const here = await judge({ ...trial, twice: true }, (line) => console.log(line))
    const verdict =
      trial.twice === true && here.violations.length === 0 ? compared(here, await crew.judge(trial)) : here
    hear(verdict)
    write(
      '\n',
      planText(output, planOf(trial.seed)),
      '\n',
      violationsOf(output, verdict.violations),
      summaryOf(verdict),
    )
  }
  crew.close()
  process.exitCode = tally.failures.length > 0 ? 1 : 0
}

async function runCrew(): Promise<void> {
  if (!isAlone) write(entry(output, 'first seed', [String(from)]))
  const crew = new Crew(jobs)
  process.on('SIGINT', () => {
    if (isStopped) process.exit(130)
    isStopped = true
  })
  const progress = new Progress(output, standing)
  await crew.run(trials(), (verdict) => {
    hear(verdict)
    if (verdict.violations.length > 0) progress.say(violationLine(verdict))
    else if (isAlone) progress.say(summaryOf(verdict).trimEnd())
  })
  progress.end()
  const missing = missingFrom(tally.coverage)
  const mustMeetAll = tally.seeds >= seedsToMeetAll
  write('\n', numbersOf(output, tally, secondsSoFar(), Math.min(jobs, tally.seeds)), '\n')
  if (!isAlone && (tally.failures.length === 0 || flags.keepGoing))
    write(coverageOf(output, tally.coverage), '\n', missingOf(output, missing, mustMeetAll))
  for (const verdict of firstOfEachRule(tally.failures)) write(failureOf(output, await explain(crew, verdict)))
  crew.close()
  process.exitCode = tally.failures.length > 0 || (mustMeetAll && missing.length > 0) ? 1 : 0
}

function* trials(): Generator<Trial> {
  for (let seed = from; seed < from + count && !isStopped && performance.now() < untilMs; seed++)
    yield { seed, twice: isAlone || seed % seedsPerTwice === 0, ...(patch && { plan: planOf(seed) }) }
}

function hear(verdict: Verdict): void {
  tally.add(verdict)
  if (verdict.violations.length > 0 && !flags.keepGoing) isStopped = true
}

/** The plan that fails like it and is smaller, and its end. */
async function explain(crew: Crew, verdict: Verdict): Promise<Failure> {
  const { seed } = verdict
  const plan = planOf(seed)
  const shrunk = !flags.shrink ? undefined : await shrinkWith(crew, verdict, plan)
  const file = join(tmpdir(), `godwit-sim-${seed}.txt`)
  writeFileSync(file, '')
  const again = await crew.judge({ seed, plan: shrunk?.plan ?? plan, transcript: file })
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  appendFileSync(file, again.violations.map((violation) => `!! ${violation}\n`).join(''))
  const told = { verdict: again, lines: lines.slice(Math.max(0, lines.length - flags.lines)), file }
  return { verdict, plan, shrunk, told }
}

async function shrinkWith(crew: Crew, { seed, violations }: Verdict, plan: Plan): Promise<Shrunk> {
  const rule = ruleOf(violations[0]!)
  const bounds = { ...boundsDefault, width: jobs }
  const beganMs = performance.now()
  let runs = 0
  let blows = plan.blows.length
  const progress = new Progress(output, () => ({
    share: Math.max(runs / bounds.runsMax, (performance.now() - beganMs) / bounds.msMax),
    facts: [`making seed ${seed} smaller`, `${runs} runs`, `${blows} blows left`],
  }))
  const fails = async (candidate: Plan): Promise<boolean> => {
    runs++
    const verdict = await crew.judge({ seed, plan: candidate, twice: rule === 'two runs differ' })
    const didFail = verdict.violations.some((violation) => ruleOf(violation) === rule)
    if (didFail) blows = Math.min(blows, candidate.blows.length)
    return didFail
  }
  const shrunk = await shrink(plan, fails, bounds)
  progress.end()
  return shrunk
}

const planOf = (seed: number): Plan => (patch === undefined ? drawPlan(seed) : merge(drawPlan(seed), patch))

function firstOfEachRule(failures: readonly Verdict[]): readonly Verdict[] {
  const firsts = new Map<string, Verdict>()
  for (const verdict of failures) {
    const rule = ruleOf(verdict.violations[0]!)
    if (!firsts.has(rule)) firsts.set(rule, verdict)
  }
  return [...firsts.values()]
}

function standing(): { readonly share: number; readonly facts: readonly string[] } {
  const { seeds, failures } = tally
  const seconds = secondsSoFar()
  const share = minutes === undefined ? seeds / count : seconds / (minutes * 60)
  const failed = `${failures.length} failed`
  return {
    share,
    facts: [
      Number.isFinite(count) ? `${thousands(seeds)} of ${thousands(count)} seeds` : `${thousands(seeds)} seeds`,
      `${(seeds / seconds).toFixed(1)} a second`,
      failures.length > 0 ? paint(output, 'red', failed) : failed,
      share > 0 ? `${duration((seconds * (1 - share)) / share)} left` : 'begins',
    ],
  }
}

function violationLine({ seed, violations }: Verdict): string {
  const text = `${seed}  ${violations[0]!}`.replaceAll(/\s*\n\s*/g, ' ')
  const width = pageWidthOf(output) - 5
  return `  ${paint(output, 'red', '✗')} ${text.length > width ? `${text.slice(0, width - 1)}…` : text}`
}

const summaryOf = ({ seed, course, events, calls, answered, simulatedMs }: Verdict): string =>
  entry(output, `seed ${seed}`, [
    ...(course === undefined ? [] : [`hash ${course.hash}`, `of its records ${course.storedHash}`]),
    `${thousands(events)} events`,
    `${thousands(answered)} of ${thousands(calls)} wishes answered`,
    `${thousands(simulatedMs)} ms`,
  ])

function write(...texts: readonly string[]): void {
  process.stdout.write(texts.join(''))
}

await (flags.verbose ? runHere() : runCrew())
