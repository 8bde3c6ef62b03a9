/** Ambush: a blow that lies in wait for a process in a certain situation: between two records, two messages or two steps of a move,
 *  where chance alone would seldom strike. It is looked for whenever a process is about to be told something, and only
 *  while a blow waits, so that it costs nothing otherwise. */

import type { Input } from '../../src/core/effects.ts'
import type { NodeState, Phase, Shard } from '../../src/core/state.ts'
import type { Row } from '../../src/protocol/records.ts'
import type { Process } from './process.ts'

export const situations = [
  'draining, committing',
  'draining, stopping',
  'draining, sending',
  'releasing',
  'looking',
  'asking',
  /** The last piece of a package comes. */
  'package there',
  /** The claim over a release that names a package is acknowledged. */
  'package claimed',
  'claiming',
  'folding',
  'healing',
  'commit in flight',
  'checkpoint uploading',
  /** A commit is acknowledged whose effects are still to be performed. */
  'effects waiting',
  /** Half of the lease is over, and it was not renewed. */
  'lease ending',
  'beat in doubt',
] as const

/** Where only what is laid for it strikes. */
type Rare =
  /** A row tells of another life, or of its end, and no view does yet. */
  | 'row new'
  /** A view is told for the first time. */
  | 'view new'
  /** Its parts are stored, and the record that names them is not known to be. */
  | 'checkpoint ready'
  /** That record is acknowledged; it was long under way, and a delay that it holds ends only after a take-over. */
  | 'checkpoint done'
  /** What somebody asked of an actor that holds something outside is about to be appended, or the store has no room for it. */
  | 'hold committing'
  | 'hold refused'
  /** It may have been replaced, has a lease again, and waits for W. */
  | 'waiting to resume'

export type Situation = (typeof situations)[number] | Rare

interface Trap {
  readonly situation: Situation
  readonly strike: (victim: Process) => void
}

export class Ambushes {
  private traps: Trap[] = []

  lay(situation: Situation, strike: (victim: Process) => void): void {
    this.traps.push({ situation, strike })
  }

  clear(): void {
    this.traps = []
  }

  /** `process` is about to be told. */
  look(process: Process, input: Input): void {
    if (this.traps.length === 0) return
    const sprung = this.traps.find(({ situation }) => isIn(situation, process.node, input))
    if (sprung === undefined) return
    this.traps = this.traps.filter((trap) => trap !== sprung)
    sprung.strike(process)
  }
}

function isIn(situation: Situation, node: NodeState, input: Input): boolean {
  switch (situation) {
    case 'package there':
      return (
        input.kind === 'asked' &&
        input.request.kind === 'package' &&
        input.request.index === input.request.pieces - 1 &&
        node.shards.get(input.request.shard)?.phase.kind === 'asking'
      )
    case 'package claimed':
      return input.kind === 'appended' && input.result.kind === 'stored' && isOverPackage(node.shards.get(input.shard))
    case 'effects waiting':
      return (
        input.kind === 'appended' &&
        input.result.kind === 'stored' &&
        node.shards.get(input.shard)?.inFlight?.after.some(({ kind }) => kind === 'perform') === true
      )
    case 'lease ending':
      return node.self.wasUp && node.lease.endMs - node.lease.nowMs < node.config.timing.leaseMs / 2
    case 'beat in doubt':
      return node.self.beat?.doubt === true && node.self.life.kind === 'member'
    case 'row new':
      return input.kind === 'row seen' && isNews(node.cluster.rows.get(input.nodeId)?.row, input.row)
    case 'view new':
      return input.kind === 'view seen' && input.view.number > (node.cluster.view?.number ?? 0)
    case 'hold committing':
      return input.kind === 'collected' && input.purpose === 'commit' && isOfHolder(node.shards.get(input.shard))
    case 'hold refused':
      return input.kind === 'appended' && input.result.kind === 'full' && isOfHolder(node.shards.get(input.shard))
    case 'waiting to resume':
      return node.history.check === 'resume' && node.history.noResumingBeforeMs > node.nowMs
    case 'commit in flight':
      return some(node, ({ append }) => append?.record.kind === 'commit')
    case 'checkpoint ready':
      return some(node, ({ checkpoint }) => checkpoint.state.kind === 'ready')
    case 'checkpoint done':
      return (
        input.kind === 'appended' && input.result.kind === 'stored' && holdsDelay(node, node.shards.get(input.shard))
      )
    case 'checkpoint uploading':
      return some(node, ({ checkpoint }) => checkpoint.state.kind === 'uploading')
    default:
      return some(node, ({ phase }) => nameOf(phase) === situation)
  }
}

const isNews = (known: Row | undefined, { inc, state }: Row): boolean => known?.inc !== inc || known.state !== state

function holdsDelay({ nowMs, config }: NodeState, shard: Shard | undefined): boolean {
  const upload = shard?.checkpoint.state
  if (upload?.kind !== 'ready' || shard!.append?.record.token !== upload.token || nowMs - upload.takenMs < 400)
    return false
  const { waitMs } = config.timing
  return [...shard!.actors.values()].some(
    ({ committedAtMs, dueAtMs }) =>
      committedAtMs <= upload.takenMs && dueAtMs - nowMs > 2 * waitMs && dueAtMs < Infinity,
  )
}

const isOfHolder = (shard: Shard | undefined): boolean =>
  shard?.inFlight?.requests.some(({ request }) => request.actor.startsWith('holder/')) === true

const isOverPackage = (shard: Shard | undefined): boolean =>
  shard?.phase.kind === 'claiming' && typeof shard.phase.over?.handoff === 'string'

function some({ shards }: NodeState, is: (shard: Shard) => boolean): boolean {
  for (const shard of shards.values()) if (is(shard)) return true
  return false
}

const nameOf = (phase: Phase): string => (phase.kind === 'draining' ? `draining, ${phase.step}` : phase.kind)
