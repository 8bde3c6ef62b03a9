/** Attention: whether the soak's own process had its turn. It shares a small machine with everything that it starts; what it notices
 *  late it must not hold against others. */

import { monotonicMs } from './clock.ts'

const lookMs = 20
const keptMs = 120_000

export class Attention {
  private readonly lapses: { readonly fromMs: number; readonly toMs: number }[] = []
  private readonly timer: NodeJS.Timeout
  private lastMs = monotonicMs()

  constructor() {
    this.timer = setInterval(() => this.look(), lookMs)
  }

  /** For how long, between these two moments, nobody looked. */
  lapsedMs(fromMs: number, toMs: number): number {
    let lapsedMs = Math.max(0, toMs - Math.max(fromMs, this.lastMs) - lookMs)
    for (const lapse of this.lapses)
      lapsedMs += Math.max(0, Math.min(lapse.toMs, toMs) - Math.max(lapse.fromMs, fromMs))
    return lapsedMs
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private look(): void {
    const nowMs = monotonicMs()
    if (nowMs - this.lastMs > 2 * lookMs) this.lapses.push({ fromMs: this.lastMs, toMs: nowMs })
    while (this.lapses[0] && this.lapses[0].toMs < nowMs - keptMs) this.lapses.shift()
    this.lastMs = nowMs
  }
}
