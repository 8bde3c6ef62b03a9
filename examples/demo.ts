/** Demo: two thousand actors on a cluster that comes and goes, and somebody who counts.
 *
 *      npm run demo                    a real nats-server, every node a process
 *      npm run demo -- --embedded      the same story inside this process, with nothing but Node
 *
 *  The exit code is 0 if nothing was lost, doubled or left unanswered. Ctrl-C ends everything that it started. */

import { parseArgs } from 'node:util'
import { GodwitError } from '../src/index.ts'
import { startEmbeddedCluster } from './demo/embedded-cluster.ts'
import { startProcessCluster } from './demo/process-cluster.ts'
import { createScene } from './demo/scene.ts'
import { openScreen, type Screen } from './demo/screen.ts'
import { play } from './demo/story.ts'
import { verdictOn } from './demo/verdict.ts'
import { startWitness } from './demo/witness.ts'

const usage = `npm run demo -- [--embedded] [--actors 2000] [--seconds 6]

  --embedded   everything in one process, on the in-memory twin: needs no nats-server
  --actors     how many; a fifth hold a websocket each, three tenths are reminders, the rest count
  --seconds    the least that each chapter lasts
`

const { embedded, actors, chapterMs } = readFlags()
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const witness = await startWitness()
const starting = embedded ? startEmbeddedCluster() : startProcessCluster(say)
let screen: Screen | undefined
let ending: Promise<void> | undefined

process.once('SIGINT', () => void end(130, ['interrupted']))
process.once('SIGTERM', () => void end(143, ['terminated']))
const deadlineMs = 60_000 + 15 * chapterMs
setTimeout(() => void end(1, [`the story did not end within ${deadlineMs / 1_000} s`]), deadlineMs)

try {
  const cluster = await starting
  const scene = createScene(actors, chapterMs, cluster.ground)
  screen = openScreen(scene, process.stdout)
  const told = await play({ scene, cluster, witness, chapterMs, onChapter: screen.turnPage })
  const { good, lines } = verdictOn(scene, told)
  await end(good ? 0 : 1, lines)
} catch (thrown) {
  await end(1, [complaintOf(thrown)])
}

/** What a person can act on is said in a sentence; where anything else came from must be seen. */
function complaintOf(thrown: unknown): string {
  if (thrown instanceof GodwitError) return thrown.message
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
}

/** Once, whatever the reason: what breaks while everything is being closed is no news. */
function end(code: number, last: readonly string[]): Promise<void> {
  ending ??= close(code, last)
  return ending
}

async function close(code: number, last: readonly string[]): Promise<void> {
  screen?.close()
  for (const line of last) say(line)
  const cluster = await starting.catch(() => undefined)
  await cluster?.close()
  await witness.close()
  process.exit(code)
}

function readFlags(): { embedded: boolean; actors: number; chapterMs: number } {
  const values = parsed()
  const flags = { embedded: values.embedded, actors: Number(values.actors), chapterMs: Number(values.seconds) * 1_000 }
  if (values.help) {
    process.stdout.write(usage)
    process.exit(0)
  }
  if (!(flags.actors >= 10)) misused('--actors must be a number from 10')
  if (!(flags.chapterMs >= 100)) misused('--seconds must be a number from 0.1')
  return flags
}

function parsed() {
  try {
    const options = {
      embedded: { type: 'boolean', default: false },
      actors: { type: 'string', default: '2000' },
      seconds: { type: 'string', default: '6' },
      help: { type: 'boolean', short: 'h', default: false },
    } as const
    return parseArgs({ options }).values
  } catch (thrown) {
    return misused(thrown instanceof Error ? thrown.message : String(thrown))
  }
}

function misused(why: string): never {
  process.stderr.write(`${why}\n\n${usage}`)
  process.exit(2)
}
