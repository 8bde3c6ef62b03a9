/** NodeLog: what happens to a node, as a log: JSON for machines, through pino; one line in words where a person looks. */

import type { Logger } from 'pino'
import type { GodwitNode, NodeEvent } from '../index.ts'
import { notation, type Output, paint, printable, type Style } from './terminal.ts'

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

export interface LogOptions {
  readonly level: LogLevel
  /** JSON on a terminal too. */
  readonly json: boolean
  readonly node: string
  readonly cluster: string
}

export async function createLog(output: Output, { level, json, node, cluster }: LogOptions): Promise<Logger> {
  // Here and not above: no other command logs.
  const { pino, stdTimeFunctions } = await import('pino')
  const inWords = output.isTerminal && !json
  const options = {
    level,
    base: { node, cluster },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return pino(options, { write: (line) => void output.write(inWords ? wordsOf(output, line) : line) })
}

type Sentence<E> = (event: E) => readonly [level: 'debug' | 'info' | 'warn' | 'error', text: string, fields?: object]

const sentences: { readonly [K in NodeEvent['kind']]: Sentence<Extract<NodeEvent, { readonly kind: K }>> } = {
  ready: ({ view }) => ['info', 'serving', { view }],
  view: ({ view }) => ['info', `view ${view.number}`, { members: view.members.map(({ id }) => id) }],
  suspended: ({ reason }) => ['warn', 'takes no turns', { reason }],
  resumed: () => ['info', 'takes turns again'],
  fenced: ({ reason }) => ['warn', 'was declared dead and begins anew', { reason }],
  refused: ({ why }) => ['error', `refused: ${why.code}: ${why.message}`],
  owned: ({ shard, epoch, actors }) => ['debug', `owns ${shard}`, { epoch, actors }],
  disowned: ({ shard, reason }) => ['debug', `no longer owns ${shard}`, { reason }],
  'declared dead': ({ nodeId }) => ['warn', `declared ${nodeId} dead`],
  stuck: ({ shard, actors }) => ['warn', `${shard} waits for actors that do not let go`, { actors }],
  healed: ({ shard }) => ['info', `${shard} is well again`],
  undeliverable: ({ actor, target, op, why }) => [
    'warn',
    `the ${op} of ${actor} to ${target} was refused: ${why.code}: ${why.message}`,
  ],
  'history broken': ({ reason }) => ['error', "the broker's history is broken", { reason }],
  left: ({ abandoned }) =>
    abandoned.length === 0 ? ['info', 'left'] : ['warn', 'left, with shards that nobody took', { abandoned }],
}

/** Logs what happens to a node from now on, until it has left: its last breath is nobody's concern. */
export function logNode(node: GodwitNode, log: Logger): void {
  let hasLeft = false
  for (const kind of Object.keys(sentences) as NodeEvent['kind'][]) {
    node.on(kind, (event: NodeEvent) => {
      if (hasLeft) return
      hasLeft = kind === 'left'
      const [level, text, fields = {}] = (sentences[kind] as Sentence<NodeEvent>)(event)
      log[level](fields, text)
    })
  }
  node.on('log', ({ actor, values }) => log.info({ actor, values }, 'log'))
  node.on('emitted', ({ actor, event }) => log.debug({ actor, event }, 'emitted'))
}

const levelStyles: Readonly<Record<string, Style>> = {
  debug: 'dim',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: 'red',
}

interface Line {
  readonly time: string
  readonly level: string
  readonly msg: string
  readonly node: string
  readonly cluster: string
  readonly err?: { readonly stack?: string; readonly message?: string }
}

/** `12:03:11.123 info  view 2  members=[ 'n1', 'n2' ]` */
function wordsOf(output: Output, line: string): string {
  const { time, level, msg, node: _node, cluster: _cluster, err, ...fields } = JSON.parse(line) as Line
  const clock = paint(output, 'dim', new Date(time).toTimeString().slice(0, 8))
  const pairs = Object.entries(fields).map(
    ([key, value]) =>
      `  ${paint(output, 'dim', `${key}=`)}${typeof value === 'string' ? printable(value) : notation(output, value)}`,
  )
  const stack = err === undefined ? '' : `\n${paint(output, 'dim', err.stack ?? err.message ?? '')}`
  return `${clock} ${paint(output, levelStyles[level] ?? 'dim', level.padEnd(5))} ${printable(msg)}${pairs.join('')}${stack}\n`
}
