/** NatsRelease: the official nats-server release for this platform, as a source of `nats-binary.ts`.
 *  The archive is taken only if its hash is the one in the release's SHA256SUMS. Many machines cannot reach the release
 *  at all, and some never say so, hence the short wait for a first answer. */

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemClock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { NatsSource } from './nats-source.ts'

/** The release that Godwit is tested with. */
export const releaseVersion = '2.15.1'
export const releaseUrlDefault = 'https://github.com/nats-io/nats-server/releases/download'

const answerMsMax = 5_000
const downloadMsMax = 120_000

/** `baseUrl` is what `/v<version>/<file>` is appended to. */
export const releaseSource = (baseUrl: string): NatsSource => ({
  name: `the official release ${releaseVersion}`,
  async fetch(scratchDir) {
    const name = releaseName()
    const archive = `${name}${process.platform === 'win32' ? '.zip' : '.tar.gz'}`
    const sums = new TextDecoder().decode(await download(`${baseUrl}/v${releaseVersion}/SHA256SUMS`))
    const bytes = await download(`${baseUrl}/v${releaseVersion}/${archive}`)
    verify(bytes, sums, archive)
    await writeFile(join(scratchDir, archive), bytes)
    await promisify(execFile)('tar', ['-xf', archive], { cwd: scratchDir })
    return join(scratchDir, name, process.platform === 'win32' ? 'nats-server.exe' : 'nats-server')
  },
})

const systems: Partial<Record<NodeJS.Platform, string>> = { linux: 'linux', darwin: 'darwin', win32: 'windows' }
const processors: Partial<Record<NodeJS.Architecture, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm7',
  ia32: '386',
}

/** The release's name for this platform, which is also the folder inside the archive. */
export function releaseName(): string {
  const system = systems[process.platform]
  const processor = processors[process.arch]
  if (!system || !processor) throw new Error(`there is none for ${process.platform} on ${process.arch}`)
  return `nats-server-v${releaseVersion}-${system}-${processor}`
}

async function download(url: string): Promise<Uint8Array> {
  const abort = new AbortController()
  const abortAfter = (ms: number): (() => void) =>
    systemClock.after(ms, () => abort.abort(new Error(`no answer within ${ms / 1000} s`)))
  const ended = abortAfter(downloadMsMax)
  const answered = abortAfter(answerMsMax)
  try {
    const response = await fetch(url, { signal: abort.signal })
    answered()
    if (!response.ok) throw new Error(`status ${response.status}`)
    return new Uint8Array(await response.arrayBuffer())
  } catch (error) {
    // fetch says only "fetch failed"; what failed is in the cause.
    const why = error instanceof TypeError && error.cause !== undefined ? error.cause : error
    throw new Error(`${url} cannot be fetched: ${messageOf(why)}`, { cause: error })
  } finally {
    answered()
    ended()
  }
}

/** Throws unless `sums` holds the hash of `bytes` beside `name`. */
function verify(bytes: Uint8Array, sums: string, name: string): void {
  const expected = sums
    .split('\n')
    .map((line) => line.trim().split(/\s+\*?/))
    .find(([, file]) => file === name)?.[0]
  if (expected === undefined) throw new Error(`SHA256SUMS does not name ${name}`)
  const actual = createHash('sha256').update(bytes).digest('hex')
  if (actual !== expected)
    throw new Error(`${name} was refused: its SHA-256 is ${actual}, not ${expected} as in SHA256SUMS`)
}
