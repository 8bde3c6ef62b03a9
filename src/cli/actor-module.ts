/** ActorModule: a JavaScript or TypeScript file that exports definitions (`defineActor`): by name, as its default, or in lists.
 *  Whatever else it exports is its own affair. */

import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ActorDefinition } from '../index.ts'
import { UsageError } from './failure.ts'

type Definition = ActorDefinition<any, any>

/** The definitions of all files, each once. Throws a `UsageError` that names the file and the reason. */
export async function loadDefinitions(files: readonly string[]): Promise<Definition[]> {
  const lists: Definition[][] = []
  // One after the other, so that the reason is always that of the first file that is wrong.
  for (const file of files) lists.push(await loadFile(file))
  return [...new Set(lists.flat())]
}

async function loadFile(file: string): Promise<Definition[]> {
  const path = resolve(file)
  const exports = await importFile(path)
  // `module.exports = {…}` is a default export with all of them in it.
  const values = [...Object.values(exports), ...Object.values(exports['default'] ?? {})]
  const found = values.flat().filter(isDefinition)
  if (found.length > 0) return found
  const names = Object.keys(exports)
  const instead = names.length === 0 ? 'it exports nothing' : `its exports are: ${names.join(', ')}`
  throw new UsageError(`actor module ${path} exports no definition (defineActor); ${instead}`)
}

async function importFile(path: string): Promise<Record<string, unknown>> {
  await access(path).catch(() => {
    throw new UsageError(`actor module ${path} does not exist`)
  })
  const { createJiti } = await import('jiti')
  // Node itself comes first (jiti only takes over where Node cannot read the file), so that a module gets the very copy of
  // Godwit that runs it wherever there is only one.
  const jiti = createJiti(import.meta.url, { tryNative: true })
  try {
    return await jiti.import<Record<string, unknown>>(pathToFileURL(path).href)
  } catch (thrown) {
    throw new UsageError(`actor module ${path} does not load: ${reasonOf(thrown)}`, { cause: thrown })
  }
}

/** With the place, which is half of the reason: the first line of the stack that is neither Node's nor the loader's. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  const { name, message, stack = '' } = thrown
  const said = name === 'Error' ? message : `${name}: ${message}`
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line))
  const place = frames.find((line) => !/node:|node_modules|\/cli\/actor-module\./.test(line))?.trim()
  return place === undefined ? said : `${said}\n${place}`
}

/** By its shape: the module may have another copy of Godwit than ours. */
const isDefinition = (value: unknown): value is Definition =>
  typeof value === 'object' && value !== null && 'machine' in value && 'vocabulary' in value && 'durability' in value
