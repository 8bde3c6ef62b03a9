/** Servers, releases and apt are stand-ins here: shell scripts and a local http server. No network is touched. */

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { GodwitError } from '../../src/base/errors.ts'
import { ensureNatsServer, type NatsBinaryOptions } from '../../src/workers/nats-binary.ts'
import { releaseName, releaseVersion } from '../../src/workers/nats-release.ts'

const unreachable = 'http://127.0.0.1:2'

test('the one that GODWIT_NATS_SERVER names comes before PATH, PATH before the cache', async (t) => {
  const machine = newMachine(t)
  const named = fakeServer(join(machine.dir, 'own/my-server'), '2.9.10')
  const onPath = fakeServer(join(machine.binDir, 'nats-server'), '2.10.27')
  const cached = fakeServer(join(machine.cacheDir, 'nats-server-2.15.1'), '2.15.1')

  const env = { ...machine.env, GODWIT_NATS_SERVER: named }
  t.is(await ensureNatsServer({ ...machine.options, env }), named)
  t.is(await ensureNatsServer(machine.options), onPath)
  rmSync(onPath)
  t.is(await ensureNatsServer(machine.options), cached)
  t.deepEqual(machine.progress, [], 'nothing is fetched, so nothing is said')
})

test('an older one than asked for is passed over wherever it is', async (t) => {
  const machine = newMachine(t)
  const named = fakeServer(join(machine.dir, 'own/nats-server'), '2.9.10')
  fakeServer(join(machine.binDir, 'nats-server'), '2.9.21')
  fakeServer(join(machine.cacheDir, 'nats-server-2.11.3'), '2.11.3')
  const cached = fakeServer(join(machine.cacheDir, 'nats-server-2.12.0'), '2.12.0')

  const env = { ...machine.env, GODWIT_NATS_SERVER: named }
  t.is(await ensureNatsServer({ ...machine.options, env, minVersion: '2.12' }), cached)
})

test('the newest of the cache is taken', async (t) => {
  const machine = newMachine(t)
  fakeServer(join(machine.cacheDir, 'nats-server-2.9.10'), '2.9.10')
  const newest = fakeServer(join(machine.cacheDir, 'nats-server-2.15.1'), '2.15.1')
  fakeServer(join(machine.cacheDir, 'nats-server-2.10.27'), '2.10.27')

  t.is(await ensureNatsServer(machine.options), newest)
})

test('a GODWIT_NATS_SERVER that does not run is an error, even if another is on PATH', async (t) => {
  const machine = newMachine(t)
  fakeServer(join(machine.binDir, 'nats-server'), '2.15.1')

  const env = { ...machine.env, GODWIT_NATS_SERVER: '/nowhere/nats-server' }
  const error = await t.throwsAsync(ensureNatsServer({ ...machine.options, env }), { instanceOf: GodwitError })
  t.is(error.message, 'GODWIT_NATS_SERVER: /nowhere/nats-server is not there')
})

test('the release is fetched into the cache once, with a line of progress', async (t) => {
  const machine = newMachine(t)
  const release = await serveRelease(t)
  const options = { ...machine.options, releaseUrl: release.url }

  const binary = await ensureNatsServer(options)
  const again = await ensureNatsServer(options)

  t.is(binary, join(machine.cacheDir, `nats-server-${releaseVersion}`))
  t.is(again, binary)
  t.is(release.requests.length, 2, 'the sums and the archive, once')
  t.is(machine.progress[0], `fetching nats-server from the official release ${releaseVersion}`)
  t.deepEqual(readdirSync(machine.cacheDir), [`nats-server-${releaseVersion}`], 'the scratch folder is gone')
})

test('two that fetch at once both get a binary that runs', async (t) => {
  const machine = newMachine(t)
  const release = await serveRelease(t)
  const options = { ...machine.options, releaseUrl: release.url }

  const [one, other] = await Promise.all([ensureNatsServer(options), ensureNatsServer(options)])

  t.is(one, other)
  t.regex(execFileSync(one, ['--version']).toString(), /2\.15\.1/)
  t.is(readdirSync(machine.cacheDir).length, 1)
})

test('a fetch clears away what an earlier one left that was cut off, but not what another has under way', async (t) => {
  const machine = newMachine(t)
  const release = await serveRelease(t)
  for (const name of ['fetch-old', 'fetch-new']) mkdirSync(join(machine.cacheDir, name))
  utimesSync(join(machine.cacheDir, 'fetch-old'), 0, 0)

  await ensureNatsServer({ ...machine.options, releaseUrl: release.url })

  t.deepEqual(readdirSync(machine.cacheDir).toSorted(), ['fetch-new', `nats-server-${releaseVersion}`])
})

test('a release with another hash than its SHA256SUMS is refused, and the package is asked', async (t) => {
  const machine = newMachine(t, { apt: 'bookworm' })
  const release = await serveRelease(t, { sums: (archive) => `${'0'.repeat(64)}  ${archive}\n` })

  const binary = await ensureNatsServer({ ...machine.options, releaseUrl: release.url })

  t.regex(machine.progress[1]!, /was refused: its SHA-256 is [0-9a-f]{64}, not 0{64}/)
  t.is(machine.progress[2], "fetching nats-server from the distribution's package (sid)")
  t.is(binary, join(machine.cacheDir, 'nats-server-2.15.1'))
})

test('a release whose SHA256SUMS does not name the archive is refused', async (t) => {
  const machine = newMachine(t)
  const release = await serveRelease(t, { sums: () => `${'0'.repeat(64)}  something-else.tar.gz\n` })

  const error = await t.throwsAsync(ensureNatsServer({ ...machine.options, releaseUrl: release.url }))
  t.regex(error.message, /SHA256SUMS does not name nats-server-v/)
  t.deepEqual(readdirSync(machine.cacheDir), [])
})

test('where the release cannot be reached, the newest suite whose package runs here is taken', async (t) => {
  const machine = newMachine(t, { apt: 'bookworm', broken: ['sid', 'testing'] })

  const binary = await ensureNatsServer(machine.options)

  t.is(binary, join(machine.cacheDir, 'nats-server-2.10.27'))
  const asked = machine.progress.filter((line) => line.startsWith('fetching')).slice(1)
  t.deepEqual(asked, [
    "fetching nats-server from the distribution's package (sid)",
    "fetching nats-server from the distribution's package (testing)",
    "fetching nats-server from the distribution's package (stable)",
  ])
  t.regex(machine.progress[3]!, /GLIBC_2\.99/, 'why the first suite would not do')
})

test("the machine's own suite comes last, from its own archive with its own key", async (t) => {
  const machine = newMachine(t, { apt: 'bookworm', broken: ['sid', 'testing', 'stable'] })

  const binary = await ensureNatsServer(machine.options)

  t.is(binary, join(machine.cacheDir, 'nats-server-2.9.10'))
  t.deepEqual(readFileSync(join(machine.dir, 'asked.sources'), 'utf8').trim().split('\n').toSorted(), [
    'components: main',
    'signed-by: /usr/share/keyrings/archive.gpg',
    'suites: bookworm',
    'targets: Packages',
    'types: deb',
    'uris: http://archive.invalid/debian',
  ])
})

test('the error where nothing works names what was tried and what helps', async (t) => {
  const machine = newMachine(t, { apt: 'bookworm' })

  const error = await t.throwsAsync(ensureNatsServer({ ...machine.options, minVersion: '99.1' }), {
    instanceOf: GodwitError,
  })

  t.is(error.code, 'UNAVAILABLE')
  t.regex(error.message, /^no nats-server 99\.1 or later was found/)
  t.regex(error.message, /official release .*: http:\/\/127\.0\.0\.1:2\/.* cannot be fetched: connect ECONNREFUSED/)
  t.regex(error.message, /package \(sid\): its nats-server is 2\.15\.1, and 99\.1 or later is needed/)
  t.regex(error.message, /GODWIT_NATS_SERVER/)
  t.deepEqual(readdirSync(machine.cacheDir), [], 'one that will not do is not kept')
})

/** A machine of its own for a test: folders for PATH, cache and /etc, and what was said on the way. */
function newMachine(t: ExecutionContext, apt?: { apt: string; broken?: string[] }) {
  const dir = mkdtempSync(join(tmpdir(), 'godwit-binary-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const [binDir, cacheDir, etcDir] = ['bin', 'cache', 'etc'].map((name) => join(dir, name)) as [string, string, string]
  for (const each of [binDir, cacheDir, etcDir]) mkdirSync(each)
  if (apt !== undefined) fakeApt(dir, apt.apt, apt.broken ?? [])

  const progress: string[] = []
  const env = { PATH: `${binDir}:/bin:/usr/bin` }
  const options: NatsBinaryOptions = {
    env,
    cacheDir,
    etcDir,
    systemDirs: [],
    releaseUrl: unreachable,
    onProgress: (line) => progress.push(line),
  }
  return { dir, binDir, cacheDir, env, options, progress }
}

function script(file: string, body: string): string {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `#!/bin/sh\n${body}\n`)
  chmodSync(file, 0o755)
  return file
}

const fakeServer = (file: string, version: string): string => script(file, `echo nats-server: v${version}`)

/** An apt-get that "downloads" a script, and a dpkg-deb that puts it in place. Packages of `broken` suites do not run. */
function fakeApt(dir: string, codename: string, broken: readonly string[]): void {
  mkdirSync(join(dir, 'etc/apt/sources.list.d'), { recursive: true })
  writeFileSync(join(dir, 'etc/os-release'), `ID=debian\nVERSION_CODENAME=${codename}\n`)
  writeFileSync(
    join(dir, 'etc/apt/sources.list.d/a-vendor.list'),
    'deb [signed-by=/vendor.gpg] http://vendor.invalid/apt stable main\n',
  )
  writeFileSync(
    join(dir, 'etc/apt/sources.list.d/debian.sources'),
    `Types: deb\nURIs: http://archive.invalid/debian\nSuites: ${codename} ${codename}-updates\n` +
      'Components: main\nSigned-By: /usr/share/keyrings/archive.gpg\n',
  )
  const versions = { sid: '2.15.1', testing: '2.15.0', stable: '2.10.27', [codename]: '2.9.10' }
  for (const [suite, version] of Object.entries(versions)) {
    const file = fakeServer(join(dir, 'archive', suite), version)
    if (broken.includes(suite)) script(file, 'echo "version \'GLIBC_2.99\' not found" >&2; exit 1')
  }
  script(
    join(dir, 'bin/apt-get'),
    `suite=$(sed -n 's/^suites: //p' own.sources)
cp own.sources ${dir}/asked.sources
if [ "$3" = download ]; then cp ${dir}/archive/$suite nats-server_1_any.deb; fi`,
  )
  script(join(dir, 'bin/dpkg-deb'), 'mkdir -p "$3/usr/sbin" && cp "$2" "$3/usr/sbin/nats-server"')
}

/** A release on a local http server, with the archive of a fake server for this platform. */
async function serveRelease(t: ExecutionContext, tampered: { sums?: (archive: string) => string } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'godwit-release-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const name = releaseName()
  fakeServer(join(dir, name, 'nats-server'), releaseVersion)
  execFileSync('tar', ['-czf', `${name}.tar.gz`, name], { cwd: dir })
  const archive = readFileSync(join(dir, `${name}.tar.gz`))
  const hash = createHash('sha256').update(archive).digest('hex')
  const sums = tampered.sums ?? ((file: string) => `${'f'.repeat(64)}  other.zip\n${hash}  ${file}\n`)
  const files = new Map<string | undefined, string | Buffer>([
    [`/v${releaseVersion}/SHA256SUMS`, sums(`${name}.tar.gz`)],
    [`/v${releaseVersion}/${name}.tar.gz`, archive],
  ])

  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    const file = files.get(request.url)
    response.writeHead(file === undefined ? 404 : 200).end(file)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}
