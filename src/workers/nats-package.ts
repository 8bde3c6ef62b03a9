/** NatsPackage: the nats-server package of a Debian-like distribution, as sources of `nats-binary.ts`.
 *
 *  apt does the work (mirrors, proxies, signatures) with package lists of its own inside the scratch folder, as whoever
 *  we are: no root, no lock, and the system's own lists and packages stay as they are. The archive is the machine's own,
 *  taken from its first entry, but newer suites of it are asked first: Debian 12 itself has 2.9.10, and a newer
 *  nats-server runs there too, since it needs little more than a C library. One that needs a newer one does not start,
 *  and the next suite is asked. */

import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { NatsSource } from './nats-source.ts'

/** One entry of apt's sources: the fields of a deb822 stanza, their names in lower case. */
export type AptEntry = ReadonlyMap<string, string>

const newestSuites = ['sid', 'testing', 'stable']
const aptMsMax = 120_000

/** One source for each suite, newest first; none where apt has no entries. */
export async function packageSources(etcDir: string, env: NodeJS.ProcessEnv): Promise<NatsSource[]> {
  const entries = await readEntries(join(etcDir, 'apt'))
  const entry = archiveEntry(entries, await codenameOf(etcDir))
  if (entry === undefined) return []
  const suites = new Set([...newestSuites, ...wordsOf(entry, 'suites').slice(0, 1)])
  return Array.from(suites, (suite) => packageSource(entry, suite, env))
}

const packageSource = (entry: AptEntry, suite: string, env: NodeJS.ProcessEnv): NatsSource => ({
  name: `the distribution's package (${suite})`,
  async fetch(scratchDir) {
    const run = (command: string, args: string[]) =>
      runIn(scratchDir, command, args, { ...env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' })
    await mkdir(join(scratchDir, 'lists/partial'), { recursive: true })
    await writeFile(join(scratchDir, 'own.sources'), stanzaOf(entry, suite))
    await writeFile(join(scratchDir, 'apt.conf'), aptConfig(scratchDir))
    await run('apt-get', ['-c', 'apt.conf', 'update'])
    await run('apt-get', ['-c', 'apt.conf', 'download', 'nats-server'])
    const name = (await readdir(scratchDir)).find((each) => each.endsWith('.deb'))
    if (name === undefined) throw new Error('apt-get download left no package behind')
    await run('dpkg-deb', ['-x', name, 'unpacked'])
    const binary = join(scratchDir, 'unpacked/usr/sbin/nats-server')
    return (await stat(binary).catch(() => undefined)) ? binary : join(scratchDir, 'unpacked/usr/bin/nats-server')
  },
})

/** The hooks are cleared because some of them write to the system (package kit, software catalogues). Without
 *  `Error-Mode` an archive that cannot be reached is a warning, and the package is then merely "not found". Root's apt
 *  would hand its downloads to a user who cannot enter a home folder's cache. What is installed is none of our concern:
 *  apt would prefer an installed version that no suite has. */
const aptConfig = (dir: string): string => `
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Update::Error-Mode "any";
APT::Sandbox::User "root";
Dir::Etc::sourcelist "${dir}/own.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "${dir}/lists";
Dir::State::status "/dev/null";
Dir::Cache "${dir}/cache";
Debug::NoLocking "true";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
`

/** `Targets` keeps apt from fetching descriptions and file lists, which are several times the package index. */
const stanzaOf = (entry: AptEntry, suite: string): string => {
  const fields = new Map([...entry, ['types', 'deb'], ['suites', suite], ['targets', 'Packages']])
  return [...fields].map(([name, value]) => `${name}: ${value}\n`).join('')
}

async function runIn(cwd: string, command: string, args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  try {
    await promisify(execFile)(command, args, { cwd, env, timeout: aptMsMax })
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string }
    const complaint = stderr.split('\n').find((line) => line.startsWith('E:')) ?? (stderr.trim() || message)
    throw new Error(`${command}: ${complaint}`, { cause: error })
  }
}

/** Of the entries, the distribution's own archive: others (docker, node, a database) may come first in the alphabet. */
export function archiveEntry(entries: readonly AptEntry[], codename: string | undefined): AptEntry | undefined {
  const isArchive = (entry: AptEntry): boolean =>
    codename !== undefined &&
    wordsOf(entry, 'suites').includes(codename) &&
    wordsOf(entry, 'components').includes('main')
  return entries.find(isArchive) ?? entries[0]
}

const wordsOf = (entry: AptEntry, field: string): string[] => entry.get(field)?.trim().split(/\s+/) ?? []

async function codenameOf(etcDir: string): Promise<string | undefined> {
  const text = await readText(join(etcDir, 'os-release'))
  return /^VERSION_CODENAME="?([^"\n]+)/m.exec(text)?.[1]
}

/** All entries in apt's own order: the main file, then the parts by name. */
async function readEntries(aptDir: string): Promise<AptEntry[]> {
  const parts = await readdir(join(aptDir, 'sources.list.d')).catch((): string[] => [])
  const files = ['sources.list', ...parts.toSorted().map((name) => `sources.list.d/${name}`)]
  const entries = files.map(async (file) => {
    const text = await readText(join(aptDir, file))
    if (file.endsWith('.sources')) return parseStanzas(text)
    return file.endsWith('.list') ? parseLines(text) : []
  })
  return (await Promise.all(entries)).flat().filter(isUsable)
}

const readText = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '')

const isUsable = (entry: AptEntry): boolean =>
  wordsOf(entry, 'types').includes('deb') && entry.get('enabled') !== 'no' && !entry.get('uris')?.startsWith('cdrom:')

/** deb822: paragraphs of `Field: value`, where a line that starts with a blank goes on with the field before it. */
export function parseStanzas(text: string): AptEntry[] {
  const withoutComments = text.replaceAll(/^#.*\n?/gm, '')
  const stanzas = withoutComments.split(/\n\s*\n/).filter((stanza) => stanza.trim() !== '')
  return stanzas.map((stanza) => {
    const fields = stanza.trim().split(/\n(?=\S)/)
    return new Map(fields.map((field) => fieldOf(field)))
  })
}

function fieldOf(text: string): [string, string] {
  const colon = text.indexOf(':')
  return [text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim()]
}

const lineOptionNames: Readonly<Record<string, string>> = {
  arch: 'architectures',
  lang: 'languages',
  target: 'targets',
}

/** One-line style: `deb [option=value …] uri suite component …`. */
export function parseLines(text: string): AptEntry[] {
  const lines = text.matchAll(/^(deb)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)([^#\n]*)/gm)
  return Array.from(lines, ([, types = '', options = '', uris = '', suites = '', components = '']) => {
    const fields = options.matchAll(/([\w-]+)=(\S+)/g)
    return new Map([
      ...Array.from(fields, ([, name = '', value = '']): [string, string] => [
        lineOptionNames[name] ?? name,
        value.replaceAll(',', ' '),
      ]),
      ['types', types],
      ['uris', uris],
      ['suites', suites],
      ['components', components.trim()],
    ])
  })
}
