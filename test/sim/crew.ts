/** Crew: the processes that run trials, as many as there are cores. A run keeps one core busy, knows nothing of other runs, and sets
 *  `limits`, which a process has once: so each has a process of its own. A worker that dies, or needs more than a
 *  minute for what takes a fraction of a second, is a verdict too; another one takes its place. */

import { type ChildProcess, fork } from 'node:child_process'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle, workerFlags } from './bundle.ts'
import { compared, failed, type Trial, type Verdict } from './trial.ts'

const here = dirname(fileURLToPath(import.meta.url))
let crews = 0

export class Crew {
  private readonly jobs: number
  /** A second one at least, for what is run twice. */
  private readonly workers: readonly Worker[]

  constructor(jobs: number) {
    this.jobs = jobs
    const file = join(here, `../../node_modules/.cache/godwit-sim/worker-${process.pid}-${++crews}.mjs`)
    bundle(join(here, 'worker.ts'), file)
    this.workers = Array.from({ length: Math.max(2, jobs) }, () => new Worker(file))
    process.once('exit', () => {
      this.close()
      rmSync(file, { force: true })
    })
  }

  /** Takes one trial after the other until there are no more, and waits for those under way. */
  async run(trials: Iterable<Trial>, heard: (verdict: Verdict) => void): Promise<void> {
    const shared = trials[Symbol.iterator]()
    const work = async (worker: Worker): Promise<void> => {
      for (let next = shared.next(); !next.done; next = shared.next()) heard(await this.judgeBy(worker, next.value))
    }
    // Two in hand, so that a worker does not wait for the next one to be sent.
    await Promise.all(this.workers.slice(0, this.jobs).flatMap((worker) => [work(worker), work(worker)]))
  }

  judge(trial: Trial): Promise<Verdict> {
    return this.judgeBy(idlest(this.workers.slice(0, this.jobs)), trial)
  }

  close(): void {
    for (const worker of this.workers) worker.close()
  }

  /** The second time by somebody else: what a process carries from one run to the next would be the same in both. */
  private async judgeBy(worker: Worker, trial: Trial): Promise<Verdict> {
    const verdict = await worker.judge(trial)
    if (trial.twice !== true || verdict.violations.length > 0) return verdict
    return compared(verdict, await idlest(this.workers.filter((other) => other !== worker)).judge(trial))
  }
}

const idlest = (workers: readonly Worker[]): Worker => workers.toSorted((a, b) => a.load - b.load)[0]!

class Worker {
  /** Its code. */
  private readonly file: string
  /** The first one runs. */
  private readonly inHand: { readonly trial: Trial; readonly settle: (verdict: Verdict) => void }[] = []
  private child: ChildProcess | undefined
  private patience: NodeJS.Timeout | undefined
  private closed = false

  constructor(file: string) {
    this.file = file
  }

  get load(): number {
    return this.inHand.length
  }

  judge(trial: Trial): Promise<Verdict> {
    return new Promise((settle) => {
      this.inHand.push({ trial, settle })
      this.child ??= this.start()
      this.send(trial)
      if (this.inHand.length === 1) this.watch()
    })
  }

  close(): void {
    this.closed = true
    clearTimeout(this.patience)
    this.child?.kill('SIGKILL')
  }

  private start(): ChildProcess {
    const child = fork(this.file, {
      execArgv: workerFlags,
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    })
    let complaint = ''
    child
      .stderr!.setEncoding('utf8')
      .on('data', (text: string) => (complaint = (complaint + text).slice(-complaintMax)))
    child.on('message', (verdict: Verdict) => this.settle(verdict))
    child.on('close', (code, signal) => {
      if (!this.closed) this.replace(`the process died of ${signal ?? `code ${code}`}: ${complaint.trim()}`)
    })
    return child
  }

  private replace(violation: string): void {
    this.child = this.start()
    const [broken] = this.inHand
    for (const { trial } of this.inHand.slice(1)) this.send(trial)
    if (broken !== undefined) this.settle(failed(broken.trial.seed, violation))
  }

  /** One that is dying does not hear it; then its replacement does. */
  private send(trial: Trial): void {
    this.child!.send(trial, () => {})
  }

  private settle(verdict: Verdict): void {
    this.inHand.shift()?.settle(verdict)
    this.watch()
  }

  private watch(): void {
    clearTimeout(this.patience)
    if (this.inHand.length > 0) this.patience = setTimeout(() => this.giveUp(), patienceMs)
  }

  private giveUp(): void {
    this.child!.removeAllListeners('close').removeAllListeners('message').kill('SIGKILL')
    this.replace(`no end after ${patienceMs / 1_000} s: it goes in circles`)
  }
}

const patienceMs = 60_000
const complaintMax = 4_000
