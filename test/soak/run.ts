/** Runs a soak from the command line: real node processes and a real nats-server, one fault after another, for as long as you like.
 *
 *      npm run soak -- --minutes 10                  ten minutes of a fresh seed
 *      npm run soak -- --minutes 10 --seed 42        the same faults at the same pace; processes are not repeatable
 *      npm run soak -- --minutes 10 --keep           leaves the store, the logs and the transcript in place
 *
 *  The exit code is 1 after any violation; then the logs of the nodes, the transcript and what was asked of the actor in question
 *  stay where the last line says. */

import { parseArgs } from 'node:util'
import { messageOf } from '../../src/base/errors.ts'
import { openScreen } from './screen.ts'
import { Soak } from './soak.ts'
import { summaryOf } from './summary.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    rate: { type: 'string', default: '200' },
    keep: { type: 'boolean', default: false },
  },
})

const minutes = positive('minutes', values.minutes)
const callsPerSecond = positive('rate', values.rate)
const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed)

const screen = openScreen(process.stdout)
screen.say(`soak of ${minutes} minutes at ${callsPerSecond} calls per second: --seed ${seed}`)
const soak = await Soak.prepare({ minutes, seed, callsPerSecond, listener: screen })
screen.show(soak)

let interrupted = false
let ending: Promise<void> | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    // The second time at once; processes that were started go with this one.
    if (interrupted) process.exit(130)
    interrupted = true
    soak.interrupt()
    void end()
  })

process.on('unhandledRejection', (reason) => {
  soak.verdict.violation(`nobody hears: ${reason instanceof Error ? reason.stack : String(reason)}`)
})

try {
  await soak.run()
} catch (thrown) {
  if (!interrupted)
    soak.verdict.violation(`the soak itself failed: ${thrown instanceof Error ? thrown.stack : messageOf(thrown)}`)
}
await end()

function end(): Promise<void> {
  ending ??= endIt()
  return ending
}

async function endIt(): Promise<void> {
  screen.close()
  for (const line of summaryOf(soak)) screen.say(line)
  await soak.stop({ keep: values.keep })
  if (values.keep || soak.verdict.count > 0) screen.say(`  logs of the nodes, transcript and wishes: ${soak.folder}`)
  if (interrupted) screen.say('  interrupted')
  process.exit(soak.verdict.count > 0 ? 1 : interrupted ? 130 : 0)
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (value > 0 && Number.isFinite(value)) return value
  console.error(`--${name} must be a number above 0`)
  process.exit(2)
}
