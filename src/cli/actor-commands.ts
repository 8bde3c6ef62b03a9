/** ActorCommands: `spawn`, `ask`, `tell`, `get`, `stop` and `locate`: one request to one actor each. */

import { randomUUID } from 'node:crypto'
import { type Command, Option } from 'commander'
import type { ActorDefinition, ActorRef, Requested, ViewOf } from '../index.ts'
import { addConnectionFlags, type ConnectionFlags, withClient } from './connection.ts'
import { exitCodes } from './failure.ts'
import { flag, wholeNumber } from './flags.ts'
import { addExamples } from './help.ts'
import { type Event, readEvent, readInput } from './payload.ts'
import { jsonLine, notation, type Output, paint, printable, type Shell, shown, type Style } from './terminal.ts'

type View = ViewOf<ActorDefinition>

interface CallFlags extends ConnectionFlags {
  readonly timeout?: number
  readonly json?: true
}

interface EventFlags extends CallFlags {
  readonly requestId: string
}

export function addActorCommands(program: Command, shell: Shell): void {
  addSpawn(program, shell)
  addAsk(program, shell)
  addTell(program, shell)
  addGet(program, shell)
  addStop(program, shell)
  addLocate(program, shell)
}

function addSpawn(program: Command, { stdin, stdout }: Shell): void {
  const description = 'Begin an actor. Where it lives already nothing changes; where it is done it begins anew.'
  const spawn = actorCommand(program, 'spawn', 'Begin an actor', description)
    .argument('[input...]', "the machine's input: JSON, fields key=value, or - for JSON on standard input")
    .action(async (type: string, id: string, words: string[], flags: CallFlags) => {
      const input = await readInput(words, stdin)
      const spawned = await withActor(flags, type, id, (ref) => ref.spawn(input as never, timeOf(flags)))
      const name = nameOf(stdout, type, id)
      const place = placeOf(stdout, spawned)
      await print(stdout, flags, spawned, () =>
        spawned.created ? `${name} began ${place}` : `${name} lives already, ${place}; nothing has changed`,
      )
    })
  addExamples(spawn, stdout, [
    ['godwit spawn counter c1 \'{"start": 5}\'', 'input as JSON'],
    ['godwit spawn counter c1 start=5', 'the same'],
    ['godwit spawn order o-17 - < order.json', 'input from a file'],
  ])
}

function addAsk(program: Command, shell: Shell): void {
  const { stdin, stdout, stderr } = shell
  const description = 'Send an event and print what the machine replies, once that is committed.'
  const ask = eventCommand(program, 'ask', 'Send an event and print the reply', description).action(
    async (type: string, id: string, words: string[], flags: EventFlags) => {
      const event = await readEvent(words, stdin)
      const asked: Requested<unknown, View> = await withActor(flags, type, id, (ref) =>
        ref.request(event, { ...timeOf(flags), requestId: flags.requestId }),
      )
      if (!asked.handled) shell.exitCode = exitCodes.notHandled
      if (asked.handled || flags.json) return print(stdout, flags, asked, () => shown(stdout, asked.reply))
      const state = notation(stderr, asked.reply.value)
      await stderr.write(
        `${nameOf(stderr, type, id)} has no transition for ${eventOf(stderr, event)} in its present state, ${state}: nothing has changed\n`,
      )
    },
  )
  addExamples(ask, stdout, [
    ['godwit ask counter c1 INC', 'an event by its type alone'],
    ['godwit ask account a-7 WITHDRAW amount=20 note=lunch', 'with fields; their values are JSON, or else text'],
    ['godwit ask account a-7 \'{"type": "WITHDRAW", "amount": 20}\'', 'as JSON'],
    ['jq -c .event job.json | godwit ask account a-7 -', 'from standard input'],
    ['godwit ask counter c1 INC --request-id r-1', 'run it again: it is processed once and answered as before'],
  ])
}

function addTell(program: Command, { stdin, stdout }: Shell): void {
  const tell = eventCommand(program, 'tell', 'Send an event', 'Send an event and return once it is committed.').action(
    async (type: string, id: string, words: string[], flags: EventFlags) => {
      const event = await readEvent(words, stdin)
      await withActor(flags, type, id, (ref) => ref.tell(event, { ...timeOf(flags), requestId: flags.requestId }))
      await print(stdout, flags, {}, () => `${nameOf(stdout, type, id)} has taken ${eventOf(stdout, event)}`)
    },
  )
  addExamples(tell, stdout, [
    ['godwit tell counter c1 INC', 'an event by its type alone'],
    ['godwit tell room lobby SAY text="good morning"', 'with a field'],
  ])
}

function addGet(program: Command, { stdout }: Shell): void {
  const description = 'Print the committed state of an actor.'
  const get = actorCommand(program, 'get', 'Print the state of an actor', description).action(
    async (type: string, id: string, flags: CallFlags) => {
      const view: View = await withActor(flags, type, id, (ref) => ref.get(timeOf(flags)))
      await print(stdout, flags, view, () => viewInWords(stdout, nameOf(stdout, type, id), view))
    },
  )
  addExamples(get, stdout, [
    ['godwit get counter c1', 'status, state, context, tags and output'],
    ['godwit get counter c1 --json | jq .context.count', 'for a program'],
  ])
}

function addStop(program: Command, { stdout }: Shell): void {
  const description = 'End an actor and forget its state.'
  const stop = actorCommand(program, 'stop', 'End an actor and forget its state', description).action(
    async (type: string, id: string, flags: CallFlags) => {
      const result = await withActor(flags, type, id, (ref) => ref.stop(timeOf(flags)))
      const name = nameOf(stdout, type, id)
      await print(stdout, flags, result, () => (result.stopped ? `${name} has ended` : `there was no ${name}`))
    },
  )
  addExamples(stop, stdout, [['godwit stop counter c1', 'its state is gone for good']])
}

function addLocate(program: Command, { stdout }: Shell): void {
  const description = 'Say which node runs an actor, in which shard, and under which epoch.'
  const locate = actorCommand(program, 'locate', 'Say which node runs an actor', description).action(
    async (type: string, id: string, flags: CallFlags) => {
      const located = await withActor(flags, type, id, (ref) => ref.locate(timeOf(flags)))
      await print(stdout, flags, located, () => `${nameOf(stdout, type, id)} lives ${placeOf(stdout, located)}`)
    },
  )
  addExamples(locate, stdout, [
    ['godwit locate counter c1', 'where it lives'],
    ['godwit locate counter c1 --json | jq -r .node', 'for a program'],
  ])
}

function actorCommand(program: Command, name: string, summary: string, description: string): Command {
  const command = program
    .command(name)
    .summary(summary)
    .description(description)
    .argument('<type>', 'type of the actor')
    .argument('<id>', 'id of the actor, any text')
    .addOption(flag('--timeout <MS>', 'longest wait').argParser(wholeNumber(1)).default(undefined, '5000'))
    .option('--json', 'print the result as one line of JSON')
  return addConnectionFlags(command)
}

const eventCommand = (program: Command, name: string, summary: string, description: string): Command =>
  actorCommand(program, name, summary, description)
    .argument('<event...>', 'type and fields, key=value; or a JSON object; or - for one on standard input')
    .addOption(
      new Option('--request-id <TEXT>', 'name of the request: within two minutes it is processed once').default(
        randomUUID(),
        'a new one',
      ),
    )

const withActor = <T>(
  flags: ConnectionFlags,
  type: string,
  id: string,
  work: (ref: ActorRef) => Promise<T>,
): Promise<T> => withClient(flags, (client) => work(client.actor(type, id)))

const timeOf = ({ timeout }: CallFlags): { timeoutMs?: number } => (timeout === undefined ? {} : { timeoutMs: timeout })

/** For a program the result as it is, for a person in words. */
const print = (stdout: Output, { json }: CallFlags, result: unknown, inWords: () => string): Promise<void> =>
  stdout.write(json ? jsonLine(result) : `${inWords()}\n`)

const eventOf = (output: Output, { type }: Event): string => paint(output, 'bold', printable(type))

const nameOf = (output: Output, type: string, id: string): string =>
  `${paint(output, 'dim', `${printable(type)}/`)}${paint(output, 'bold', printable(id))}`

const placeOf = (
  output: Output,
  place: { readonly node: string; readonly shard: string; readonly epoch: number },
): string => `on ${paint(output, 'cyan', place.node)} (shard ${place.shard}, epoch ${place.epoch})`

const statusStyles: Readonly<Record<View['status'], Style>> = { active: 'green', done: 'dim', error: 'red' }

export const statusStyle = (status: View['status']): Style => statusStyles[status]

function viewInWords(output: Output, name: string, view: View): string {
  const labelled: [string, string][] = [
    ['status', paint(output, statusStyle(view.status), view.status)],
    ['state', notation(output, view.value, 9)],
    ['context', notation(output, view.context, 9)],
  ]
  if (view.tags.length > 0) labelled.push(['tags', view.tags.map(printable).join(', ')])
  if (view.output !== undefined) labelled.push(['output', notation(output, view.output, 9)])
  if (view.error !== undefined) labelled.push(['error', notation(output, view.error, 9)])
  return [name, ...labelled.map(([label, text]) => paint(output, 'dim', label.padEnd(9)) + text)].join('\n')
}
