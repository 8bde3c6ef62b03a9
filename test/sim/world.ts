/** World: what all parts of a run share. */

import { MemoryBroker } from '../../src/transport/memory-broker.ts'
import { decodeRecord } from '../../src/protocol/records.ts'
import type { Input } from '../../src/core/effects.ts'
import { Ambushes } from './ambush.ts'
import { clockOf, Timeline } from './clock.ts'
import { Coverage } from './coverage.ts'
import { Disk } from './disk.ts'
import { Network } from './network.ts'
import { type Plan, randomFor } from './plan.ts'
import type { Process } from './process.ts'
import { Witness } from './witness.ts'

export const clusterName = 'sim'
export const streams = { control: 'control', shards: 'shards' } as const

export interface World {
  readonly plan: Plan
  readonly timeline: Timeline
  readonly network: Network
  readonly broker: MemoryBroker
  readonly disk: Disk
  readonly witness: Witness
  readonly coverage: Coverage
  readonly ambushes: Ambushes
  /** Hear each input before the core of the process is told. */
  readonly listeners: ((process: Process, input: Input) => void)[]
  /** What nobody is there to hear. */
  readonly report: (error: unknown) => void
}

export function createWorld(plan: Plan): World {
  const timeline = new Timeline()
  const coverage = new Coverage()
  const broker = new MemoryBroker('sim', { clock: clockOf(timeline) })
  const network = new Network(timeline, broker, randomFor(plan.seed, 'network'), plan.faults, coverage)
  const witness = new Witness(() => timeline.nowMs)
  witness.add(coverage)
  const report = (error: unknown): void =>
    witness.saw({
      kind: 'broken',
      life: undefined,
      text: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
  const stores = Object.values(streams).map((stream) => broker.store(stream))
  const disk = new Disk(stores, () => witness.saw({ kind: 'forgotten', tailOf: (name) => disk.tailOf(name) }))
  for (const store of stores)
    store.watch('', ({ name, seq, bytes }) => {
      if (!name.startsWith('part.')) witness.saw({ kind: 'stored', name, seq, record: decodeRecord(bytes) })
    })
  const ambushes = new Ambushes()
  const listeners: World['listeners'] = [
    ({ node }, input) => coverage.input(node, input),
    (process, input) => ambushes.look(process, input),
  ]
  return { plan, timeline, network, broker, disk, witness, coverage, ambushes, listeners, report }
}
