/** Coverage: what a run has met: how often each fault struck, and how often each input reached the core in each of its states. What a
 *  thousand runs never meet is not tested by them; so what can be met is written down here, and a zero is a failure. */

import type { Input } from '../../src/core/effects.ts'
import type { NodeState, Shard } from '../../src/core/state.ts'
import { blowKinds } from './faults.ts'
import type { Checker, Observation } from './witness.ts'

/** By name: `fault: message lost`, or `shard owned x frame`. */
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
/** Of a fault that lay in wait: `asking: crash`. */
export const upon = ': '

export function addCounts(sum: Record<string, number>, counts: Counts): void {
  for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count
}

/** What should have been met and was not. */
export const missingFrom = (counts: Counts): readonly string[] =>
  [
    ...[...blowKinds, ...faults].map((fault) => `${faultPrefix}${fault}`),
    ...Object.values(meetings).flatMap((names) =>
      Object.entries(names).flatMap(([name, where]) => meetingsOf(name, where)),
    ),
  ].filter((name) => (counts[name] ?? 0) === 0)

const meetingsOf = (input: string, where: Where): readonly string[] =>
  Object.entries(where as Record<string, string>).flatMap(([whole, states]) =>
    states.split(', ').map((state) => `${whole} ${state}${times}${input}`),
  )

const nodeStateOf = ({ self, cluster }: NodeState): string => {
  const { life, wasUp } = self
  if (life.kind !== 'member') return `node ${life.kind}`
  return cluster.view === undefined || !wasUp ? 'node suspended' : 'node up'
}

const shardStateOf = (shard: Shard | undefined): string => {
  if (shard === undefined) return 'shard not held'
  const { phase } = shard
  return phase.kind === 'draining' || phase.kind === 'healing'
    ? `shard ${phase.kind} ${phase.step}`
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
    case 'message answered':
      return `message answered: ${input.outcome === 'done' ? 'done' : input.final ? 'refused for good' : 'refused'}`
    default:
      return input.kind
  }
}

const unknown = ': unknown'

/** What strikes no process in particular, or none that was named. */
const faults = [
  'answer late',
  'answer without a leader',
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

interface Where {
  /** States of the node, as `nodeStateOf` names them. */
  readonly node?: string
  /** And of the shard that it is about. */
  readonly shard?: string
}

const alive = 'joining, waiting, suspended, up, leaving'
const asMember = 'suspended, up, leaving'
const inEveryPhase = [
  'not held, looking, asking, folding, claiming, owned, draining stopping, draining committing',
  'draining sending, releasing, healing waiting, healing claiming, healing checkpointing',
].join(', ')

/** Where each input is met by a thousand runs, by the names that `inputName` gives it; a kind without a place here does not compile.
 *  What is not named cannot be: parts are not read where no log was, a turn is taken by an owner; or it takes a
 *  coincidence rarer than that. */
const meetings: Readonly<Record<Input['kind'], Readonly<Record<string, Where>>>> = {
  tick: {
    tick: { node: `${alive}, left` },
  },
  connection: {
    connected: { node: 'joining, waiting, suspended, leaving' },
    disconnected: { node: alive },
  },
  'identity read': {
    'identity read': { node: 'joining, waiting, suspended, leaving' },
    'identity read: unknown': { node: 'joining, suspended, leaving' },
  },
  'row seen': {
    'row seen': { node: `${alive}, left` },
  },
  'view seen': {
    'view seen': { node: `${alive}, left` },
  },
  'row written': {
    'other row written: refused': { node: 'up, leaving' },
    'other row written: stored': { node: 'up, leaving' },
    'other row written: unknown': { node: asMember },
    'own row written: full': { node: 'up' },
    'own row written: refused': { node: 'waiting, suspended, up, leaving' },
    'own row written: stored': { node: alive },
    'own row written: unknown': { node: alive },
  },
  'row read': {
    'row read: empty': { node: 'joining' },
    'row read: record': { node: alive },
    'row read: unknown': { node: alive },
  },
  'view written': {
    'view written: refused': { node: asMember },
    'view written: stored': { node: `${asMember}, left` },
    'view written: unknown': { node: asMember },
  },
  'view read': {
    'view read: empty': { node: 'suspended, up' },
    'view read: record': { node: alive },
    'view read: unknown': { node: asMember },
  },
  'tail read': {
    'tail read: empty': { node: asMember, shard: 'not held, looking, claiming' },
    'tail read: record': {
      node: asMember,
      shard: [
        'not held, looking, folding, claiming, owned, draining committing, draining sending',
        'releasing, healing waiting, healing claiming',
      ].join(', '),
    },
    'tail read: unknown': { node: asMember, shard: 'not held, looking, folding, claiming, owned, draining committing' },
  },
  'log read': {
    'log read': { node: asMember, shard: 'folding' },
    'log read: unknown': { node: asMember, shard: 'folding' },
  },
  'parts read': {
    'parts read': { node: 'up', shard: 'folding' },
  },
  'parts written': {
    'parts written': { node: asMember, shard: 'not held, owned' },
    'parts written: failed': { node: 'suspended, leaving', shard: 'owned' },
  },
  appended: {
    'appended: full': { node: 'up, leaving', shard: 'claiming, owned, releasing' },
    'appended: refused': { node: asMember, shard: 'claiming, owned, draining committing, releasing' },
    'appended: stored': {
      node: asMember,
      shard: [
        'not held, claiming, owned, draining committing, releasing, healing claiming',
        'healing checkpointing',
      ].join(', '),
    },
    'appended: unknown': { node: asMember, shard: 'not held, claiming, owned, draining committing, releasing' },
  },
  frames: {
    frames: { node: `${alive}, left` },
    // Each of them, by the shard of its actor.
    frame: { shard: inEveryPhase },
  },
  turned: {
    turned: { node: 'up, leaving', shard: 'owned' },
  },
  acted: {
    acted: { node: 'up, leaving' },
  },
  collected: {
    'collected for a commit': { node: asMember, shard: 'owned, draining committing' },
    'collected for a package': { node: 'up, leaving', shard: 'draining stopping' },
    'collected for a sleep': { node: 'suspended, leaving', shard: 'owned, draining committing' },
  },
  internal: {
    internal: { node: asMember },
  },
  released: {
    released: { node: asMember, shard: 'not held, owned, draining stopping, draining committing' },
  },
  asked: {
    'asked: drain': { node: 'joining, waiting, suspended, up' },
    'asked: handoff': {
      node: alive,
      shard: [
        'not held, folding, claiming, owned, draining stopping, draining committing',
        'draining sending, releasing',
      ].join(', '),
    },
    'asked: list': { node: 'joining, waiting, suspended, up' },
    'asked: mark': { node: `${alive}, left` },
    'asked: package': { node: asMember, shard: 'not held, asking' },
    'asked: released': { node: 'suspended, up', shard: 'not held, looking, asking' },
  },
  told: {
    'told: later': { node: 'suspended, up', shard: 'not held, looking, asking, owned' },
    'told: nobody': { node: 'suspended, up', shard: 'looking, asking' },
    'told: not mine': { node: 'up', shard: 'looking, asking' },
    'told: ok': { node: asMember, shard: 'not held, asking, owned' },
    'told: unknown': { node: asMember, shard: 'not held, looking, asking, owned' },
  },
  'package sent': {
    'package sent': { node: asMember, shard: 'owned, draining sending' },
    'package sent: failed': { node: asMember, shard: 'not held, owned, draining sending' },
  },
  'message answered': {
    'message answered: done': { node: asMember, shard: 'not held, owned' },
    'message answered: refused': { node: 'up', shard: 'owned' },
    'message answered: refused for good': { node: 'up', shard: 'owned' },
  },
  flush: {
    flush: { node: asMember },
  },
  continue: {
    continue: { node: 'up, leaving' },
  },
  leave: {
    leave: { node: 'joining, waiting, suspended, up' },
  },
}
