/** Lives: what befell each process, and when: by the hand of the soak (killed, stopped, cut off, its broker away) or by its own word (no
 *  lease, fenced). What it owed in the time that was left to it, it must have done. */

import { type Absences, restMs, type Span } from './absences.ts'

export type Hindrance = 'cut' | 'broker' | 'suspended'

interface Life {
  readonly pid: number
  readonly node: string
  readonly bornMs: number
  /** When it was told that it was declared dead: from then on it is another incarnation. */
  readonly fencedMs: number[]
  readonly hindrances: { readonly what: Hindrance; readonly fromMs: number; toMs: number }[]
  endedMs: number
}

export class Lives {
  /** By node. */
  private readonly lives = new Map<string, Life[]>()
  /** The newest of each number: they come again. */
  private readonly byPid = new Map<number, Life>()
  /** By node and incarnation. */
  private readonly incarnations = new Map<string, Life>()
  private readonly absences: Absences

  constructor(absences: Absences) {
    this.absences = absences
  }

  born(node: string, pid: number, atMs: number): void {
    const life = { pid, node, bornMs: atMs, fencedMs: [], hindrances: [], endedMs: Infinity }
    this.lives.set(node, [...(this.lives.get(node) ?? []), life])
    this.byPid.set(pid, life)
  }

  /** It is killed, or was found to have ended. */
  ended(pid: number, atMs: number): void {
    const life = this.byPid.get(pid)
    if (life !== undefined) life.endedMs = Math.min(life.endedMs, atMs)
  }

  fenced(pid: number, atMs: number): void {
    this.byPid.get(pid)?.fencedMs.push(atMs)
  }

  begins(what: Hindrance, pid: number, atMs: number): void {
    this.byPid.get(pid)?.hindrances.push({ what, fromMs: atMs, toMs: Infinity })
  }

  ends(what: Hindrance, pid: number, atMs: number): void {
    for (const hindrance of this.byPid.get(pid)?.hindrances ?? [])
      if (hindrance.what === what) hindrance.toMs = Math.min(hindrance.toMs, atMs)
  }

  /** The first row of an incarnation: whoever of that node is there writes it. Those before it had another one. */
  noteIncarnation(node: string, inc: number, atMs: number): void {
    const name = `${node}.${inc}`
    const life = this.lives.get(node)?.findLast(({ bornMs }) => bornMs <= atMs)
    if (life !== undefined && !this.incarnations.has(name)) this.incarnations.set(name, life)
  }

  pidOf(node: string, inc: number): number | undefined {
    return this.incarnations.get(`${node}.${inc}`)?.pid
  }

  /** For how long in this span the incarnation was there, with nothing in its way. Infinite for one that nobody knows. */
  freeMs(node: string, inc: number, { fromMs, toMs }: Span, nowMs: number): number {
    const life = this.incarnations.get(`${node}.${inc}`)
    if (life === undefined) return Infinity
    const overMs = Math.min(toMs, life.endedMs, ...life.fencedMs.filter((atMs) => atMs >= fromMs))
    if (overMs <= fromMs) return 0
    return restMs({ fromMs, toMs: overMs }, [...this.absences.spansOf(life.pid, nowMs), ...life.hindrances])
  }
}
