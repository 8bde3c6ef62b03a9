/** Node: a member of a cluster, as its user sees it: `startNode` opens what it stands on, agrees with the cluster on its
 *  charter, and runs the core in its loop until it leaves, is refused or breaks. */

import { EventEmitter } from 'node:events'
import { type Cancel, systemClock } from '../base/clock.ts'
import { errorOf, GodwitError, messageOf, type Refusal, refuse } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import { drawToken, systemRandom } from '../base/random.ts'
import type { NodeEvent } from '../core/effects.ts'
import { isUp } from '../core/membership.ts'
import type { NodeConfig, TypePolicy } from '../core/state.ts'
import { type TimingName, timings } from '../core/timing.ts'
import type { Durability } from '../log/nats.ts'
import { checkName } from '../protocol/address.ts'
import { guarded, reportWarning } from '../transport/report.ts'
import { logNames, type Profile, type View } from '../protocol/records.ts'
import { type Subjects, subjects as subjectsOf } from '../protocol/subjects.ts'
import { agreeOnCharter } from './charter.ts'
import { type ActorDefinition, isMachine } from './definition.ts'
import { serveGateway } from './gateway.ts'
import { type Health, serveHealth } from './health.ts'
import { createHost } from './host.ts'
import { createAnswerLink } from './link.ts'
import { createLoop, type Loop } from './loop.ts'
import { type Connection, type NatsOptions, openPorts, type Ports, type StoreOptions } from './ports.ts'
import { readLast } from './records.ts'
import { createRoster } from './roster.ts'
import { createSender, type Sender } from './sender.ts'

export interface NodeOptions extends StoreOptions {
  readonly cluster: string
  readonly nodeId: string
  readonly actors: readonly ActorDefinition<any, any>[]
  readonly zone?: string
  readonly region?: string
  /** Shards of each group. The first node of a cluster decides; left out, the cluster's number is taken over. */
  readonly shards?: number
  /** How fast the cluster notices a death, and how long an outage it rides out. All nodes should have the same. Default `default`. */
  readonly timing?: TimingName
  /** Serves `/healthz` and `/readyz`; 0 takes a free port. */
  readonly healthPort?: number
  /** Hears what goes wrong beside any request: an effect that threw, a child that failed with nobody listening. */
  readonly onWarning?: (warning: NodeWarning) => void
}

export interface NodeWarning {
  readonly actor: string
  readonly thrown: unknown
}

/** What `node.on` tells, by name. */
export type NodeEvents = {
  [K in NodeEvent['kind']]: [Extract<NodeEvent, { readonly kind: K }>]
} & {
  /** The machine's `log` action. */
  readonly log: [{ readonly actor: string; readonly values: readonly unknown[] }]
  /** The machine's `emit` action, after the commit. */
  readonly emitted: [{ readonly actor: string; readonly event: unknown }]
}

export interface GodwitNode extends AsyncDisposable {
  readonly id: string
  readonly cluster: string
  /** The number of the view that it goes by at present. */
  readonly view: number
  /** How much an acknowledged event is worth here: `memory`, `ack` or `fsync`, with the number of replicas. */
  readonly durability: Durability
  /** Where the health server listens, if there is one. */
  readonly healthPort: number | undefined
  /** Resolves once the node serves; rejects like `closed`. */
  readonly ready: Promise<void>
  /** Resolves when the node has left or was closed. Rejects with a `GodwitError` when the cluster refuses it (FORBIDDEN: the node id is in
   *  use) or it breaks (INTERNAL). */
  readonly closed: Promise<void>
  on<K extends keyof NodeEvents>(kind: K, listener: (...event: NodeEvents[K]) => void): this
  off<K extends keyof NodeEvents>(kind: K, listener: (...event: NodeEvents[K]) => void): this
  /** Hands everything over, then stops. What nobody could take by the deadline is let go and named. */
  leave(options?: { readonly timeoutMs?: number }): Promise<{ readonly abandoned: readonly string[] }>
  /** Stops at once, as a crash would: others notice when its lease is over. Resolves once its connections are closed. */
  close(): Promise<void>
}

/** Joins a cluster. Resolves once the node serves (its row is acknowledged and a view holds it).
 *
 *  Rejects with a `GodwitError`: BAD_REQUEST for options that do not fit, or not the cluster; UNAVAILABLE without a broker or without
 *  JetStream; FORBIDDEN for wrong credentials, or a node id that is in use. */
export async function startNode(
  options: NodeOptions & (Partial<NatsOptions> | { readonly connection: Connection }),
): Promise<GodwitNode> {
  checkOptions(options)
  const subjects = subjectsOf(options.cluster)
  const connection = 'connection' in options ? options.connection : options
  if (connection === undefined) throw new GodwitError('BAD_REQUEST', '`connection` must be a NATS connection')
  const ports = await openPorts(
    connection,
    storeOptions(options),
    subjects,
    `godwit ${options.cluster} ${options.nodeId}`,
  )
  let node: RunningNode | undefined
  try {
    const boot = drawToken(systemRandom)
    const { shards } = await agreeOnCharter(ports.control, options.shards, boot)
    const health =
      options.healthPort === undefined ? undefined : await serveHealth(options.healthPort, () => node?.isReady === true)
    node = new RunningNode(options, ports, health, boot, shards)
    await node.ready
    return node
  } catch (thrown) {
    if (node === undefined) await ports.close()
    else await node.close()
    throw thrown
  }
}

class RunningNode implements GodwitNode {
  readonly id: string
  readonly cluster: string
  readonly durability: Durability
  readonly healthPort: number | undefined
  readonly ready: Promise<void>
  readonly closed: Promise<void>
  private readonly events = new EventEmitter()
  private readonly ports: Ports
  private readonly health: Health | undefined
  private readonly loop: Loop
  private closeGateway = async (): Promise<void> => {}
  private closeSender = (): void => {}
  private readonly ended: Resolvers<void>
  private ending: Promise<void> | undefined
  private abandoned: readonly string[] = []

  constructor(options: NodeOptions, ports: Ports, health: Health | undefined, boot: string, shards: number) {
    this.id = options.nodeId
    this.cluster = options.cluster
    this.ports = ports
    this.health = health
    this.durability = ports.durability
    this.healthPort = health?.port
    this.ended = withResolvers<void>()
    this.closed = this.ended.promise
    this.closed.catch(() => {})
    const served = withResolvers<void>()
    this.ready = served.promise
    this.ready.catch(() => {})
    this.events.once('ready', () => served.resolve())
    this.closed.then(
      () => served.reject(new GodwitError('UNAVAILABLE', 'the node was closed before it served')),
      served.reject,
    )

    const { transport } = ports
    const subjects = subjectsOf(options.cluster)
    const warn = guarded((warning: NodeWarning) => options.onWarning?.(warning), reportWarning)
    const answers = createAnswerLink({ transport, clock: systemClock, nodeId: this.id })
    this.loop = createLoop({
      config: configOf(options, ports, boot, shards),
      clock: systemClock,
      transport,
      connections: ports.connections,
      control: ports.control,
      shards: ports.shards,
      subjects,
      createHost: (listener) =>
        createHost({
          definitions: options.actors,
          clock: systemClock,
          listener: {
            ...listener,
            effectFailed: (actor, thrown) => warn({ actor, thrown }),
            logged: (actor, values) => this.emit('log', { actor, values }),
            emitted: (actor, event) => this.emit('emitted', { actor, event }),
          },
        }),
      answer: (replyTo, answer) => answers.send(replyTo, [answer]),
      send: (call) => sender.call(call),
      onEvent: (event) => this.hear(event),
      onCrash: (thrown) => {
        void this.end(new GodwitError('INTERNAL', `node ${this.id} stopped: ${messageOf(thrown)}`, { cause: thrown }))
      },
    })
    const sender = this.serve(options, subjects)
    this.loop.start()
  }

  get view(): number {
    return this.loop.node.cluster.view?.number ?? 0
  }

  get isReady(): boolean {
    return isUp(this.loop.node) && this.loop.node.self.life.kind === 'member'
  }

  on<K extends keyof NodeEvents>(kind: K, listener: (...event: NodeEvents[K]) => void): this {
    this.events.on(kind, listener)
    return this
  }

  off<K extends keyof NodeEvents>(kind: K, listener: (...event: NodeEvents[K]) => void): this {
    this.events.off(kind, listener)
    return this
  }

  async leave({
    timeoutMs = 30_000,
  }: {
    readonly timeoutMs?: number
  } = {}): Promise<{ readonly abandoned: readonly string[] }> {
    if (!(timeoutMs >= 0)) throw new GodwitError('BAD_REQUEST', '`timeoutMs` must be a number from 0')
    this.loop.tell({ kind: 'leave', timeoutMs })
    await this.closed
    return { abandoned: this.abandoned }
  }

  close(): Promise<void> {
    this.closeSender()
    this.loop.stop()
    return this.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave()
  }

  /** The public subjects: this node picks up what any client asks, and sends it to the owner as a client of its own. */
  private serve(options: NodeOptions, subjects: Subjects): Sender {
    const { transport, control } = this.ports
    const fetchView = async (): Promise<View | Refusal | undefined> => {
      const read = await readLast<View>(control, logNames.view, limits.handoffStepMs)
      if (read === 'unknown') return undefined
      if (read === 'empty') return refuse('UNAVAILABLE', `cluster ${options.cluster} has no view yet; try again`)
      this.loop.tell({ kind: 'view seen', seq: read.seq, view: read.record })
      return read.record
    }
    const sender = createSender({
      cluster: options.cluster,
      transport,
      clock: systemClock,
      random: systemRandom,
      fetchView,
    })
    const directory = createRoster({ node: this.loop.node, transport, subjects, clock: systemClock })
    this.closeGateway = serveGateway({ cluster: options.cluster, transport, call: sender.call, directory })
    this.closeSender = sender.close
    return sender
  }

  /** What a listener throws is a warning of the process; the node goes on. */
  private emit(kind: string, event: unknown): void {
    guarded(() => this.events.emit(kind, event), reportWarning)(undefined)
  }

  private hear(event: NodeEvent): void {
    this.emit(event.kind, event)
    if (event.kind === 'refused' && this.loop.node.self.life.kind === 'left') void this.end(errorOf(event.why))
    if (event.kind !== 'left') return
    this.abandoned = event.abandoned
    void this.end()
  }

  /** Ends once, whatever the reason. */
  private end(why?: GodwitError): Promise<void> {
    this.ending ??= this.shutDown().then(
      () => (why === undefined ? this.ended.resolve() : this.ended.reject(why)),
      (thrown: unknown) => this.ended.reject(why ?? thrown),
    )
    return this.ending
  }

  private async shutDown(): Promise<void> {
    try {
      // What is being answered gets its time, a drain of another node gets no more than that.
      await inTime(this.closeGateway(), limits.handoffStepMs)
      this.closeSender()
      // Who has sent something to this node is told that it moved, and everybody else that nobody is here.
      await inTime(this.loop.deafen(), limits.handoffStepMs)
      // What was answered in this turn of the event loop is still to be sent.
      await new Promise((resolve) => setImmediate(resolve))
      await inTime(this.ports.transport.flush(), limits.handoffStepMs)
    } finally {
      this.loop.stop()
      await Promise.allSettled([this.health?.close(), this.ports.close()])
    }
  }
}

/** Waits for `work`, but no longer than that. */
async function inTime(work: Promise<void>, timeoutMs: number): Promise<void> {
  let cancel: Cancel = () => {}
  const over = new Promise<void>((resolve) => {
    cancel = systemClock.after(timeoutMs, resolve)
  })
  await Promise.race([work, over])
  cancel()
}

interface Resolvers<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (reason: unknown) => void
}

/** Node 20 has no `Promise.withResolvers`. */
function withResolvers<T>(): Resolvers<T> {
  let resolve!: Resolvers<T>['resolve']
  let reject!: Resolvers<T>['reject']
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

function configOf(options: NodeOptions, ports: Ports, boot: string, shards: number): NodeConfig {
  const { nodeId: id, zone, region } = options
  const types = options.actors.map(({ type, group, version }) => ({ type, group, version }))
  const profile: Profile = { id, types, ...(zone !== undefined && { zone }), ...(region !== undefined && { region }) }
  const policies = options.actors.map(({ type, ...policy }): [string, TypePolicy] => [type, policy])
  // A record travels with its envelope.
  const recordBytesMax = Math.min(ports.shards.bytesMax, 8 * 2 ** 20) - 4_096
  return {
    profile,
    boot,
    timing: timings[options.timing ?? 'default'],
    shards,
    recordBytesMax,
    types: new Map(policies),
  }
}

function checkOptions(options: NodeOptions): void {
  checkName('the name of the cluster', options.cluster)
  checkName('the id of the node', options.nodeId)
  if (options.zone !== undefined) checkName('the zone', options.zone)
  if (options.region !== undefined) checkName('the region', options.region)
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw new GodwitError('BAD_REQUEST', what)
  }
  check(
    Array.isArray(options.actors) && options.actors.length > 0,
    '`actors` must list at least one definition (defineActor)',
  )
  const names = options.actors.map(({ type }) => type)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  check(twice === undefined, `two definitions have the type ${twice}`)
  for (const { type, machine } of options.actors as readonly Partial<ActorDefinition>[]) {
    checkName('the type of an actor', type)
    check(isMachine(machine), `actor type ${type} has no XState machine: use defineActor`)
  }
  const { shards, timing, replicas, storage, healthPort } = options
  check(replicas === undefined || [1, 2, 3, 4, 5].includes(replicas), '`replicas` must be a whole number from 1 to 5')
  check(storage === undefined || storage === 'file' || storage === 'memory', "`storage` must be 'file' or 'memory'")
  const isPort =
    healthPort === undefined || (Number.isSafeInteger(healthPort) && healthPort >= 0 && healthPort < 65_536)
  check(isPort, '`healthPort` must be a port, or 0 for any free one')
  const counts = shards === undefined || (Number.isSafeInteger(shards) && shards >= 1 && shards <= limits.shardsMax)
  check(counts, `\`shards\` must be a whole number from 1 to ${limits.shardsMax}`)
  check(timing === undefined || timing in timings, `\`timing\` must be one of ${Object.keys(timings).join(', ')}`)
}

const storeOptions = ({ replicas, storage, sync }: StoreOptions): StoreOptions => ({
  ...(replicas !== undefined && { replicas }),
  ...(storage !== undefined && { storage }),
  ...(sync !== undefined && { sync }),
})
