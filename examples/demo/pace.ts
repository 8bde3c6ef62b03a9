/** Pace: how many asks a second. As many as keep the answers quick, and no more: a machine that is busy is asked less. */

export interface Pace {
  /** How many may be asked now. */
  take(): number
  /** Half of the asks since the last word took longer than this. */
  adapt(p50Ms: number): void
}

const asksPerSecondMin = 300
const asksPerSecondMax = 2_000
const quickMs = 10
const slowMs = 20
/** What was not asked in time is not asked for later, beyond this. */
const burstSeconds = 0.05

export function createPace(): Pace {
  let asksPerSecond = asksPerSecondMin
  let allowed = 0
  let beforeMs = performance.now()
  return {
    take() {
      const nowMs = performance.now()
      allowed = Math.min(allowed + ((nowMs - beforeMs) * asksPerSecond) / 1_000, asksPerSecond * burstSeconds)
      beforeMs = nowMs
      const whole = Math.floor(allowed)
      allowed -= whole
      return whole
    },
    adapt(p50Ms) {
      const factor = p50Ms > slowMs ? 0.8 : p50Ms < quickMs ? 1.1 : 1
      asksPerSecond = Math.min(asksPerSecondMax, Math.max(asksPerSecondMin, asksPerSecond * factor))
    },
  }
}
