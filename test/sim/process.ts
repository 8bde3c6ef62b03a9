/** Process: one life of one node: the shipped loop with the shipped core and host, on its own clock and its own wires. */

import { limits } from '../../src/base/limits.ts'
import { drawToken, type Random } from '../../src/base/random.ts'
import type { NodeEvent } from '../../src/core/effects.ts'
import type { NodeState, TypePolicy } from '../../src/core/state.ts'
import type { Log } from '../../src/log/port.ts'
import { addressOf, shardOf } from '../../src/protocol/address.ts'
import { encodeViewReply } from '../../src/protocol/cluster.ts'
import type { LifecycleRequest } from '../../src/protocol/lifecycle.ts'
import { decodeRecord, type LogRecord, logNames, type Row, type View } from '../../src/protocol/records.ts'
import { subjects as subjectsOf } from '../../src/protocol/subjects.ts'
import type { Host, HostListener } from '../../src/protocol/turn.ts'
import type { Transport } from '../../src/transport/port.ts'
import { createHost } from '../../src/runtime/host.ts'
import { createAnswerLink } from '../../src/runtime/link.ts'
import { createLoop, type Loop } from '../../src/runtime/loop.ts'
import { readLast } from '../../src/runtime/records.ts'
import { createSender, type Sender } from '../../src/runtime/sender.ts'
import { LocalClock } from './clock.ts'
import { faultyLog } from './faulty-log.ts'
import { faultyTransport } from './faulty-transport.ts'
import { definitionsFor } from './machines.ts'
import type { Wire } from './network.ts'
import { randomFor } from './plan.ts'
import type { Life, Observation } from './witness.ts'
import { clusterName, streams, type World } from './world.ts'

type End = 'left' | 'refused' | 'killed' | 'poisoned'

export class Process {
  readonly life: Life
  readonly clock: LocalClock
  /** Of everything but the control log, which has a connection of its own, as a rule. */
  readonly main: Wire
  readonly beats: Wire
  state: 'runs' | 'leaves' | 'ended' = 'runs'
  /** The cluster refused it, or it is done. */
  readonly ended: Promise<End>
  #end!: (how: End) => void
  /** What strikes before the effect after so many others. */
  #fuse: { effects: number; readonly blow: () => void } | undefined
  /** Acts since it stood still in the middle of a turn of its event loop. */
  #actsWhileFrozen = 0
  #frozenUntilMs = 0
  readonly #world: World
  readonly #loop: Loop
  readonly #transport: Transport
  readonly #closes: (() => unknown)[] = []

  constructor(world: World, id: string, random: Random, rate: number) {
    const { plan, network, timeline, broker, witness } = world
    this.#world = world
    this.life = { node: id, boot: drawToken(random) }
    this.clock = new LocalClock(timeline, random, rate)
    this.main = network.connect(this.clock)
    this.beats = plan.faults.beatsApart ? network.connect(this.clock) : this.main
    this.ended = new Promise((resolve) => (this.#end = resolve))
    const { clock, main, beats, life } = this
    for (const wire of this.wires) wire.beforeUse = () => this.#beforeEffect()

    const report = (error: unknown): void =>
      this.#saw({ kind: 'broken', life, text: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    const transport = faultyTransport(broker, main, report)
    this.#transport = transport
    const serverOf = () => ({ server: `sim ${world.disk.starts}`, mayForget: plan.world === 'forgetful broker' })
    const control = this.#watchedControl(faultyLog(broker, streams.control, beats, serverOf, report))
    const shards = this.#watchedShards(faultyLog(broker, streams.shards, main, serverOf, report))
    const subjects = subjectsOf(clusterName)
    let holds = 0
    const definitions = definitionsFor({
      clock,
      random,
      stopMsMax: plan.faults.letsGoLate ? plan.timing.stopMs - 1 : 0.95 * plan.timing.stopMs,
      letsGoLate: plan.faults.letsGoLate,
      paddingBytes: plan.paddingBytes,
      recordBytesMax: plan.recordBytesMax,
      die: () => this.#die(),
      acted: (actor, mark, epoch) => this.#saw({ kind: 'acted', life, actor, mark, epoch }),
      armed: (actor, mark, delayMs) =>
        this.#saw({ kind: 'armed', life, actor, mark, delayMs, heldMs: this.clock.heldMs }),
      fired: (actor, mark) => this.#saw({ kind: 'fired', life, actor, mark, heldMs: this.clock.heldMs }),
      cancelled: (actor, mark) => this.#saw({ kind: 'cancelled', life, actor, mark }),
      hold: (actor, what, epoch) => {
        const hold = { life, actor, what, id: ++holds, epoch }
        this.#saw({ kind: 'held', ...hold })
        return () => this.#saw({ kind: 'let go', ...hold })
      },
    })
    const answers = createAnswerLink({ transport, clock, nodeId: id })
    const types = definitions.map(({ type, group, version }) => ({ type, group, version }))
    const policies = new Map(definitions.map((definition): [string, TypePolicy] => [definition.type, definition]))
    // Made when the first actor sends something: most runs have none.
    let sender: Sender | undefined
    const senderOf = (): Sender =>
      (sender ??= createSender({
        cluster: clusterName,
        transport,
        clock,
        random: randomFor(plan.seed, `sender of ${life.boot}`),
        fetchView: async () => {
          const read = await readLast<View>(control, logNames.view, limits.handoffStepMs)
          return typeof read === 'string' ? undefined : read.record
        },
      }))
    this.#loop = createLoop({
      config: {
        profile: { id, types },
        boot: life.boot,
        timing: plan.timing,
        shards: plan.shards,
        recordBytesMax: plan.recordBytesMax,
        types: policies,
      },
      clock,
      transport,
      connections: this.wires,
      control,
      shards,
      subjects,
      createHost: (listener) => this.#watched(createHost({ definitions, clock, listener: this.#listener(listener) })),
      answer: (replyTo, answer) => {
        if (answer.kind === 'refused') {
          if (answer.why.code === 'TOO_LARGE') world.coverage.fault('event outgrows the log')
          this.#saw({ kind: 'refused', life, frame: answer.id, lane: answer.lane, code: answer.why.code })
        }
        answers.send(replyTo, [answer])
      },
      send: (call) => senderOf().call(call),
      onInput: (input) => {
        for (const hear of world.listeners) hear(this, input)
      },
      onEvent: (event) => this.#hear(event),
      onCrash: report,
    })
    this.#closes.push(
      transport.subscribe(
        subjects.view,
        ({ replyTo }) => {
          if (replyTo !== undefined) transport.publish(replyTo, encodeViewReply(this.node.cluster.view))
        },
        { queue: 'gateway' },
      ),
      () => sender?.close(),
      () => transport.close(),
      () => control.close(),
      () => shards.close(),
    )
    witness.saw({ kind: 'process', life, what: 'starts' })
    this.#loop.start()
  }

  /** For reading only. */
  get node(): NodeState {
    return this.#loop.node
  }

  get wires(): readonly Wire[] {
    return [...new Set([this.main, this.beats])]
  }

  /** How its core stands, for those who look for what went wrong. */
  describe(): string {
    const { self, history, shards } = this.node
    const phases = [...shards.values()].map(({ name, phase, append, inFlight, epoch }) => {
      const open = append === undefined ? '' : ` ${append.record.kind} ${append.state}`
      return `${name} e${epoch} ${JSON.stringify({ ...phase, entries: undefined })}${open}${inFlight === undefined ? '' : ' in flight'}`
    })
    return [
      `${this.life.node} at ${this.node.nowMs.toFixed(1)}: ${self.life.kind} ${self.inc}, ${history.check}`,
      ...phases,
    ].join('\n          ')
  }

  /** `heard`: it is told. */
  leave(timeoutMs: number, heard: () => void): void {
    if (this.state !== 'runs') return
    this.state = 'leaves'
    this.clock.hear(() => {
      heard()
      this.#loop.tell({ kind: 'leave', timeoutMs })
    })
  }

  /** An operator's message. */
  ask(request: Extract<LifecycleRequest, { kind: 'drain' | 'list' }>, heard: () => void): void {
    if (this.state !== 'runs') return
    if (request.kind === 'drain') this.state = 'leaves'
    this.clock.hear(() => {
      heard()
      this.#loop.tell({ kind: 'asked', ticket: 0, request })
    })
  }

  /** Everything in memory is lost. */
  kill(how: End = 'killed'): void {
    if (this.state === 'ended') return
    this.state = 'ended'
    const crashes = how === 'killed' || how === 'poisoned'
    this.#world.witness.saw({ kind: 'process', life: this.life, what: crashes ? 'crashes' : 'ends' })
    this.clock.kill()
    for (const wire of this.wires) wire.close()
    for (const close of this.#closes) close()
    this.#loop.stop()
    this.#end(how)
  }

  /** `blow` strikes it in the middle of a turn of its event loop, after so many more effects. */
  arm(effects: number, blow: () => void): void {
    this.#fuse = { effects, blow }
  }

  defuse(): void {
    this.#fuse = undefined
  }

  /** Called before everything that its loop does to the world. */
  #beforeEffect(): void {
    const fuse = this.#fuse
    if (fuse === undefined || --fuse.effects > 0 || this.clock.state !== 'runs') return
    this.#fuse = undefined
    fuse.blow()
  }

  #die(): never {
    if (this.state !== 'ended') this.#world.coverage.fault('deadly event')
    this.kill('poisoned')
    throw new Error('the process is dead')
  }

  #hear(event: NodeEvent): void {
    this.#saw({ kind: 'heard', life: this.life, event })
    if (event.kind === 'history broken' && this.#world.plan.world !== 'forgetful broker')
      this.#world.witness.violation(`${this.life.node}: ${event.reason}`)
    if (event.kind === 'left') this.#close()
    if (event.kind === 'refused') this.clock.soon(() => this.kill('refused'))
  }

  /** As the shipped node closes. */
  #close(): void {
    const close = (): void => this.kill('left')
    const answered = (): void => this.clock.soon(() => void this.#transport.flush().then(close))
    this.clock.soon(() => void this.#loop.deafen().then(answered))
    this.clock.after(limits.handoffStepMs, close)
  }

  #listener(listener: Pick<HostListener, 'internal'>): HostListener {
    const { life } = this
    return {
      ...listener,
      effectFailed: (actor, thrown) =>
        this.#saw({
          kind: 'broken',
          life,
          text: `${actor}: ${thrown instanceof Error ? thrown.stack : String(thrown)}`,
        }),
      logged: () => {},
      emitted: () => {},
    }
  }

  /** What is appended to its own row is a beat, and to that of another node declares it dead. */
  #watchedControl(control: Log): Log {
    const { life } = this
    const rows = logNames.row('')
    return {
      ...control,
      append: (name, record, expected, options) => {
        const appended = control.append(name, record, expected, options)
        if (!name.startsWith(rows)) return appended
        const node = name.slice(rows.length)
        const [row, { heldMs }] = [decodeRecord(record) as Row, this.clock]
        this.#saw(
          node === life.node ? { kind: 'beats', life, row, heldMs } : { kind: 'declares', life, node, row, heldMs },
        )
        return appended
      },
    }
  }

  #watchedShards(shards: Log): Log {
    const { life } = this
    return {
      ...shards,
      append: (name, record, expected, options) => {
        if (name.startsWith(logNames.shard(''))) {
          const { kind, token } = decodeRecord(record) as LogRecord
          this.#saw({ kind: 'appends', life, name, record: kind, token })
        }
        return shards.append(name, record, expected, options)
      },
      read: (name, from, timeoutMs) => {
        if (name.startsWith(logNames.shard(''))) this.#saw({ kind: 'reads', life, name })
        return shards.read(name, from, timeoutMs)
      },
    }
  }

  /** The host, with everything seen that acts. */
  #watched(host: Host): Host {
    const { shards } = this.#world.plan
    const { life } = this
    const act = (what: 'turn' | 'perform' | 'wake', actor: string, epoch: number, cause: string): void => {
      this.#beforeEffect()
      // The rest of a turn of the event loop that a crash interrupts never happens.
      if (this.state === 'ended') throw new Error('the process is dead')
      this.#judgeFrozen(what, actor)
      const shard = shardOf(addressOf(actor), 'main', shards)
      this.#saw({ kind: 'act', what, life, shard, actor, epoch, cause, frozen: this.clock.heldMs > 0 })
    }
    return {
      ...host,
      take: (turn) => {
        const { cause } = turn
        act('turn', turn.actor, turn.epoch, cause.kind === 'event' ? (cause.request ?? 'refused') : cause.kind)
        const result = host.take(turn)
        if (result.outcome.kind === 'failed' && this.state !== 'ended') this.#world.coverage.fault('event throws')
        return result
      },
      perform: (actor, turn, epoch) => {
        act('perform', actor, epoch, `turn ${turn}`)
        host.perform(actor, turn, epoch)
      },
      wake: (actor, stored, storedAtMs, epoch) => {
        act('wake', actor, epoch, '')
        host.wake(actor, stored, storedAtMs, epoch)
      },
    }
  }

  /** N3, C4: one act may have been decided before the process stood still; whatever comes after it must know that time has passed. */
  #judgeFrozen(what: string, actor: string): void {
    const { heldMs } = this.clock
    const { frozenUntilMs } = this.clock
    if (frozenUntilMs !== this.#frozenUntilMs) this.#actsWhileFrozen = 0
    this.#frozenUntilMs = frozenUntilMs
    if (heldMs === 0 || ++this.#actsWhileFrozen === 1) return
    if (heldMs > Math.max(1.05 * this.#world.plan.timing.gapMs, 100))
      this.#world.witness.violation(
        `N3: ${this.life.node} begins a ${what} of ${actor} after it stood still for ${heldMs.toFixed(0)} ms`,
      )
  }

  /** The dead tell nothing. */
  #saw(observation: Observation): void {
    if (this.state !== 'ended') this.#world.witness.saw(observation)
  }
}
