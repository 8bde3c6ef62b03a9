/** World: what all parts of a run share. */

import { MemoryBroker } from '../../src/transport/memory-broker.ts'
import { decodeRecord } from '../../src/protocol/records.ts'
import { clockOf, Timeline } from './clock.ts'
import { Network } from './network.ts'
import { type Plan, randomFor } from './plan.ts'
import { Witness } from './witness.ts'

export const clusterName = 'sim'
export const streams = { control: 'control', shards: 'shards' } as const

export interface World {
  readonly plan: Plan
  readonly timeline: Timeline
  readonly network: Network
  readonly broker: MemoryBroker
  readonly witness: Witness
  /** What nobody is there to hear. */
  readonly report: (error: unknown) => void
}

export function createWorld(plan: Plan): World {
  const timeline = new Timeline()
  const broker = new MemoryBroker('sim', { clock: clockOf(timeline) })
  const network = new Network(timeline, broker, randomFor(plan.seed, 'network'), plan.faults)
  const witness = new Witness(() => timeline.nowMs)
  const report = (error: unknown): void =>
    witness.saw({
      kind: 'broken',
      life: undefined,
      text: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
  for (const stream of Object.values(streams))
    broker.store(stream).watch('', ({ name, seq, bytes }) => {
      if (!name.startsWith('part.')) witness.saw({ kind: 'stored', name, seq, record: decodeRecord(bytes) })
    })
  return { plan, timeline, network, broker, witness, report }
}
