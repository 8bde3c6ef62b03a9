/** Remote caller: the caller as the demo's own process holds it, over the channel to the process that it runs in. */

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Caller, Figures } from './caller.ts'

export type Order = Exclude<keyof Caller, 'figures'>

export type Report =
  | { readonly kind: 'ready' | 'figures'; readonly figures: Figures }
  | { readonly kind: 'done'; readonly order: Order; readonly result: unknown; readonly figures: Figures }
  | { readonly kind: 'failed'; readonly order: Order; readonly why: string }

/** Resolves once the process is connected. */
export async function remoteCaller(child: ChildProcess): Promise<Caller> {
  const ended = once(child, 'exit').then(([code, signal]: unknown[]): never => {
    throw new Error(`the client process ended: ${String(signal ?? code)}`)
  })
  ended.catch(() => {})
  const [ready] = (await Promise.race([once(child, 'message'), ended])) as [Report & { kind: 'ready' }]
  let { figures } = ready
  child.on('message', (report: Report) => {
    if (report.kind !== 'failed') figures = report.figures
  })

  async function give<T>(order: Order): Promise<T> {
    const settled = new Promise<T>((resolve, reject) => {
      function hear(report: Report): void {
        if (!('order' in report) || report.order !== order) return
        child.off('message', hear)
        if (report.kind === 'done') resolve(report.result as T)
        else reject(new Error(`the caller could not ${order}: ${report.why}`))
      }
      child.on('message', hear)
    })
    // Interrupted, the terminal ends the child as well: `ended` tells.
    if (child.connected) child.send(order, () => {})
    return Promise.race([settled, ended])
  }

  return {
    figures: () => figures,
    spawn: () => give('spawn'),
    begin: () => give('begin'),
    turnPage: () => give('turnPage'),
    rest: () => give('rest'),
    audit: () => give('audit'),
  }
}
