/** Absences: when a process could do nothing: it was stopped, or its pulse shows that it stood still. What it held then it could not
 *  let go, and what it was about to do it may have done on waking: for that it is excused, until it has had its time to notice. */

export interface Span {
  readonly fromMs: number
  /** Infinity while it lasts. */
  readonly toMs: number
}

export interface AbsenceRules {
  /** From its waking on a process has so long to let go. */
  readonly graceMs: number
  /** A pulse that stays away for longer is an absence. */
  readonly pulseMsMax: number
}

/** Older ones excuse nothing that is still to be judged. */
const keptMs = 600_000

export class Absences {
  /** The longest time that a process stood still without having been stopped. */
  stallMsMax = 0
  private readonly rules: AbsenceRules
  private readonly stops = new Map<number, Span[]>()
  private readonly stalls = new Map<number, Span[]>()
  private readonly pulses = new Map<number, number>()

  constructor(rules: AbsenceRules) {
    this.rules = rules
  }

  stopped(pid: number, atMs: number): void {
    append(this.stops, pid, { fromMs: atMs, toMs: Infinity })
  }

  continued(pid: number, atMs: number): void {
    const stops = this.stops.get(pid) ?? []
    const last = stops.at(-1)
    if (last?.toMs === Infinity) stops[stops.length - 1] = { ...last, toMs: atMs }
  }

  pulse(pid: number, atMs: number): void {
    const lastMs = this.pulses.get(pid)
    this.pulses.set(pid, atMs)
    if (lastMs === undefined || atMs - lastMs <= this.rules.pulseMsMax) return
    const stall = { fromMs: lastMs, toMs: atMs }
    append(this.stalls, pid, stall)
    const wasStopped = (this.stops.get(pid) ?? []).some(({ fromMs, toMs }) => fromMs < atMs && toMs > lastMs)
    if (!wasStopped) this.stallMsMax = Math.max(this.stallMsMax, atMs - lastMs)
  }

  ended(pid: number): void {
    this.pulses.delete(pid)
  }

  /** How much of the span is left when the absences of these processes are taken out. */
  unexcusedMs(span: Span, pids: readonly number[], nowMs: number): number {
    return restMs(
      span,
      pids.flatMap((pid) => this.spansOf(pid, nowMs)),
    )
  }

  /** When a process is excused: its absences, and its time to notice them. */
  spansOf(pid: number, nowMs: number): readonly Span[] {
    const lastMs = this.pulses.get(pid)
    const now =
      lastMs !== undefined && nowMs - lastMs > this.rules.pulseMsMax ? [{ fromMs: lastMs, toMs: Infinity }] : []
    return [...(this.stops.get(pid) ?? []), ...(this.stalls.get(pid) ?? []), ...now].map(({ fromMs, toMs }) => ({
      fromMs,
      toMs: toMs + this.rules.graceMs,
    }))
  }
}

/** How much of a span is left when others, which may overlap, are taken out. */
export function restMs(span: Span, taken: readonly Span[]): number {
  let leftMs = 0
  let atMs = span.fromMs
  for (const { fromMs, toMs } of taken.toSorted((a, b) => a.fromMs - b.fromMs)) {
    leftMs += Math.max(0, Math.min(fromMs, span.toMs) - atMs)
    atMs = Math.max(atMs, toMs)
  }
  return leftMs + Math.max(0, span.toMs - atMs)
}

function append(spans: Map<number, Span[]>, pid: number, span: Span): void {
  const kept = (spans.get(pid) ?? []).filter(({ toMs }) => toMs > span.fromMs - keptMs)
  spans.set(pid, [...kept, span])
}
