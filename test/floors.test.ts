/** The floors of src/README.md, checked: what a file may import, and which words never stand on the pure floors. */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

/** Imports point down, or sideways: the twins of one broker share what they know of it. Files of `src` itself
 *  (`index.ts`) stand on the highest floor. */
const floors: Readonly<Record<string, number>> = {
  base: 0,
  protocol: 1,
  core: 2,
  transport: 3,
  log: 3,
  runtime: 4,
  client: 4,
  resources: 5,
  workers: 5,
  web: 5,
  cli: 6,
}
const highestFloor = 6

/** What the pure floors may take from npm or Node. */
const packagesOfPureFloors: Readonly<Record<string, readonly string[]>> = { base: [], protocol: ['msgpackr'], core: [] }

/** The core is told time and chance, and returns effects: none of these words has a meaning there (rule C1). */
const wordsNotInCore =
  /\b(async|await|Promise|Date|Math\.random|setTimeout|setInterval|setImmediate|queueMicrotask|performance|systemClock|systemRandom)\b/

/** The actor host and its parts, and what a definition is made of. */
const xstateFiles = /^src\/runtime\/(host(-\w+)*|definition|held|reply)\.ts$/
/** The NATS twins of the two ports. */
const natsFiles = /^src\/(transport|log)\/(nats|jetstream)[\w-]*\.ts$/

test('every folder of src is on a floor', (t) => {
  const folders = sources.map((file) => folderOf(file)).filter((folder) => folder !== undefined)
  t.deepEqual(
    [...new Set(folders)].filter((folder) => !(folder in floors)),
    [],
  )
})

test('imports between folders point down', (t) => {
  const isUp = (each: Import): boolean => each.path.startsWith('src/') && floorOf(each.file) < floorOf(each.path)
  t.deepEqual(findings(isUp), [])
})

test('base, protocol and core take nothing from npm or Node, but for the codec', (t) => {
  const isForbidden = (each: Import): boolean => {
    const allowed = packagesOfPureFloors[folderOf(each.file) ?? '']
    return allowed !== undefined && isPackage(each) && !allowed.includes(each.path)
  }
  t.deepEqual(findings(isForbidden), [])
})

test('core knows no promise, clock, chance or timer', (t) => {
  const core = sources.filter((file) => folderOf(file) === 'core')
  const found = core.flatMap((file) => {
    const lines = withoutCommentsAndStrings(textOf(file)).split('\n')
    return lines.flatMap((line, index) => {
      const word = wordsNotInCore.exec(line)?.[0]
      return word === undefined ? [] : [`${file}:${index + 1} ${word}`]
    })
  })
  t.deepEqual(found, [])
})

test('xstate is imported by the actor host and by definitions, elsewhere as a type', (t) => {
  const isForbidden = (each: Import): boolean =>
    each.file.startsWith('src/') && /^xstate(\/|$)/.test(each.path) && !each.typeOnly && !xstateFiles.test(each.file)
  t.deepEqual(findings(isForbidden), [])
})

test('@nats-io is imported by the NATS twins', (t) => {
  const isForbidden = (each: Import): boolean =>
    each.file.startsWith('src/') && each.path.startsWith('@nats-io/') && !natsFiles.test(each.file)
  t.deepEqual(findings(isForbidden), [])
})

test('actors import the public API, xstate, and what they hold outside', (t) => {
  const isAllowed = (path: string): boolean =>
    ['godwit', 'xstate', 'src/index.ts', 'ws'].includes(path) || path.startsWith('node:') || path.startsWith('actors/')
  t.deepEqual(
    findings((each) => each.file.startsWith('actors/') && !isAllowed(each.path)),
    [],
  )
})

test('no files import each other in a circle, not even for types', (t) => {
  t.deepEqual(circles(), [])
})

interface Import {
  readonly file: string
  /** A file of the repository as a path from its top, or a package as it is written. */
  readonly path: string
  readonly typeOnly: boolean
}

const top = fileURLToPath(new URL('..', import.meta.url))
const commentOrString = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g
const sources = ['src', 'actors'].flatMap((folder) => filesBelow(folder))
const imports = sources.flatMap((file) => importsOf(file))

function filesBelow(folder: string): string[] {
  const names = readdirSync(join(top, folder), { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.endsWith('.ts')).map((name) => join(folder, name))
}

const findings = (isForbidden: (each: Import) => boolean): string[] =>
  imports.filter(isForbidden).map(({ file, path }) => `${file} imports ${path}`)

function folderOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1]
}

function floorOf(path: string): number {
  const folder = folderOf(path)
  return folder === undefined ? highestFloor : (floors[folder] ?? highestFloor)
}

function isPackage({ path }: Import): boolean {
  return !path.startsWith('src/')
}

/** `import {type X}` counts as a value: under verbatimModuleSyntax the import itself stays. */
function importsOf(file: string): Import[] {
  const statements = withoutComments(textOf(file)).matchAll(
    /\b(?:import|export)\s+(type\s)?(?:[\w\s{},*$]+\sfrom\s)?\s*'([^']+)'|\bimport\('([^']+)'\)/g,
  )
  return Array.from(statements, ([, type, path, dynamicPath]) => {
    const written = path ?? dynamicPath!
    return {
      file,
      path: written.startsWith('.') ? join(dirname(file), written) : written,
      typeOnly: type !== undefined,
    }
  })
}

function textOf(file: string): string {
  return readFileSync(join(top, file), 'utf8')
}

function withoutComments(text: string): string {
  return text.replaceAll(commentOrString, (found) => (found.startsWith('/') ? '' : found))
}

/** Line breaks stay, so that line numbers do. */
function withoutCommentsAndStrings(text: string): string {
  return text.replaceAll(commentOrString, (found) => found.replaceAll(/[^\n]/g, ''))
}

/** Every circle of imports, once, as `a -> b -> a`. */
function circles(): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const walk = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) found.push([...trail.slice(trail.indexOf(file)), file].join(' -> '))
    if (done.has(file) || trail.includes(file)) return
    for (const each of imports) if (each.file === file) walk(each.path, [...trail, file])
    done.add(file)
  }
  for (const file of sources) walk(file, [])
  return found
}
