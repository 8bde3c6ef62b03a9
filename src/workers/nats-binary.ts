/** NatsBinary: where a nats-server comes from, on a machine that may have none.
 *
 *  It exists so that `npm ci && npm run demo` is enough. Looked for in this order, and the first that runs and is new
 *  enough is taken: `GODWIT_NATS_SERVER`, PATH, the user's cache folder. Else one is fetched into that folder: the
 *  official release (nats-release.ts) or, where that cannot be reached, the distribution's package (nats-package.ts).
 *  No root is needed and nothing on the system changes. A fetched binary gets its final name only after it has run, by
 *  a rename, so two processes that fetch at once do the work twice and nothing worse. */

import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { systemClock } from '../base/clock.ts'
import { GodwitError, messageOf } from '../base/errors.ts'
import { packageSources } from './nats-package.ts'
import { releaseSource, releaseUrlDefault } from './nats-release.ts'
import type { NatsSource } from './nats-source.ts'

export interface NatsBinaryOptions {
  /** Older ones are passed over, wherever they are. */
  readonly minVersion?: string
  /** Told one line at a time what is being fetched, and from where. Silent if a binary is there already. */
  readonly onProgress?: (line: string) => void
  /** Default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv
  /** Default: `$XDG_CACHE_HOME/godwit`, or `~/.cache/godwit`. */
  readonly cacheDir?: string
  /** Folders after those of PATH: where Debian puts servers is not on everybody's PATH. */
  readonly systemDirs?: readonly string[]
  /** What the release's file names are appended to; a mirror, or a test's stand-in. */
  readonly releaseUrl?: string
  /** Where `apt/` and `os-release` are. */
  readonly etcDir?: string
}

const scratchPrefix = 'fetch-'
/** No fetch takes that long: every step of it has a bound of minutes. */
const leftoverMs = 3_600_000
const exe = process.platform === 'win32' ? '.exe' : ''
const systemDirsDefault = ['/usr/local/bin', '/usr/local/sbin', '/usr/sbin']

/** The path of a nats-server that runs here. Rejects with UNAVAILABLE, and how to get one, if there is no way. */
export async function ensureNatsServer(options: NatsBinaryOptions = {}): Promise<string> {
  const env = options.env ?? process.env
  const cacheDir = options.cacheDir ?? join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'godwit')
  return (await findBinary(options, env, cacheDir)) ?? (await fetchBinary(options, env, cacheDir))
}

async function findBinary(
  options: NatsBinaryOptions,
  env: NodeJS.ProcessEnv,
  cacheDir: string,
): Promise<string | undefined> {
  const named = env['GODWIT_NATS_SERVER']
  if (named) {
    const tried = await tryBinary(named, options.minVersion)
    if (tried.kind === 'good') return named
    // Somebody meant this one: to use another silently would hide the mistake. Too old a one may be meant for others.
    if (tried.kind === 'broken') throw new GodwitError('UNAVAILABLE', `GODWIT_NATS_SERVER: ${named} ${tried.why}`)
  }
  const dirs = [...(env['PATH'] ?? '').split(delimiter), ...(options.systemDirs ?? systemDirsDefault)]
  const installed = dirs.filter((dir) => dir !== '').map((dir) => join(dir, `nats-server${exe}`))
  for (const binary of [...installed, ...(await cachedBinaries(cacheDir))]) {
    if ((await tryBinary(binary, options.minVersion)).kind === 'good') return binary
  }
  return undefined
}

/** Newest first. */
async function cachedBinaries(cacheDir: string): Promise<string[]> {
  const names = await readdir(cacheDir).catch((): string[] => [])
  const binaries = names.filter((name) => name.startsWith('nats-server-'))
  return binaries.toSorted((a, b) => compareVersions(b, a)).map((name) => join(cacheDir, name))
}

async function fetchBinary(options: NatsBinaryOptions, env: NodeJS.ProcessEnv, cacheDir: string): Promise<string> {
  const report = options.onProgress ?? (() => {})
  const sources = [
    releaseSource(options.releaseUrl ?? releaseUrlDefault),
    ...(await packageSources(options.etcDir ?? '/etc', env)),
  ]
  const failures: string[] = []
  for (const source of sources) {
    report(`fetching nats-server from ${source.name}`)
    try {
      const binary = await fetchInto(cacheDir, source, options.minVersion)
      report(`fetched ${binary}`)
      return binary
    } catch (error) {
      const failure = `${source.name}: ${messageOf(error)}`
      report(failure)
      failures.push(failure)
    }
  }
  throw new GodwitError('UNAVAILABLE', adviceFor(failures, options.minVersion))
}

async function fetchInto(cacheDir: string, source: NatsSource, minVersion: string | undefined): Promise<string> {
  await mkdir(cacheDir, { recursive: true })
  await removeLeftovers(cacheDir)
  const scratchDir = await mkdtemp(join(cacheDir, scratchPrefix))
  try {
    const fetched = await source.fetch(scratchDir)
    await chmod(fetched, 0o755)
    const tried = await tryBinary(fetched, minVersion)
    if (tried.kind !== 'good') throw new Error(`its nats-server ${tried.why}`)
    const binary = join(cacheDir, `nats-server-${tried.version}${exe}`)
    await rename(fetched, binary)
    return binary
  } finally {
    await rm(scratchDir, { recursive: true, force: true })
  }
}

/** A fetch that was cut off leaves its folder behind, and package lists are large. */
async function removeLeftovers(cacheDir: string): Promise<void> {
  const names = await readdir(cacheDir)
  for (const name of names.filter((each) => each.startsWith(scratchPrefix))) {
    const found = await stat(join(cacheDir, name)).catch(() => undefined)
    const isLeftOver = found !== undefined && found.mtimeMs < systemClock.now().wallMs - leftoverMs
    if (isLeftOver) await rm(join(cacheDir, name), { recursive: true, force: true })
  }
}

type Tried =
  | { readonly kind: 'good'; readonly version: string }
  | { readonly kind: 'old'; readonly why: string }
  | { readonly kind: 'broken'; readonly why: string }

/** Running it is the only proof: it may be built for another processor or need a newer C library. */
async function tryBinary(binary: string, minVersion = '0'): Promise<Tried> {
  if (!(await stat(binary).catch(() => undefined))?.isFile()) return { kind: 'broken', why: 'is not there' }
  try {
    const { stdout } = await promisify(execFile)(binary, ['--version'], { timeout: 10_000 })
    const version = /v(\d+\.\d+\.\d+)/.exec(stdout)?.[1]
    if (version === undefined) return { kind: 'broken', why: `is no nats-server: it answers ${JSON.stringify(stdout)}` }
    if (compareVersions(version, minVersion) >= 0) return { kind: 'good', version }
    return { kind: 'old', why: `is ${version}, and ${minVersion} or later is needed` }
  } catch (error) {
    return { kind: 'broken', why: `does not run: ${messageOf(error).trim()}` }
  }
}

/** 2.9.10 comes before 2.12. */
const compareVersions = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true })

const adviceFor = (failures: readonly string[], minVersion: string | undefined): string =>
  [
    `no nats-server${minVersion === undefined ? '' : ` ${minVersion} or later`} was found, and none could be fetched:`,
    ...failures.map((failure) => `  - ${failure}`),
    'Any one of these helps:',
    '  - install the package nats-server of your system (apt, dnf, brew, choco …), so that it is on PATH;',
    `  - unpack a release from ${releaseUrlDefault.replace('/download', '')} and put its nats-server on PATH;`,
    '  - set GODWIT_NATS_SERVER to the path of one.',
  ].join('\n')
