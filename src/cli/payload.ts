/** Payload: an event or an input as a person types it: a JSON value, `-` for JSON on standard input, or fields `key=value`;
 *  an event also by its type alone. What the machine thinks of it is for the cluster to say. */

import { UsageError } from './failure.ts'

type Fields = Readonly<Record<string, unknown>>

export interface Event extends Fields {
  readonly type: string
}

/** `INC`, `INC by=2`, `{"type":"INC","by":2}` or `-`. Throws a `UsageError`. */
export async function readEvent(words: readonly string[], stdin: AsyncIterable<Buffer | string>): Promise<Event> {
  const [first = '', ...rest] = words
  if (first !== '-' && !first.startsWith('{')) {
    if (first === '' || isField(first)) throw new UsageError('the event must begin with its type: INC by=2')
    return { ...fieldsOf(rest), type: first }
  }
  if (rest.length > 0) throw new UsageError('fields key=value go with a bare event type, not with JSON')
  const event = parseJson('the event', first === '-' ? await readText(stdin) : first)
  if (isEvent(event)) return event
  throw new UsageError('the event must be a JSON object with a text as its "type": {"type": "INC"}')
}

/** `{"start":5}`, `start=5`, `-`, or nothing. Throws a `UsageError`. */
export async function readInput(words: readonly string[], stdin: AsyncIterable<Buffer | string>): Promise<unknown> {
  const [first, ...rest] = words
  if (first === undefined) return undefined
  if (isField(first)) return fieldsOf(words)
  if (rest.length > 0) throw new UsageError('the input must be one JSON value (quote it) or fields key=value')
  return parseJson('the input', first === '-' ? await readText(stdin) : first)
}

const isEvent = (value: unknown): value is Event =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'

const fieldPattern = /^([\p{L}_$][\p{L}\p{N}_$.-]*)=(.*)$/su

const isField = (word: string): boolean => fieldPattern.test(word)

function fieldsOf(words: readonly string[]): Fields {
  const entries = words.map((word): [string, unknown] => {
    const [, key, text] = fieldPattern.exec(word) ?? []
    if (key === undefined || text === undefined) throw new UsageError(`'${word}' is not a field: write key=value`)
    if (key === 'type') throw new UsageError('the type of an event stands first and is no field')
    return [key, valueOf(text)]
  })
  return Object.fromEntries(entries)
}

/** `by=2` is a number and `name=Ann` a text; a text of digits needs its quotes: `zip='"01234"'`. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function parseJson(what: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    throw new UsageError(`${what} is not JSON: ${(thrown as Error).message}`)
  }
}

async function readText(stdin: AsyncIterable<Buffer | string>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString()
}
