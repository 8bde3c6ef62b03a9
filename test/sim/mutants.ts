/** Mutants: does the simulator notice mistakes? Each patch in `mutants/` plants one in a copy of the shipped code, and the
 *  simulator runs there, seed after seed, until one of them reports a violation.
 *
 *      npm run sim:mutants                                   all of them
 *      npm run sim:mutants -- --only foreign-package         some
 *      npm run sim:mutants -- --seeds 500 --seed 1000        other seeds
 *      npm run sim:mutants -- --write                        and the table in src/README.md
 *      npm run sim:mutants -- --only NAME --scenario         and the smallest plan that shows it, in scenarios/NAME.json
 *
 *  A patch that no seed notices, or that does not apply any more, is a failure, and so is a scenario that does not show its mistake.
 *  A run that breaks its process or never ends counts as noticed, and is named apart: no checker has seen what is wrong. A seed that
 *  fails without any planted bug counts for nothing and is a failure of its own.
 *
 *  A worker is a process in one copy. Seeds are handed out one at a time, so that several workers can share a patch when few
 *  are left, and the seed that is reported is the first one all the same. */

import { type ChildProcess, fork } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Option } from 'commander'
import { commaSeparated, wholeNumber } from '../../src/cli/flags.ts'
import { bundle, workerFlags } from './bundle.ts'
import { parseFlags, refuse, seedFlags, type SeedFlags, seedsOf } from './flags.ts'
import { applyPatch, type Patch, readPatches } from './mutants/patches.ts'
import type { Told } from './mutants/worker.ts'
import { drawPlan, type Plan } from './plan.ts'
import { boundsDefault, ruleOf, shrink } from './shrink.ts'

/** One copy of the code, with a bug in it or without. */
interface Copy {
  readonly root: string
  readonly idle: Worker[]
}

interface Worker {
  readonly process: ChildProcess
  /** It listens, or is over already. */
  readonly ready: Promise<unknown>
  /** Hears what comes next: a word, or the end of the process. */
  listener: (told: Told | 'ended') => void
}

interface Mutant {
  readonly patch: Patch
  readonly copy: Copy
  nextSeed: number
  /** Slots that work on it. */
  workers: number
  caught: { readonly seed: number; readonly found: string } | undefined
}

interface Verdict {
  readonly patch: Patch
  /** Seeds until it was caught; undefined: it was not. */
  readonly seeds: number | undefined
  readonly found: string
  /** Nothing but its end, or that it has none, has shown it. */
  readonly isByLimit: boolean
}

interface Flags extends SeedFlags {
  readonly only?: readonly string[]
  readonly jobs: number
  readonly write?: true
  readonly scenario?: true
}

const seedsDefault = 2_000

const flags = parseFlags(process.argv.slice(2), {
  name: 'sim:mutants',
  purpose: 'Plants one mistake after the other in a copy of the code, and says which seed of the simulator notices it.',
  usage: '[--only NAMES] [--seeds N] [--seed S]',
  options: [
    new Option('--only <NAMES>', 'some of them, separated by commas').argParser(commaSeparated),
    ...seedFlags(seedsDefault),
    new Option('--jobs <N>', 'run so many at one time').argParser(wholeNumber(1)).default(availableParallelism()),
    // The table is written from a run of all patches.
    new Option('--write', 'and write the table in src/README.md').conflicts('only'),
    new Option('--scenario', 'and write the smallest plan that shows each, in scenarios/'),
  ],
  examples: [
    ['npm run sim:mutants', 'all of them'],
    ['npm run sim:mutants -- --only foreign-package --seeds 500 --seed 1000', 'one of them, and other seeds'],
  ],
}) as Flags
const { from, count } = seedsOf(flags, { from: 1, count: seedsDefault })
const end = from + count

const repository = join(dirname(fileURLToPath(import.meta.url)), '../..')
const readme = join(repository, 'src/README.md')
const seedMsMax = 60_000
/** What is said of a run that is ended, in `run` and in `simulation.ts`. */
const limit = /^(it does not end within|its process (ends|has ended)|more than \d+ events)/

const everything = readPatches()
const strange = flags.only?.filter((name) => everything.every((patch) => patch.name !== name)) ?? []
if (strange.length > 0) refuse(`there is no patch ${strange.join(', ')}: ls test/sim/mutants`, 'sim:mutants')
const patches = everything.filter(({ name }) => flags.only?.includes(name) ?? true)

const temporary = mkdtempSync(join(tmpdir(), 'godwit-mutants-'))
const workers = new Set<ChildProcess>()
process.once('exit', () => {
  for (const worker of workers) worker.kill('SIGKILL')
  rmSync(temporary, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

// The code is read once: whoever edits it meanwhile does not change what is measured.
const original = makeCopy('original', repository)
const withoutBug = new Map<number, Promise<string | undefined>>()
/** Names of scenarios. */
const outdated: string[] = []
const verdicts = await judgeAll()

const failures = verdicts.filter(({ seeds }) => seeds === undefined)
for (const name of outdated) console.log(`scenarios/${name}.json does not show its mistake any more`)
const failing = (await Promise.all(withoutBug.values())).filter((found) => found !== undefined).length
if (failing > 0) console.log(`${failing} seeds fail without any planted bug`)
const byLimit = verdicts.filter(({ isByLimit }) => isByLimit)
console.log(`${verdicts.length - failures.length} of ${verdicts.length} planted bugs were noticed`)
if (byLimit.length > 0)
  console.log(`${byLimit.length} of them by the time limit alone: ${byLimit.map(({ patch }) => patch.name).join(', ')}`)
if (flags.write) writeTable(verdicts)
process.exit(failures.length + outdated.length + failing > 0 ? 1 : 0)

// ---- the course of it

/** As many slots as jobs; each works where the fewest others do. */
async function judgeAll(): Promise<readonly Verdict[]> {
  const found: Verdict[] = []
  const conclude = (verdict: Verdict): void => {
    found.push(verdict)
    const { seeds, patch } = verdict
    const result = seeds === undefined ? 'NOT NOTICED' : `after ${seeds} seed${seeds === 1 ? '' : 's'}`
    console.log(`${result.padEnd(16)} ${patch.name} (${patch.rule}): ${verdict.found}`)
  }
  const waiting = [...patches]
  const open = new Set<Mutant>()

  function nextMutant(): Mutant | undefined {
    for (let patch = waiting.shift(); patch !== undefined; patch = waiting.shift()) {
      const copy = makeCopy(patch.name, original.root)
      const obstacle = applyPatch(patch, copy.root, 'apply')
      if (obstacle === undefined) return { patch, copy, nextSeed: from, workers: 0, caught: undefined }
      const text = shortened(`the patch does not apply: ${obstacle}`)
      conclude({ patch, seeds: undefined, found: text, isByLimit: false })
      removeCopy(copy)
    }
    return [...open].filter(hasSeeds).toSorted((a, b) => a.workers - b.workers)[0]
  }

  async function fillSlot(): Promise<void> {
    for (let mutant = nextMutant(); mutant !== undefined; mutant = nextMutant()) {
      open.add(mutant)
      mutant.workers++
      while (hasSeeds(mutant)) await tryNext(mutant)
      if (--mutant.workers > 0) continue
      open.delete(mutant)
      if (flags.scenario) await writeScenario(mutant)
      else if (await isOutdated(mutant)) outdated.push(mutant.patch.name)
      removeCopy(mutant.copy)
      conclude(verdictOf(mutant))
    }
  }

  await Promise.all(Array.from({ length: flags.jobs }, fillSlot))
  return found
}

function hasSeeds({ nextSeed, caught }: Mutant): boolean {
  return nextSeed < end && caught === undefined
}

/** It has a scenario, in which nothing is noticed. */
async function isOutdated({ patch, copy }: Mutant): Promise<boolean> {
  const file = scenarioOf(patch)
  return existsSync(file) && (await run(copy, JSON.parse(readFileSync(file, 'utf8')) as Plan)) === undefined
}

/** What is left of its plan shows the mistake by the same rule, and nothing without it. */
async function writeScenario({ patch, copy, caught }: Mutant): Promise<void> {
  if (caught === undefined) return
  const rule = ruleOf(caught.found)
  const fails = async (plan: Plan): Promise<boolean> => {
    const found = await run(copy, plan)
    return found !== undefined && ruleOf(found) === rule && (await run(original, plan)) === undefined
  }
  const { plan } = await shrink(drawPlan(caught.seed), fails, boundsDefault)
  writeFileSync(scenarioOf(patch), `${JSON.stringify(plan, undefined, 2)}\n`)
}

function scenarioOf({ name }: Patch): string {
  return join(repository, `test/sim/scenarios/${name}.json`)
}

async function tryNext(mutant: Mutant): Promise<void> {
  const seed = mutant.nextSeed++
  const found = await run(mutant.copy, seed)
  if (found === undefined || (await findWithout(seed)) !== undefined) return
  // Another worker may have been faster with a later seed.
  if (mutant.caught === undefined || seed < mutant.caught.seed) mutant.caught = { seed, found }
}

/** What the seed reports in the code as it is: then it says nothing about planted bugs. */
function findWithout(seed: number): Promise<string | undefined> {
  let known = withoutBug.get(seed)
  if (known !== undefined) return known
  known = run(original, seed).then((found) => {
    if (found !== undefined) console.log(`SEED ${seed} FAILS without any planted bug: ${shortened(found)}`)
    return found
  })
  withoutBug.set(seed, known)
  return known
}

function verdictOf({ patch, caught }: Mutant): Verdict {
  if (caught === undefined) return { patch, seeds: undefined, found: `${count} seeds saw nothing`, isByLimit: false }
  const found = shortened(caught.found)
  const isByLimit = limit.test(found)
  return { patch, seeds: caught.seed - from + 1, found: isByLimit ? `its time limit: ${found}` : found, isByLimit }
}

/** Without the moment at which it happened, and without what is too long for a line. */
function shortened(found: string): string {
  const [line = ''] = found.replace(/^[\d.]+ ms: /, '').split('\n')
  return line.length > 140 ? `${line.slice(0, 139)}…` : line
}

// ---- copies and their workers

function makeCopy(name: string, of: string): Copy {
  const root = join(temporary, name)
  for (const folder of ['src', 'test']) cpSync(join(of, folder), join(root, folder), { recursive: true })
  for (const file of ['package.json', 'tsconfig.json']) cpSync(join(of, file), join(root, file))
  symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'))
  return { root, idle: [] }
}

function removeCopy({ root, idle }: Copy): void {
  for (const { process: child } of idle) child.kill('SIGKILL')
  rmSync(root, { recursive: true, force: true })
}

/** What the seed, or the plan, reports there first, if anything. */
async function run(copy: Copy, given: number | Plan): Promise<string | undefined> {
  const worker = copy.idle.pop() ?? startWorker(copy)
  const { process: child } = worker
  await worker.ready
  return new Promise((resolve) => {
    const timer = setTimeout(() => conclude(`it does not end within ${seedMsMax / 1_000} s`, 'dead'), seedMsMax)
    function conclude(found: string | undefined, how: 'alive' | 'dead'): void {
      clearTimeout(timer)
      worker.listener = () => {}
      // What was found may have left something behind in the process.
      if (how === 'alive' && found === undefined) copy.idle.push(worker)
      else child.kill('SIGKILL')
      resolve(found)
    }
    worker.listener = (told) => {
      if (told === 'ended') conclude('its process ends', 'dead')
      else if (told.kind === 'over') conclude(told.found, 'alive')
    }
    if (child.connected) child.send(given)
    else conclude('its process has ended', 'dead')
  })
}

function startWorker({ root }: Copy): Worker {
  const code = join(root, 'worker.mjs')
  if (!existsSync(code)) bundle(join(root, 'test/sim/mutants/worker.ts'), code)
  const child = fork(code, {
    cwd: root,
    execArgv: workerFlags,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const ready = new Promise((resolve) => child.once('message', resolve).once('exit', resolve).once('error', resolve))
  const worker: Worker = { process: child, ready, listener: () => {} }
  workers.add(child)
  child.on('message', (told) => worker.listener(told as Told))
  child.on('error', () => worker.listener('ended'))
  child.on('exit', () => {
    workers.delete(child)
    worker.listener('ended')
  })
  return worker
}

// ---- the table

function writeTable(rows: readonly Verdict[]): void {
  const [begins, ends] = ['<!-- mutants -->', '<!-- /mutants -->']
  const cell = (text: string): string => text.replaceAll('|', '\\|')
  const lines = rows
    .toSorted(
      (a, b) => a.patch.rule.localeCompare(b.patch.rule, 'en') || a.patch.name.localeCompare(b.patch.name, 'en'),
    )
    .map(
      ({ patch, seeds, found }) =>
        `| ${[patch.sentence, patch.rule, `${seeds ?? 'never'}`, found].map(cell).join(' | ')} |`,
    )
  const table = ['| planted bug | rule | seeds until caught | what noticed it |', '|---|---|---|---|', ...lines].join(
    '\n',
  )
  const text = readFileSync(readme, 'utf8')
  const [start, stop] = [text.indexOf(begins), text.indexOf(ends)]
  if (start >= 0 && stop > start) {
    writeFileSync(readme, `${text.slice(0, start + begins.length)}\n\n${table}\n\n${text.slice(stop)}`)
    return
  }
  const rules = '## The rules'
  if (!text.includes(rules)) throw new Error(`${readme} has no section "${rules}"`)
  const intro = [
    'Each patch in `test/sim/mutants` plants one mistake in a copy of this code, and the simulator runs there until it notices.',
    `The table is written by \`npm run sim:mutants -- --write\`; a mistake that is not noticed within ${count} seeds fails that command.`,
  ].join('\n')
  writeFileSync(
    readme,
    text.replace(rules, () => `## Planted bugs\n\n${intro}\n\n${begins}\n\n${table}\n\n${ends}\n\n${rules}`),
  )
}
