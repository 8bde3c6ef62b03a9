/** Driver: one node's core, or several, with a clock that is moved by hand and a broker that answers at once. What the core asks
 *  for is answered in order, one answer after the other, when the world is run; any kind of answer can be switched to another
 *  one, or held back until the test lets it go. Nothing here waits for time. */

import { limits } from '../../../src/base/limits.ts'
import { addressOf, keyOf, shardName, shardOf, type ActorKey, type ShardName } from '../../../src/protocol/address.ts'
import { decode, encode } from '../../../src/protocol/codec.ts'
import type { Answer, Frame, Operation } from '../../../src/protocol/frames.ts'
import type { LifecycleReply, LifecycleRequest } from '../../../src/protocol/lifecycle.ts'
import type { AppendResult } from '../../../src/protocol/log-results.ts'
import { encodeShardState, logNames, type LogRecord, type Row, type View } from '../../../src/protocol/records.ts'
import { assign } from '../../../src/core/ring.ts'
import { createNode, step } from '../../../src/core/node.ts'
import type { Effect, Input, NodeEvent } from '../../../src/core/effects.ts'
import type { NodeConfig, NodeState, Shard, TypePolicy } from '../../../src/core/state.ts'
import { timings } from '../../../src/core/timing.ts'
import { Broker } from './broker.ts'
import { type CounterEvent, countingHost, type CountingHost } from './host.ts'

/** What is answered instead of the truth. 'hold': nothing, until it is let go. 'lost': it happened, and the answer is lost. */
export type Mood = 'hold' | 'lost' | 'unknown' | 'refused' | 'full' | 'too large'

type EffectOf<K extends Effect['kind']> = Extract<Effect, { kind: K }>
type EventOf<K extends NodeEvent['kind']> = Extract<NodeEvent, { kind: K }>

export interface DriverOptions {
  readonly recordBytesMax?: number
  readonly releaseTimeoutMs?: number
}

const policies = (releaseTimeoutMs: number): ReadonlyMap<string, TypePolicy> => {
  const common = { group: 'main', durability: 'durable', onLeaseLost: 'release', releaseTimeoutMs } as const
  return new Map<string, TypePolicy>([
    ['counter', common],
    ['flash', { ...common, durability: 'volatile' }],
    ['keeper', { ...common, onLeaseLost: 'hold' }],
  ])
}

export class World {
  readonly broker = new Broker()
  readonly nodes: Driver[] = []
  readonly timing = timings.default
  readonly shards: number
  nowMs = 1_000
  /** By how much the wall clock is ahead. */
  wallAheadMs = 0
  readonly #queue: (() => void)[] = []

  constructor(shards = 1) {
    this.shards = shards
    this.broker.watch((name, entry) => {
      for (const node of this.nodes) this.later(() => node.hear(name, entry as never))
    })
  }

  add(id: string, options: DriverOptions = {}): Driver {
    const life = this.nodes.filter((other) => other.id === id).length + 1
    const node = new Driver(this, id, `${id}${life}`, options)
    this.nodes.push(node)
    node.connect()
    return node
  }

  later(run: () => void): void {
    this.#queue.push(run)
  }

  /** Until nothing is on its way. */
  run(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next()
  }

  /** Time passes, a tick after the other. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms
    while (this.nowMs < untilMs) {
      this.#move(Math.min(this.timing.tickMs, untilMs - this.nowMs))
      for (const node of this.nodes) node.tick()
      this.run()
    }
  }

  /** Time passes and nobody's event loop turns. */
  sleep(ms: number): void {
    this.#move(ms)
  }

  /** The first actor of this type, of all with a number as their id, that lives in the shard. */
  actorIn(shard: ShardName, type = 'counter', nth = 0): ActorKey {
    for (let n = 0; ; n++) {
      const address = { type, id: String(n) }
      if (shardOf(address, 'main', this.shards) === shard && nth-- === 0) return keyOf(address)
    }
  }

  /** The records of a shard's log. */
  log(shard: ShardName = 'main.0'): readonly LogRecord[] {
    return this.broker.read(logNames.shard(shard)).map(({ record }) => record)
  }

  #move(ms: number): void {
    this.nowMs += ms
    this.broker.nowMs = this.nowMs
  }
}

export class Driver {
  readonly world: World
  readonly id: string
  readonly state: NodeState
  readonly host: CountingHost
  /** By kind of effect; of lifecycle messages by the kind of the request. */
  readonly moods = new Map<string, Mood>()
  readonly events: NodeEvent[] = []
  readonly answers: Answer[] = []
  /** Effects since the last call of `forgetEffects`. */
  effects: Effect[] = []
  /** The process is gone. */
  dead = false
  /** Its event loop stands still: what comes waits. */
  paused = false
  connected = false
  readonly #inputs: Input[] = []
  readonly #held: { readonly kind: string; readonly act: () => void }[] = []
  readonly #late: (() => void)[] = []
  #running = false
  #frames = 0
  #tickets = 0
  readonly #replies = new Map<number, (reply: LifecycleReply) => void>()

  constructor(world: World, id: string, boot: string, options: DriverOptions) {
    this.world = world
    this.id = id
    this.host = countingHost(() => world.nowMs)
    const types = policies(options.releaseTimeoutMs ?? limits.releaseTimeoutMsDefault)
    const offers = [...types.keys()].map((type) => ({ type, group: 'main', version: 1 }))
    const config: NodeConfig = {
      profile: { id, types: offers },
      boot,
      timing: world.timing,
      shards: world.shards,
      recordBytesMax: options.recordBytesMax ?? 1_000_000,
      types,
    }
    this.state = createNode(config, this.#now())
  }

  // ---- what happens to it

  tell(input: Input): void {
    if (this.dead) return
    if (this.paused) return void this.#late.push(() => this.tell(input))
    this.#inputs.push(input)
    if (this.#running) return
    this.#running = true
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift())
      for (const effect of step(this.state, next, this.#now())) {
        this.effects.push(effect)
        this.#perform(effect)
      }
    this.#running = false
  }

  tick(): void {
    if (!this.paused) this.tell({ kind: 'tick' })
  }

  connect(): void {
    this.connected = true
    this.tell({ kind: 'connection', connected: true })
    for (const [name, entry] of this.world.broker.lasts()) this.world.later(() => this.hear(name, entry as never))
  }

  disconnect(): void {
    this.connected = false
    this.tell({ kind: 'connection', connected: false })
  }

  kill(): void {
    this.dead = true
    this.connected = false
  }

  /** What came meanwhile is told in order. */
  resume(): void {
    this.paused = false
    for (const run of this.#late.splice(0)) run()
  }

  /** The watch over the control log. */
  hear(name: string, entry: { readonly seq: number; readonly record: Row | View }): void {
    if (!this.connected) return
    const { record, seq } = entry
    if (record.kind === 'view') this.tell({ kind: 'view seen', seq, view: record })
    else this.tell({ kind: 'row seen', nodeId: name.slice('row.'.length), seq, row: record })
  }

  /** Answers that were held back; all further ones are not. */
  letGo(kind: string): void {
    this.moods.delete(kind)
    for (const held of this.#held.splice(0)) {
      if (held.kind === kind) held.act()
      else this.#held.push(held)
    }
    this.world.run()
  }

  /** The oldest answer of this kind that is held back comes, now. */
  letGoOne(kind: string): void {
    const at = this.#held.findIndex((held) => held.kind === kind)
    this.#held.splice(at, 1)[0]!.act()
    this.world.run()
  }

  /** A frame from a client; the id of its answer. */
  send(op: Operation, actor: ActorKey, content?: unknown, more: Partial<Frame> = {}): string {
    const { type, id: actorId } = addressOf(actor)
    const lane = ++this.#frames
    const id = `${this.id}#${lane}`
    const shard = shardOf({ type, id: actorId }, 'main', this.world.shards)
    const view = this.state.cluster.view?.number ?? 0
    const frame: Frame = {
      id,
      op,
      type,
      actor: actorId,
      shard,
      body: encode(content),
      leftMs: 5_000,
      view,
      lane,
      base: lane,
      first: more.lane ?? lane,
      ...more,
    }
    this.tell({ kind: 'frames', batch: { from: 'client', replyTo: 'inbox', frames: [frame] } })
    return frame.id
  }

  /** Sends and lets the world answer. */
  call(op: Operation, actor: ActorKey, content?: unknown, more: Partial<Frame> = {}): unknown {
    const id = this.send(op, actor, content, more)
    this.world.run()
    return this.said(id)
  }

  ask(actor: ActorKey, event: CounterEvent = { type: 'ADD' }, more: Partial<Frame> = {}): unknown {
    return this.call('ask', actor, event, more)
  }

  // ---- what it did

  /** The last answer to a frame: its decoded body, the code of its refusal, 'moved', or undefined. */
  said(id: string): unknown {
    const answer = this.answers.findLast((each) => each.id === id)
    if (answer === undefined || answer.kind === 'moved') return answer?.kind
    return answer.kind === 'done' ? decode(answer.body) : answer.why.code
  }

  /** What `get` shows of a counter. */
  count(actor: ActorKey): unknown {
    const view = this.call('get', actor) as { readonly context?: { readonly count: number } } | undefined
    return view?.context?.count ?? view
  }

  shard(name: ShardName = 'main.0'): Shard | undefined {
    return this.state.shards.get(name)
  }

  phase(name: ShardName = 'main.0'): string {
    return this.shard(name)?.phase.kind ?? 'none'
  }

  forgetEffects(): void {
    this.effects = []
  }

  /** Fails unless an effect of this kind was asked for since the last `forgetEffects`; the last one. */
  expectEffect<K extends Effect['kind']>(kind: K, is: (effect: EffectOf<K>) => boolean = () => true): EffectOf<K> {
    const found = this.all(kind).findLast(is)
    if (found === undefined)
      throw new Error(
        `${this.id} was to ask for '${kind}' and asked for ${this.effects.map((each) => each.kind).join(', ')}`,
      )
    return found
  }

  rejectEffect<K extends Effect['kind']>(kind: K, is: (effect: EffectOf<K>) => boolean = () => true): void {
    const found = this.all(kind).find(is)
    if (found !== undefined) throw new Error(`${this.id} was not to ask for ${JSON.stringify(found)}`)
  }

  expectEvent<K extends NodeEvent['kind']>(kind: K): EventOf<K> {
    const found = this.events.findLast((event): event is EventOf<K> => event.kind === kind)
    if (found === undefined)
      throw new Error(`${this.id} was to say '${kind}' and said ${this.events.map((each) => each.kind).join(', ')}`)
    return found
  }

  rejectEvent(kind: NodeEvent['kind']): void {
    if (this.events.some((event) => event.kind === kind)) throw new Error(`${this.id} was not to say '${kind}'`)
  }

  all<K extends Effect['kind']>(kind: K): readonly EffectOf<K>[] {
    return this.effects.filter((effect): effect is EffectOf<K> => effect.kind === kind)
  }

  // ---- inside

  #now() {
    const { nowMs, wallAheadMs } = this.world
    return { monoMs: nowMs, wallMs: nowMs + wallAheadMs }
  }

  #perform(effect: Effect): void {
    const { host } = this
    const { broker } = this.world
    switch (effect.kind) {
      case 'read identity':
        return this.#read(
          effect.kind,
          () => broker.identities(),
          (identities) => ({ kind: 'identity read', reading: effect.reading, identities }),
        )
      case 'read row': {
        const { nodeId } = effect
        return this.#read(
          effect.kind,
          () => broker.tail<Row>(logNames.row(nodeId)),
          (result) => ({ kind: 'row read', nodeId, result }),
        )
      }
      case 'read view':
        return this.#read(
          effect.kind,
          () => broker.tail<View>(logNames.view),
          (result) => ({ kind: 'view read', result }),
        )
      case 'read tail': {
        const { shard, known } = effect
        return this.#read(
          effect.kind,
          () => broker.tail(logNames.shard(shard)),
          (result) => ({ kind: 'tail read', shard, known, result }),
        )
      }
      case 'read log': {
        const { shard } = effect
        return this.#read(
          effect.kind,
          () => broker.read(logNames.shard(shard)),
          (entries) => ({ kind: 'log read', shard, entries }),
        )
      }
      case 'read parts': {
        const { kind: _, parts, ...rest } = effect
        return this.#read(
          effect.kind,
          () => broker.readParts(rest.shard, parts),
          (pieces) => ({ ...rest, kind: 'parts read', pieces }),
        )
      }
      case 'write row': {
        const { nodeId, row, expected } = effect
        const write = () => broker.append(logNames.row(nodeId), row, expected, true)
        return this.#write(effect.kind, write, (result) => ({ kind: 'row written', nodeId, row, result }))
      }
      case 'write view': {
        const { view, expected } = effect
        return this.#write(
          effect.kind,
          () => broker.append(logNames.view, view, expected, true),
          (result) => ({ kind: 'view written', view, result }),
        )
      }
      case 'append': {
        const { shard, record, expected, replace } = effect
        const write = () => broker.append(logNames.shard(shard), record, expected, replace)
        return this.#write(effect.kind, write, (result) => ({ kind: 'appended', shard, token: record.token, result }))
      }
      case 'write parts': {
        const { shard, token, pieces } = effect
        const failed = this.moods.get(effect.kind) === 'full'
        return this.#answer(effect.kind, () => {
          const parts = failed ? ('failed' as const) : broker.writeParts(shard, token, pieces)
          this.world.later(() => this.tell({ kind: 'parts written', shard, token, parts }))
        })
      }
      case 'purge':
        return broker.purge(effect.shard, effect.before, effect.partsBefore)
      case 'answer':
        return void this.answers.push(effect.answer)
      case 'take turn':
        return this.tell({ kind: 'turned', shard: effect.shard, turn: effect.turn, result: host.take(effect.turn) })
      case 'perform':
        host.perform(effect.actor, effect.turn, effect.epoch)
        return this.tell({ kind: 'acted' })
      case 'wake':
        host.wake(effect.actor, effect.stored, effect.storedAtMs, effect.epoch)
        return this.tell({ kind: 'acted' })
      case 'collect': {
        const { shard, purpose, atMs } = effect
        const actors = effect.actors.map((actor) => [actor, host.store(actor, atMs)] as const)
        const seeds = effect.seeds.map((actor) => [actor, host.seed(actor)] as const)
        return this.tell({ kind: 'collected', shard, purpose, atMs, actors: [...actors, ...seeds] })
      }
      case 'undo':
        return host.undo(effect.actor, effect.turn)
      case 'forget':
        return effect.actors.forEach((actor) => host.forget(actor))
      case 'release': {
        const { kind: _, actors, graceMs: __, ...rest } = effect
        const stuck = host.letGo(actors)
        return this.#answer(effect.kind, () => this.world.later(() => this.tell({ ...rest, kind: 'released', stuck })))
      }
      case 'mark': {
        const request = { kind: 'mark', ...effect.mark } as const
        return this.#answer(effect.kind, () => this.world.later(() => this.tell({ kind: 'asked', ticket: 0, request })))
      }
      case 'reply': {
        this.#replies.get(effect.ticket)?.(effect.reply)
        return void this.#replies.delete(effect.ticket)
      }
      case 'tell':
        return this.#ask(effect.node, effect.request, (reply) =>
          this.tell({ kind: 'told', node: effect.node, request: effect.request, reply }),
        )
      case 'send package':
        return this.#sendPackage(effect)
      case 'flush later':
        return this.world.later(() => this.tell({ kind: 'flush' }))
      case 'continue later':
        return this.world.later(() => this.tell({ kind: 'continue' }))
      case 'alarm':
        return
      case 'notify':
        return void this.events.push(effect.event)
    }
  }

  #read<T>(kind: string, read: () => T, inputOf: (result: T | 'unknown') => Input): void {
    const mood = this.moods.get(kind)
    const unknown = !this.connected || mood === 'unknown'
    this.#answer(kind, () => {
      const result = unknown ? 'unknown' : read()
      this.world.later(() => this.tell(inputOf(result)))
    })
  }

  #write(kind: string, write: () => AppendResult, inputOf: (result: AppendResult) => Input): void {
    const mood = this.connected ? this.moods.get(kind) : 'unknown'
    const lost = { kind: 'unknown', reason: 'no answer' } as const
    this.#answer(kind, () => {
      const stored = mood === undefined || mood === 'hold' || mood === 'lost' ? write() : lost
      const result =
        mood === 'refused' || mood === 'too large'
          ? { kind: mood }
          : mood === 'full'
            ? { kind: mood, reason: 'full' }
            : mood === 'lost'
              ? lost
              : stored
      this.world.later(() => this.tell(inputOf(result)))
    })
  }

  /** Lifecycle messages reach the other node, or nobody, or are lost. */
  #ask(to: string, request: LifecycleRequest, told: (reply: LifecycleReply | 'nobody' | 'unknown') => void): void {
    const unknown = !this.connected || this.moods.get(request.kind) === 'unknown'
    this.#answer(request.kind, () =>
      this.world.later(() => {
        const node = this.world.nodes.findLast((other) => other.id === to)
        if (unknown || node === undefined || node.dead || !node.connected) return told(unknown ? 'unknown' : 'nobody')
        node.#asked(request, told)
      }),
    )
  }

  #asked(request: LifecycleRequest, told: (reply: LifecycleReply) => void): void {
    const ticket = ++this.#tickets
    this.#replies.set(ticket, (reply) => this.world.later(() => told(reply)))
    this.tell({ kind: 'asked', ticket, request })
  }

  /** Piece after piece, each acknowledged. */
  #sendPackage(effect: EffectOf<'send package'>): void {
    const { to, shard, token, pieces } = effect
    const sent = (ok: boolean): void => this.tell({ kind: 'package sent', shard, token, ok })
    const sendPiece = (index: number): void => {
      if (index === pieces.length) return sent(true)
      const bytes = encodeShardState(pieces[index]!)
      const request: LifecycleRequest = { kind: 'package', shard, token, index, pieces: pieces.length, bytes }
      this.#ask(to, request, (reply) =>
        typeof reply === 'object' && reply.kind === 'ok' ? sendPiece(index + 1) : sent(false),
      )
    }
    sendPiece(0)
  }

  #answer(kind: string, act: () => void): void {
    if (this.moods.get(kind) === 'hold') this.#held.push({ kind, act })
    else act()
  }
}

/** A cluster of one node that owns its only shard. */
export function owned(options: DriverOptions = {}): Driver {
  const node = new World().add('a', options)
  settle(node.world)
  node.forgetEffects()
  return node
}

/** A cluster of one node `a` that owns two shards, and the one of them that will be the node `b`'s. */
export function beforeJoin(options: DriverOptions = {}): {
  readonly world: World
  readonly a: Driver
  readonly shard: ShardName
} {
  const world = new World(2)
  const a = world.add('a', options)
  settle(world)
  a.forgetEffects()
  return { world, a, shard: shardName('main', assign(['a', 'b'], 'main', 2).indexOf('b')) }
}

/** Long enough for a node to join and to own what it is given. */
export function settle(world: World): void {
  world.run()
  world.pass(2_000)
}
