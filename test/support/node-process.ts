/** NodeProcess: a node of Godwit in a process of its own, which a test can kill, stop, pause and resume. What the node tells
 *  comes as JSON lines; the first one is `ready`. A node does not outlive its test. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { within } from './until.ts'

export interface NodeProcessOptions {
  readonly servers: string
  readonly cluster: string
  readonly id: string
  readonly shards?: number
  readonly timing?: string
  readonly replicas?: number
  readonly user?: string
  readonly pass?: string
  /** Default: `actors.ts` beside this file. */
  readonly actors?: string
}

/** A line that the process wrote: `event` says which. */
export interface Line {
  readonly event: string
  readonly [key: string]: any
}

export interface NodeProcess {
  readonly id: string
  readonly pid: number
  /** All that it told so far. */
  readonly lines: readonly Line[]
  /** The first line of this event that fits, from `since` on, or the next one to come. */
  line(
    event: string,
    options?: { readonly fits?: (line: Line) => boolean; readonly since?: number; readonly withinMs?: number },
  ): Promise<Line>
  isRunning(): boolean
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGTERM: it hands over and leaves. Gives its exit code. */
  stop(withinMs?: number): Promise<number | null>
  /** SIGSTOP and SIGCONT. */
  pause(): void
  resume(): void
}

const main = fileURLToPath(new URL('node-main.ts', import.meta.url))
const readyMsMax = 60_000

/** Resolves once the node serves. Rejects with its own words when it ends before that. */
export async function startNodeProcess(options: NodeProcessOptions): Promise<NodeProcess> {
  const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
  const child = spawn(process.execPath, ['--import=tsx', main, ...flags], { stdio: ['pipe', 'pipe', 'pipe'] })
  const node = new Running(options.id, child)
  const ended = once(child, 'exit').then(() =>
    Promise.reject(new Error(`node ${options.id} ended before it was ready: ${node.complaint}`)),
  )
  // It is only asked for while the node starts.
  ended.catch(() => {})
  await Promise.race([node.line('ready', { withinMs: readyMsMax }), ended]).catch((thrown: unknown) => {
    child.kill('SIGKILL')
    throw thrown
  })
  return node
}

class Running implements NodeProcess {
  readonly id: string
  readonly lines: Line[] = []
  complaint = ''
  private readonly child: ChildProcess
  private readonly ended: Promise<unknown>
  private readonly listeners = new Set<(line: Line, at: number) => void>()

  constructor(id: string, child: ChildProcess) {
    this.id = id
    this.child = child
    this.ended = once(child, 'exit')
    const killChild = (): void => void child.kill('SIGKILL')
    process.once('exit', killChild)
    child.once('exit', () => process.off('exit', killChild))
    createInterface(child.stdout!).on('line', (text) => this.hear(JSON.parse(text) as Line))
    child.stderr!.on('data', (chunk: Buffer) => {
      this.complaint += chunk.toString()
    })
  }

  get pid(): number {
    return this.child.pid!
  }

  line(
    event: string,
    { fits = (): boolean => true, since = 0, withinMs = 30_000 }: Parameters<NodeProcess['line']>[1] = {},
  ): Promise<Line> {
    const known = this.lines.slice(since).find((line) => line.event === event && fits(line))
    if (known !== undefined) return Promise.resolve(known)
    const coming = new Promise<Line>((resolve) => {
      const listener = (line: Line, at: number): void => {
        if (at < since || line.event !== event || !fits(line)) return
        this.listeners.delete(listener)
        resolve(line)
      }
      this.listeners.add(listener)
    })
    return within(withinMs, `node ${this.id} tells '${event}'`, coming)
  }

  isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }

  async stop(withinMs = 45_000): Promise<number | null> {
    this.child.kill('SIGTERM')
    await within(withinMs, `node ${this.id} leaves`, this.ended)
    return this.child.exitCode
  }

  pause(): void {
    this.child.kill('SIGSTOP')
  }

  resume(): void {
    this.child.kill('SIGCONT')
  }

  private hear(line: Line): void {
    const at = this.lines.push(line) - 1
    for (const listener of this.listeners) listener(line, at)
  }
}
