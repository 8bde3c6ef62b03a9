/** NatsServer: one nats-server as a child process on 127.0.0.1, with a JetStream store of its own.
 *
 *  It exists for the demo and the tests: what a person would otherwise start by hand first.
 *  It resolves once the server answers a connection, and rejects with the server's own words when it stops before that.
 *  A server does not outlive the process that started it, however that process ends (Linux; elsewhere it survives only
 *  a killed parent). Where the binary comes from is `nats-binary.ts`; a cluster is somebody else's configuration. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { sleep, systemClock } from '../base/clock.ts'
import { GodwitError, messageOf } from '../base/errors.ts'

export { ensureNatsServer, type NatsBinaryOptions } from './nats-binary.ts'

export interface NatsServerOptions {
  readonly binary: string
  /** Holds the JetStream store, the log and the ports file. Start again on the same folder to keep the data. */
  readonly storeDir: string
  /** Default: a free one. */
  readonly port?: number
  /** Default: true. */
  readonly jetStream?: boolean
  /** More of the server's configuration, in its own words: `authorization {…}`, `max_payload: 1MB`. */
  readonly config?: string
  /** A whole configuration file instead: its listen address, store and JetStream settings count, not ours. */
  readonly configFile?: string
  /** What `$NAME` in the configuration file stands for. Default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv
}

export interface NatsServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly process: ChildProcess
  /** Everything the server wrote since the folder was first used. */
  readonly logFile: string
  /** Ends the server in good order; resolves when it is gone. A second call waits for the same end. */
  stop(): Promise<void>
  /** Ends it as a power cut would: SIGKILL. */
  kill(): Promise<void>
}

/** Recovery of a large store comes before the first connection, so this is generous. */
const readyMsMax = 30_000
const stopMsMax = 10_000
const pollMs = 10

export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { storeDir } = options
  await mkdir(storeDir, { recursive: true })
  await removePortsFiles(storeDir)

  const logFile = join(storeDir, 'nats-server.log')
  const log = await open(logFile, 'a')
  const logStart = (await log.stat()).size
  const child = spawnWithParent(options.binary, await argumentsFor(options), options.env ?? process.env, log.fd)
  const ended = once(child, 'exit')
  const ready = new AbortController()
  try {
    const port = await Promise.race([listeningPort(storeDir, child, ready.signal), ended.then(() => undefined)])
    if (port === undefined) throw new Error(await complaintIn(logFile, logStart))
    return {
      url: `nats://127.0.0.1:${port}`,
      port,
      pid: child.pid!,
      process: child,
      logFile,
      stop: () => end(child, ended, 'SIGTERM'),
      kill: () => end(child, ended, 'SIGKILL'),
    }
  } catch (error) {
    child.kill('SIGKILL')
    throw new GodwitError('UNAVAILABLE', `nats-server did not start: ${messageOf(error)}`, { cause: error })
  } finally {
    ready.abort()
    await log.close()
  }
}

async function argumentsFor(options: NatsServerOptions): Promise<string[]> {
  const { storeDir } = options
  const ports = ['--ports_file_dir', storeDir]
  if (options.configFile !== undefined) return ['-c', options.configFile, ...ports]

  const flags = ['-a', '127.0.0.1', '-p', String(options.port ?? -1), ...ports]
  if (options.jetStream ?? true) flags.push('-js', '-sd', storeDir)
  if (options.config !== undefined) {
    const file = join(storeDir, 'nats-server.conf')
    await writeFile(file, options.config)
    flags.push('-c', file)
  }
  return flags
}

const setpriv = '/usr/bin/setpriv'

/** Starts the child so that it dies with us. Node cannot ask the kernel for that (PR_SET_PDEATHSIG), setpriv can; it
 *  then becomes the server, so the pid stays right. Output goes to a file: a pipe would block the server while its
 *  parent is busy or stopped. */
function spawnWithParent(binary: string, args: string[], env: NodeJS.ProcessEnv, logFd: number): ChildProcess {
  const [command, commandArgs] = existsSync(setpriv)
    ? [setpriv, ['--pdeathsig', 'KILL', '--', binary, ...args]]
    : [binary, args]
  const child = spawn(command, commandArgs, { stdio: ['ignore', logFd, logFd], env })
  const killChild = (): void => void child.kill('SIGKILL')
  process.once('exit', killChild)
  child.once('exit', () => process.off('exit', killChild))
  return child
}

/** The port, once the server has written it down and answers on it. */
async function listeningPort(storeDir: string, child: ChildProcess, signal: AbortSignal): Promise<number | undefined> {
  const startedMs = systemClock.now().monoMs
  while (!signal.aborted) {
    const port = await portFromFile(storeDir, child.pid)
    if (port !== undefined && (await answers(port))) return port
    if (systemClock.now().monoMs - startedMs > readyMsMax) throw new Error(`not ready after ${readyMsMax} ms`)
    await sleep(systemClock, pollMs)
  }
  return undefined
}

/** A server that was killed leaves its ports file behind, and its process id may come again. */
async function removePortsFiles(storeDir: string): Promise<void> {
  const names = await readdir(storeDir)
  await Promise.all(names.filter((name) => name.endsWith('.ports')).map((name) => rm(join(storeDir, name))))
}

async function portFromFile(storeDir: string, pid: number | undefined): Promise<number | undefined> {
  const names = await readdir(storeDir)
  const name = names.find((each) => each.endsWith(`_${pid}.ports`))
  if (name === undefined) return undefined
  try {
    const ports = JSON.parse(await readFile(join(storeDir, name), 'utf8')) as { nats: string[] }
    return Number(new URL(ports.nats[0]!).port)
  } catch {
    return undefined // half written: look again
  }
}

/** The server speaks first: `INFO {…}`. */
async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    const [greeting] = (await once(socket, 'data')) as [Buffer]
    return greeting.toString().startsWith('INFO')
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** What the server said since `start` of why it stopped: its fatal lines, or else its last ones. */
async function complaintIn(logFile: string, start: number): Promise<string> {
  const log = await readFile(logFile)
  const lines = log.subarray(start).toString().trim().split('\n')
  const fatal = lines.filter((line) => line.includes('[FTL]'))
  return (fatal.length > 0 ? fatal : lines.slice(-5)).join('\n')
}

async function end(child: ChildProcess, ended: Promise<unknown>, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal)
  const cancel = systemClock.after(stopMsMax, () => child.kill('SIGKILL'))
  await ended
  cancel()
}
