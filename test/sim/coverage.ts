/** Coverage: what a run has met: how often each fault struck, and how often each input reached the core in each of its states. What a
 *  thousand runs never meet is not tested by them; so what can be met is written down here, and a zero is a failure. */

import type { Input } from '../../src/core/effects.ts'
import type { NodeState, Shard } from '../../src/core/state.ts'
import { blowKinds } from './faults.ts'
import type { Checker, Observation } from './witness.ts'

/** By name: `fault: message lost`, or `owned x frame`. */
export type Counts = Readonly<Record<string, number>>

export class Coverage implements Checker {
  private readonly faults = new Map<string, number>()
  private readonly inputs = new Map<string, Map<string, number>>()

  fault(name: string): void {
    this.faults.set(name, (this.faults.get(name) ?? 0) + 1)
  }

  saw(seen: Observation): void {
    if (seen.kind !== 'stored' || seen.record.kind !== 'checkpoint') return
    if (Array.isArray(seen.record.content)) this.fault('checkpoint in parts')
  }

  /** The core is about to be told. */
  input(node: NodeState, input: Input): void {
    const name = inputName(node, input)
    this.note(nodeStateOf(node), name)
    switch (input.kind) {
      case 'frames':
        for (const { shard } of input.batch.frames) this.note(shardStateOf(node.shards.get(shard)), 'frame')
        return
      case 'asked':
        if ('shard' in input.request) this.note(shardStateOf(node.shards.get(input.request.shard)), name)
        return
      case 'told':
        if (input.request.kind === 'handoff') this.note(shardStateOf(node.shards.get(input.request.shard)), name)
        return
      default:
        if ('shard' in input) this.note(shardStateOf(node.shards.get(input.shard)), name)
    }
  }

  counts(): Counts {
    const counts: Record<string, number> = {}
    for (const [name, count] of this.faults) counts[`${faultPrefix}${name}`] = count
    for (const [state, inputs] of this.inputs)
      for (const [input, count] of inputs) counts[`${state}${times}${input}`] = count
    return counts
  }

  private note(state: string, input: string): void {
    let inputs = this.inputs.get(state)
    if (inputs === undefined) this.inputs.set(state, (inputs = new Map()))
    inputs.set(input, (inputs.get(input) ?? 0) + 1)
  }
}

export const faultPrefix = 'fault: '
export const times = ' x '

export function addCounts(sum: Record<string, number>, counts: Counts): void {
  for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count
}

/** What should have been met and was not. */
export const missingFrom = (counts: Counts): readonly string[] =>
  [
    ...[...blowKinds, ...faults].map((fault) => `${faultPrefix}${fault}`),
    ...Object.entries(meetings).flatMap(([state, inputs]) => inputs.map((input) => `${state}${times}${input}`)),
  ].filter((name) => (counts[name] ?? 0) === 0)

const nodeStateOf = ({ self, cluster }: NodeState): string => {
  const { life, wasUp } = self
  if (life.kind !== 'member') return `node ${life.kind}`
  return cluster.view === undefined || !wasUp ? 'node suspended' : 'node up'
}

const shardStateOf = (shard: Shard | undefined): string => {
  if (shard === undefined) return 'shard not held'
  const { phase } = shard
  return phase.kind === 'draining' || phase.kind === 'healing'
    ? `shard ${phase.kind}, ${phase.step}`
    : `shard ${phase.kind}`
}

function inputName(node: NodeState, input: Input): string {
  switch (input.kind) {
    case 'connection':
      return input.connected ? 'connected' : 'disconnected'
    case 'identity read':
      return `identity read${input.identities === 'unknown' ? unknown : ''}`
    case 'row written': {
      const whose = input.nodeId === node.config.profile.id ? 'own row' : 'other row'
      return `${whose} written: ${input.result.kind}`
    }
    case 'view written':
      return `view written: ${input.result.kind}`
    case 'row read':
    case 'view read':
    case 'tail read':
      return `${input.kind}: ${typeof input.result === 'string' ? input.result : 'record'}`
    case 'log read':
      return `log read${input.entries === 'unknown' ? unknown : ''}`
    case 'parts read':
      return `parts read${typeof input.pieces === 'string' ? `: ${input.pieces}` : ''}`
    case 'parts written':
      return `parts written${input.parts === 'failed' ? ': failed' : ''}`
    case 'appended':
      return `appended: ${input.result.kind}`
    case 'collected':
      return `collected for a ${input.purpose}`
    case 'released':
      return input.stuck.length > 0 ? 'released: stuck' : 'released'
    case 'package sent':
      return input.ok ? 'package sent' : 'package sent: failed'
    case 'asked':
      return `asked: ${input.request.kind}`
    case 'told':
      return `told: ${typeof input.reply === 'string' ? input.reply : input.reply.kind}`
    default:
      return input.kind
  }
}

const unknown = ': unknown'

/** What strikes no process in particular, or none that was named. */
const faults = [
  'answer late',
  'append full',
  'append held',
  'append lost',
  'append unanswered',
  'call without a leader',
  'checkpoint in parts',
  'clock drift',
  'cold end',
  'connection flaps',
  'crash between two effects',
  'cut both',
  'cut in',
  'cut of one connection',
  'cut out',
  'event outgrows the log',
  'event throws',
  'log call lost',
  'log call slow',
  'log call unanswered',
  'log full',
  'lost parts',
  'message doubled',
  'message late',
  'message lost',
  'message overtakes',
  'pause between two effects',
  'restart under the same id',
] as const

/** What can be met, by state, and is met by a thousand runs. What is not named cannot be: a node that has left is told nothing, parts are not read where
 *  no log was, a turn is taken by an owner; or it takes a coincidence rarer than that. */
const meetings: Readonly<Record<string, readonly string[]>> = {
  'node joining': [
    'asked: drain',
    'asked: handoff',
    'asked: list',
    'connected',
    'disconnected',
    'frames',
    'identity read',
    'identity read: unknown',
    'leave',
    'own row written: stored',
    'own row written: unknown',
    'row read: empty',
    'row read: record',
    'row read: unknown',
    'row seen',
    'tick',
    'view read: record',
    'view seen',
  ],
  'node leaving': [
    'acted',
    'appended: refused',
    'appended: stored',
    'appended: unknown',
    'asked: handoff',
    'asked: package',
    'collected for a commit',
    'collected for a package',
    'collected for a sleep',
    'connected',
    'continue',
    'disconnected',
    'flush',
    'frames',
    'identity read',
    'identity read: unknown',
    'internal',
    'log read',
    'log read: unknown',
    'other row written: refused',
    'other row written: stored',
    'other row written: unknown',
    'own row written: refused',
    'own row written: stored',
    'own row written: unknown',
    'package sent',
    'package sent: failed',
    'parts written',
    'released',
    'row read: record',
    'row read: unknown',
    'row seen',
    'tail read: empty',
    'tail read: record',
    'tail read: unknown',
    'tick',
    'told: ok',
    'told: unknown',
    'turned',
    'view read: record',
    'view read: unknown',
    'view seen',
    'view written: refused',
    'view written: stored',
    'view written: unknown',
  ],
  'node suspended': [
    'appended: refused',
    'appended: stored',
    'appended: unknown',
    'asked: drain',
    'asked: handoff',
    'asked: list',
    'asked: package',
    'asked: released',
    'collected for a commit',
    'collected for a sleep',
    'connected',
    'disconnected',
    'flush',
    'frames',
    'identity read',
    'identity read: unknown',
    'internal',
    'leave',
    'log read',
    'log read: unknown',
    'other row written: unknown',
    'own row written: refused',
    'own row written: stored',
    'own row written: unknown',
    'package sent',
    'package sent: failed',
    'parts written',
    'parts written: failed',
    'released',
    'row read: record',
    'row read: unknown',
    'row seen',
    'tail read: empty',
    'tail read: record',
    'tail read: unknown',
    'tick',
    'told: later',
    'told: nobody',
    'told: ok',
    'told: unknown',
    'view read: empty',
    'view read: record',
    'view read: unknown',
    'view seen',
    'view written: refused',
    'view written: stored',
    'view written: unknown',
  ],
  'node up': [
    'acted',
    'appended: full',
    'appended: refused',
    'appended: stored',
    'appended: unknown',
    'asked: drain',
    'asked: handoff',
    'asked: list',
    'asked: package',
    'asked: released',
    'collected for a commit',
    'collected for a package',
    'continue',
    'disconnected',
    'flush',
    'frames',
    'internal',
    'leave',
    'log read',
    'log read: unknown',
    'other row written: refused',
    'other row written: stored',
    'other row written: unknown',
    'own row written: full',
    'own row written: refused',
    'own row written: stored',
    'own row written: unknown',
    'package sent',
    'package sent: failed',
    'parts read',
    'parts written',
    'released',
    'row read: record',
    'row read: unknown',
    'row seen',
    'tail read: empty',
    'tail read: record',
    'tail read: unknown',
    'tick',
    'told: later',
    'told: nobody',
    'told: not mine',
    'told: ok',
    'told: unknown',
    'turned',
    'view read: empty',
    'view read: record',
    'view read: unknown',
    'view seen',
    'view written: refused',
    'view written: stored',
    'view written: unknown',
  ],
  'node waiting': [
    'asked: drain',
    'asked: handoff',
    'asked: list',
    'connected',
    'disconnected',
    'frames',
    'identity read',
    'leave',
    'own row written: stored',
    'own row written: unknown',
    'row read: record',
    'row read: unknown',
    'row seen',
    'tick',
    'view read: record',
    'view seen',
  ],
  'shard asking': [
    'asked: package',
    'asked: released',
    'frame',
    'told: later',
    'told: nobody',
    'told: not mine',
    'told: ok',
    'told: unknown',
  ],
  'shard claiming': [
    'appended: full',
    'appended: refused',
    'appended: stored',
    'appended: unknown',
    'asked: handoff',
    'frame',
    'tail read: empty',
    'tail read: record',
    'tail read: unknown',
  ],
  'shard draining, committing': [
    'appended: refused',
    'appended: stored',
    'appended: unknown',
    'asked: handoff',
    'collected for a commit',
    'collected for a sleep',
    'frame',
    'released',
    'tail read: record',
    'tail read: unknown',
  ],
  'shard draining, sending': ['asked: handoff', 'frame', 'package sent', 'package sent: failed', 'tail read: record'],
  'shard draining, stopping': ['asked: handoff', 'collected for a package', 'frame', 'released'],
  'shard folding': [
    'asked: handoff',
    'frame',
    'log read',
    'log read: unknown',
    'parts read',
    'tail read: record',
    'tail read: unknown',
  ],
  'shard healing, checkpointing': ['appended: stored', 'frame'],
  'shard healing, claiming': ['appended: stored', 'frame', 'tail read: record'],
  'shard healing, waiting': ['frame', 'tail read: record'],
  'shard looking': [
    'asked: released',
    'frame',
    'tail read: empty',
    'tail read: record',
    'tail read: unknown',
    'told: later',
    'told: nobody',
    'told: not mine',
    'told: unknown',
  ],
  'shard not held': [
    'appended: stored',
    'appended: unknown',
    'asked: handoff',
    'asked: package',
    'asked: released',
    'frame',
    'package sent: failed',
    'released',
    'tail read: empty',
    'tail read: record',
    'tail read: unknown',
    'told: later',
    'told: ok',
    'told: unknown',
  ],
  'shard owned': [
    'appended: full',
    'appended: refused',
    'appended: stored',
    'appended: unknown',
    'asked: handoff',
    'collected for a commit',
    'collected for a sleep',
    'frame',
    'package sent',
    'package sent: failed',
    'parts written',
    'parts written: failed',
    'released',
    'tail read: record',
    'tail read: unknown',
    'told: later',
    'told: ok',
    'told: unknown',
    'turned',
  ],
  'shard releasing': [
    'appended: refused',
    'appended: stored',
    'appended: unknown',
    'asked: handoff',
    'frame',
    'tail read: record',
  ],
}
