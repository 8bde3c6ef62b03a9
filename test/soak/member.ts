/** Member: one life of one node, in a process of its own, with everything that can be done to a process. What it tells goes to a file
 *  and to whoever listens. */

import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Line } from '../support/node-process.ts'
import { monotonicMs } from './clock.ts'
import { portVariable } from './testimony.ts'

export interface MemberOptions {
  readonly id: string
  readonly servers: string
  readonly cluster: string
  readonly outsidePort: number
  readonly logFile: string
  readonly onLine: (member: Member, line: Line) => void
  readonly onEnded: (member: Member) => void
}

export type MemberState = 'starting' | 'serving' | 'leaving' | 'ended'

const main = fileURLToPath(new URL('../support/node-main.ts', import.meta.url))
const actors = new URL('actors.ts', import.meta.url).href

export class Member {
  readonly id: string
  readonly bornMs = monotonicMs()
  state: MemberState = 'starting'
  isFrozen = false
  hasServed = false
  /** It is meant to end. */
  isDoomed = false
  /** Why it could not start or go on, in its own words. */
  complaint: { readonly code: string; readonly message: string } | undefined
  exit = ''
  private readonly child: ChildProcess
  private readonly options: MemberOptions

  constructor(options: MemberOptions) {
    const { id, servers, cluster, outsidePort, logFile } = options
    this.id = id
    this.options = options
    const flags = Object.entries({ id, servers, cluster, actors }).map(([name, value]) => `--${name}=${value}`)
    // In a group of its own: Ctrl-C on the terminal is for the soak, which then ends its nodes.
    this.child = spawn(process.execPath, ['--import=tsx', main, ...flags], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, [portVariable]: `${outsidePort}` },
    })
    const log = createWriteStream(logFile, { flags: 'a' })
    const note = (text: string): void => void log.write(`${monotonicMs().toFixed(1).padStart(12)} ${text}\n`)
    note(`-- ${id} is process ${this.pid}`)
    createInterface(this.child.stdout!).on('line', (text) => {
      note(text)
      if (text.startsWith('{') && text.endsWith('}')) this.hear(JSON.parse(text) as Line)
    })
    createInterface(this.child.stderr!).on('line', note)
    this.child.stdin!.on('error', () => {})
    const killChild = (): void => void this.child.kill('SIGKILL')
    process.once('exit', killChild)
    // 'close' comes when everything that it wrote was read.
    this.child.once('close', (code, signal) => {
      process.off('exit', killChild)
      this.state = 'ended'
      this.exit = signal ?? `exit code ${code}`
      note(`-- process ${this.pid} has ended: ${this.exit}`)
      log.end()
      options.onEnded(this)
    })
  }

  get pid(): number {
    return this.child.pid!
  }

  kill(): void {
    this.isDoomed = true
    this.child.kill('SIGKILL')
  }

  /** It hands over and leaves. */
  leave(): void {
    this.isDoomed = true
    this.state = 'leaving'
    this.child.kill('SIGTERM')
  }

  freeze(): void {
    this.isFrozen = true
    this.child.kill('SIGSTOP')
  }

  resume(): void {
    this.isFrozen = false
    this.child.kill('SIGCONT')
  }

  private hear(line: Line): void {
    if (line.event === 'ready') this.hasServed = true
    if (line.event === 'ready' && this.state === 'starting') this.state = 'serving'
    if (line.event === 'failed') this.complaint = { code: line['code'], message: line['message'] }
    this.options.onLine(this, line)
  }
}
