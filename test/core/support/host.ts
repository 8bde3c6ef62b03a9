/** A host without XState: its machines count. What an event does is written in the event itself, so that a test can have any turn
 *  that it needs. */

import { assert } from '../../../src/base/assert.ts'
import { type Refusal, refuse } from '../../../src/base/errors.ts'
import { addressOf, type ActorKey } from '../../../src/protocol/address.ts'
import { decode, encode } from '../../../src/protocol/codec.ts'
import type { Host, StoredActor, Turn, TurnResult } from '../../../src/protocol/turn.ts'

export interface CounterEvent {
  readonly type: 'ADD' | 'NOTHING' | 'UNKNOWN' | 'THROW' | 'END'
  /** Padding that the state carries from now on. */
  readonly pad?: number
  /** A child begins with the commit (true), or ends. */
  readonly child?: boolean
  /** An action to be performed after the commit. */
  readonly act?: string
  /** A delayed transition: it adds 100. */
  readonly afterMs?: number
  /** The reply; the view is answered where it is left out. */
  readonly reply?: unknown
  /** The request stays open. */
  readonly keep?: boolean
  /** Answers a request that was kept open. */
  readonly answers?: { readonly request: string; readonly answer: unknown }
  /** From now on the state cannot be stored. */
  readonly unstorable?: boolean
  /** Tells this actor something. */
  readonly post?: ActorKey
}

export interface Counted {
  readonly count: number
  readonly pad?: Uint8Array
  readonly child?: boolean
  readonly status?: 'active' | 'done'
  readonly unstorable?: boolean
  readonly leftMs?: number
}

interface Machine {
  counted: Counted
  readonly seed: StoredActor
  /** When its delayed transition is due. */
  dueMs: number | undefined
  /** Its child runs outside. */
  runs: boolean
}

/** What the test can see and do besides. */
export interface CountingHost extends Omit<Host, 'release'> {
  /** Stops machines and their children; returns those that ignore it. */
  letGo(actors: readonly ActorKey[]): readonly ActorKey[]
  readonly machines: ReadonlyMap<ActorKey, Machine>
  readonly performed: string[]
  /** Effects that wait for their commit, of all actors. */
  readonly kept: ReadonlyMap<ActorKey, ReadonlyMap<number, unknown>>
  /** Children that run outside, in order of their actors. */
  running(): readonly ActorKey[]
  /** These ignore that they were stopped. */
  readonly stubborn: Set<ActorKey>
}

export function countingHost(nowMs: () => number): CountingHost {
  const machines = new Map<ActorKey, Machine>()
  const kept = new Map<ActorKey, Map<number, () => void>>()
  const performed: string[] = []
  const stubborn = new Set<ActorKey>()

  function take(turn: Turn): TurnResult {
    if (turn.cause.kind === 'start') return start(turn, turn.cause.input)
    if (!machines.has(turn.actor)) {
      assert(turn.from !== undefined, `${turn.actor} takes a turn and is neither live nor stored`)
      wakeFrom(turn.actor, turn.from.stored, turn.from.storedAtMs)
    }
    const machine = machines.get(turn.actor)!
    if (turn.cause.kind === 'event') return takeEvent(turn, machine, decode(turn.cause.event) as CounterEvent)
    if (turn.cause.kind === 'timers' && machine.dueMs !== undefined && machine.dueMs <= nowMs()) {
      machine.counted = { ...machine.counted, count: machine.counted.count + 100 }
      machine.dueMs = undefined
      return resultOf(turn, machine, { changed: true })
    }
    return resultOf(turn, machine, { changed: turn.cause.kind === 'internal' })
  }

  function start(turn: Turn, input: Uint8Array): TurnResult {
    const event = (decode(input) ?? {}) as Partial<CounterEvent> & { count?: number }
    if (event.type === 'THROW') return failed(turn, refuse('ACTOR_FAILED', 'the machine threw over its input'))
    forget(turn.actor)
    const durability = addressOf(turn.actor).type === 'flash' ? 'volatile' : 'durable'
    const seed: StoredActor = {
      status: 'active',
      durability,
      state: encode({ count: event.count ?? 0 }),
      live: event.child ?? false,
    }
    const machine: Machine = { counted: { count: event.count ?? 0 }, seed, dueMs: undefined, runs: false }
    machines.set(turn.actor, machine)
    return play(turn, machine, { type: 'NOTHING', ...event }, 0)
  }

  function takeEvent(turn: Turn, machine: Machine, event: CounterEvent): TurnResult {
    if (event.type === 'UNKNOWN')
      return failed(turn, refuse('EVENT_REJECTED', 'the machine knows no such event'), machine)
    if (event.type === 'THROW') return failed(turn, refuse('ACTOR_FAILED', 'the machine threw'), machine)
    if (event.type === 'NOTHING') return resultOf(turn, machine, { changed: false, handled: false })
    return play(turn, machine, event, 1)
  }

  function play(turn: Turn, machine: Machine, event: CounterEvent, step: number): TurnResult {
    const { child = machine.counted.child } = event
    machine.counted = {
      ...machine.counted,
      count: machine.counted.count + step,
      ...(event.pad !== undefined && { pad: new Uint8Array(event.pad) }),
      ...(child !== undefined && { child }),
      ...(event.unstorable !== undefined && { unstorable: event.unstorable }),
      ...(event.type === 'END' && { status: 'done' as const }),
    }
    if (event.afterMs !== undefined) machine.dueMs = nowMs() + event.afterMs
    const acts = event.act !== undefined || event.child !== undefined
    if (acts)
      keep(turn, () => {
        if (event.act !== undefined) performed.push(event.act)
        if (event.child !== undefined) machine.runs = machines.get(turn.actor) === machine && event.child
      })
    const { keep: open = false, reply, answers } = event
    return resultOf(turn, machine, {
      changed: true,
      effects: acts,
      kept: open,
      ...(reply !== undefined && { reply }),
      ...(answers !== undefined && { answers }),
      ...(event.post !== undefined && { post: event.post }),
    })
  }

  interface Said {
    readonly changed: boolean
    readonly handled?: boolean
    readonly effects?: boolean
    readonly kept?: boolean
    readonly reply?: unknown
    readonly answers?: { readonly request: string; readonly answer: unknown }
    readonly post?: ActorKey
  }

  function resultOf(turn: Turn, machine: Machine, said: Said): TurnResult {
    const { handled = true, kept: open = false } = said
    const isView = said.reply === undefined && !open && turn.wantsView
    const view = viewOf(machine)
    const body = isView
      ? turn.cause.kind === 'read'
        ? view
        : { handled, reply: view }
      : said.reply === undefined
        ? undefined
        : { handled, reply: said.reply }
    return {
      outcome: { kind: 'ran', handled },
      changed: said.changed,
      status: machine.counted.status ?? 'active',
      live: machine.counted.child ?? false,
      dueAtMs: machine.dueMs ?? Infinity,
      kept: open,
      ...(body !== undefined && { answer: encode(body) }),
      answerIsView: isView,
      answers:
        said.answers === undefined
          ? []
          : [{ request: said.answers.request, answer: encode({ handled: true, reply: said.answers.answer }) }],
      effects: said.effects ?? false,
      ...(said.post !== undefined && { posts: [{ target: said.post, op: 'tell', body: encode({ type: 'ADD' }) }] }),
    }
  }

  function failed(turn: Turn, why: Refusal, machine?: Machine): TurnResult {
    if (turn.from !== undefined) machines.delete(turn.actor)
    return {
      outcome: { kind: 'failed', why },
      changed: false,
      status: machine?.counted.status ?? 'active',
      live: machine?.counted.child ?? false,
      dueAtMs: machine?.dueMs ?? Infinity,
      kept: false,
      answerIsView: false,
      answers: [],
      effects: false,
    }
  }

  function keep(turn: Turn, act: () => void): void {
    const turns = kept.get(turn.actor) ?? new Map<number, () => void>()
    kept.set(turn.actor, turns.set(turn.number, act))
  }

  function wakeFrom(actor: ActorKey, stored: StoredActor, storedAtMs: number): void {
    const counted = decode(stored.state) as Counted
    const dueMs = stored.dueInMs === undefined ? undefined : storedAtMs + stored.dueInMs
    machines.set(actor, { counted, seed: stored, dueMs, runs: counted.child ?? false })
  }

  function machineOf(actor: ActorKey): Machine {
    const machine = machines.get(actor)
    assert(machine !== undefined, `${actor} is live`)
    return machine
  }

  function store(actor: ActorKey, atMs: number): StoredActor | Refusal {
    const { counted, seed, dueMs } = machineOf(actor)
    if (counted.unstorable === true) return refuse('ACTOR_FAILED', `${actor} holds what cannot be stored`)
    return {
      status: counted.status ?? 'active',
      durability: seed.durability,
      state: encode(counted),
      live: counted.child ?? false,
      ...(dueMs !== undefined && { dueInMs: Math.max(0, dueMs - atMs) }),
    }
  }

  function forget(actor: ActorKey): void {
    machines.delete(actor)
    kept.delete(actor)
  }

  return {
    machines,
    performed,
    kept,
    stubborn,
    running: () => [...machines].filter(([, machine]) => machine.runs).map(([actor]) => actor),
    take,
    store,
    forget,
    wake: (actor, stored, storedAtMs) => {
      if (!machines.has(actor)) wakeFrom(actor, stored, storedAtMs)
    },
    seed: (actor) => ({ ...machineOf(actor).seed, status: machineOf(actor).counted.status ?? 'active' }),
    perform(actor, turn) {
      kept.get(actor)?.get(turn)?.()
      kept.get(actor)?.delete(turn)
      if (kept.get(actor)?.size === 0) kept.delete(actor)
    },
    undo(actor, turn) {
      for (const number of kept.get(actor)?.keys() ?? []) if (number >= turn) kept.get(actor)!.delete(number)
      if (kept.get(actor)?.size === 0) kept.delete(actor)
      machines.delete(actor)
    },
    letGo(actors) {
      for (const actor of actors) machines.delete(actor)
      return actors.filter((actor) => stubborn.has(actor))
    },
  }
}

const viewOf = ({ counted }: Machine): unknown => ({
  status: counted.status ?? 'active',
  value: 'counting',
  context: { count: counted.count },
  tags: [],
})
