/** Runs the simulator from the command line.
 *
 *      node --import tsx test/sim/run.ts --seeds 1000                a thousand fresh seeds
 *      node --import tsx test/sim/run.ts --seed 42 --verbose         one seed, with its transcript
 *      node --import tsx test/sim/run.ts --minutes 10 --from 1       as many as there is time for, from 1 on */

import { parseArgs } from 'node:util'
import { type Outcome, simulate } from './simulation.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string' },
    minutes: { type: 'string' },
    lines: { type: 'string', default: '60' },
    verbose: { type: 'boolean', default: false },
    twice: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
  },
})

process.on('unhandledRejection', (reason) => {
  console.error('unhandled rejection', reason)
  process.exit(1)
})

const only = values.seed === undefined ? undefined : Number(values.seed)
const from = only ?? (values.from === undefined ? Date.now() % 1_000_000_000 : Number(values.from))
const count =
  only !== undefined
    ? 1
    : values.seeds !== undefined
      ? Number(values.seeds)
      : values.minutes !== undefined
        ? Infinity
        : 100
const untilMs = values.minutes === undefined ? Infinity : performance.now() + Number(values.minutes) * 60_000
const startedMs = performance.now()
let reportedMs = startedMs
let done = 0
let failed = 0
let calls = 0
let answered = 0
let slowest = { seed: 0, excessMs: -Infinity }

for (let seed = from; seed < from + count && performance.now() < untilMs; seed++) {
  const outcome = await simulate(seed, values.verbose ? { echo: (line) => console.log(line) } : {})
  done++
  calls += outcome.calls
  answered += outcome.answered
  if (outcome.wholeExcessMs > slowest.excessMs) slowest = { seed, excessMs: outcome.wholeExcessMs }
  if (values.twice) {
    const again = await simulate(seed)
    if (again.hash !== outcome.hash)
      report(seed, {
        ...outcome,
        violations: [`two runs differ: ${outcome.hash} and ${again.hash}`, firstDifference(outcome, again)],
      })
  }
  if (outcome.violations.length > 0) {
    failed++
    report(seed, outcome)
    if (!values['keep-going']) break
  }
  if (only !== undefined) console.log(`seed ${seed}: ${summary(outcome)}`)
  if (performance.now() - reportedMs > 5_000) progress()
}
progress()
process.exitCode = failed > 0 ? 1 : 0

function progress(): void {
  reportedMs = performance.now()
  const seconds = (reportedMs - startedMs) / 1_000
  console.log(
    `${done} seeds, ${failed} failed, ${(done / seconds).toFixed(1)} seeds/s, ${answered} of ${calls} wishes answered, whole at most ${slowest.excessMs.toFixed(0)} ms after 2W + T (${slowest.seed}); the next is ${from + done}`,
  )
}

function report(seed: number, outcome: Outcome): void {
  const lines = Number(values.lines)
  console.log(`\nseed ${seed} FAILED`)
  if (!values.verbose) for (const line of lines === 0 ? [] : outcome.transcript.slice(-lines)) console.log(line)
  console.log(`plan ${JSON.stringify(outcome.plan)}`)
  for (const violation of outcome.violations.slice(0, 10)) console.log(`!! ${violation}`)
  console.log(`replay: node --import tsx test/sim/run.ts --seed ${seed} --verbose\n`)
}

function summary({ hash, events, calls: asked, answered: answers, wholeAfterMs, simulatedMs }: Outcome): string {
  return `hash ${hash}, ${events} events, ${answers} of ${asked} wishes answered, whole after ${wholeAfterMs.toFixed(0)} ms, ${simulatedMs.toFixed(0)} ms simulated`
}

function firstDifference(a: Outcome, b: Outcome): string {
  const at = a.transcript.findIndex((line, i) => line !== b.transcript[i])
  return `line ${at}:\n  ${a.transcript[at]}\n  ${b.transcript[at]}`
}
