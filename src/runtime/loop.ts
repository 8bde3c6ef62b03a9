/** Loop: performs what the core asks for and tells it what came of it. It decides nothing: every effect is one call of a port
 *  or of the actor host, every outcome one input. Inputs are taken one after the other; what is known at once (a turn, what
 *  the host stores) is told before anything else.
 *
 *  An invariant that breaks stops the node (`onCrash`): its children are dropped, its shards go to others. */

import type { Cancel, Clock } from '../base/clock.ts'
import { limits } from '../base/limits.ts'
import type { Refusal } from '../base/errors.ts'
import { unreachable } from '../base/assert.ts'
import type { Effect, Input, NodeEvent } from '../core/effects.ts'
import { createNode, step } from '../core/node.ts'
import type { NodeConfig, NodeState } from '../core/state.ts'
import type { Log } from '../log/port.ts'
import type { Outcome } from '../core/router-state.ts'
import { addressOf } from '../protocol/address.ts'
import type { Call } from '../protocol/call.ts'
import { decode } from '../protocol/codec.ts'
import type { Delivered } from '../protocol/results.ts'
import type { Answer } from '../protocol/frames.ts'
import { decodeFrames } from '../protocol/frames.ts'
import {
  decodeLifecycleReply,
  decodeLifecycleRequest,
  encodeLifecycle,
  type LifecycleRequest,
} from '../protocol/lifecycle.ts'
import type { ActorMessage } from '../protocol/actor-message.ts'
import { decodeRecord, encodeRecord, encodeShardState, logNames, type Row, type View } from '../protocol/records.ts'
import type { Subjects } from '../protocol/subjects.ts'
import type { Host, HostListener } from '../protocol/turn.ts'
import type { Message, Transport } from '../transport/port.ts'
import { traceTurn } from './tracing.ts'
import { purge, readLast, readLog, readParts, writeParts } from './records.ts'

export interface LoopOptions {
  readonly config: NodeConfig
  readonly clock: Clock
  readonly transport: Transport
  /** All connections that the node stands on: it is connected while all of them are. */
  readonly connections: readonly Pick<Transport, 'onConnection'>[]
  readonly control: Log
  readonly shards: Log
  readonly subjects: Subjects
  /** Makes the actor host, which tells the loop what its machines' children do. */
  readonly createHost: (listener: Pick<HostListener, 'internal'>) => Host
  /** Sends answers to `replyTo`; those of one turn of the event loop travel together. */
  readonly answer: (replyTo: string, answer: Answer) => void
  /** Sends what an actor sends to another; resolves to what its owner says of it. */
  readonly send: (call: Call) => Promise<Outcome>
  /** Hears each input before the core is told: for those who count or trace them. */
  readonly onInput?: (input: Input) => void
  readonly onEvent: (event: NodeEvent) => void
  readonly onCrash: (error: unknown) => void
}

export interface Loop {
  /** For reading only. */
  readonly node: NodeState
  start(): void
  tell(input: Input): void
  /** Hears nobody any more: resolves once what was on its way to this node has been answered. */
  deafen(): Promise<void>
  /** Ends everything at once: nothing more is told or performed. */
  stop(): void
}

export function createLoop(options: LoopOptions): Loop {
  const { config, clock, transport, control, shards, subjects } = options
  const node = createNode(config, clock.now())
  const host = options.createHost({
    // A child tells its machine from inside of XState, which would put off what a turn sends to the machine there.
    internal: (actor) => queueMicrotask(() => tell({ kind: 'internal', actor })),
  })
  const inputs: Input[] = []
  const ends: (() => void)[] = []
  /** End what others reach this node by. */
  const ears: (() => void)[] = []
  const tickets = new Map<number, string>()
  let ticket = 0
  let running = false
  let stopped = false
  let tickTimer: Cancel = () => {}
  let alarmTimer: Cancel = () => {}

  function tell(input: Input): void {
    if (stopped) return
    inputs.push(input)
    if (running) return
    running = true
    try {
      for (let next = inputs.shift(); next !== undefined && !stopped; next = inputs.shift()) {
        options.onInput?.(next)
        for (const effect of step(node, next, clock.now())) perform(effect)
      }
    } catch (thrown) {
      stop()
      options.onCrash(thrown)
    } finally {
      running = false
    }
  }

  /** Tells what a port answers. No port throws; what breaks here is a bug, and stops the node. */
  function later<T>(outcome: Promise<T>, inputOf: (value: T) => Input): void {
    outcome.then(
      (value) => tell(inputOf(value)),
      (thrown: unknown) => {
        stop()
        options.onCrash(thrown)
      },
    )
  }

  function perform(effect: Effect): void {
    switch (effect.kind) {
      case 'send message': {
        const { shard, message, floor, attempt } = effect
        return later(options.send(callOf(message, floor)), (outcome) => ({
          kind: 'message answered',
          shard,
          message,
          attempt,
          ...verdictOf(outcome),
        }))
      }
      case 'read identity': {
        const { reading } = effect
        return later(readIdentities(), (identities) => ({ kind: 'identity read', reading, identities }))
      }
      case 'write row': {
        const { nodeId, row, expected } = effect
        const written = control.append(logNames.row(nodeId), encodeRecord(row), expected, beatOptions)
        return later(written, (result) => ({ kind: 'row written', nodeId, row, result }))
      }
      case 'read row': {
        const { nodeId } = effect
        const read = readLast<Row>(control, logNames.row(nodeId), config.timing.beatTimeoutMs)
        return later(read, (result) => ({ kind: 'row read', nodeId, result }))
      }
      case 'write view': {
        const { view, expected } = effect
        const written = control.append(logNames.view, encodeRecord(view), expected, beatOptions)
        return later(written, (result) => ({ kind: 'view written', view, result }))
      }
      case 'read view':
        return later(readLast<View>(control, logNames.view, stepMs), (result) => ({ kind: 'view read', result }))
      case 'read tail': {
        const { shard, known } = effect
        return later(readLast(shards, logNames.shard(shard), stepMs), (result) => ({
          kind: 'tail read',
          shard,
          known,
          result,
        }))
      }
      case 'read log': {
        const { shard } = effect
        return later(readLog(shards, shard), (entries) => ({ kind: 'log read', shard, entries }))
      }
      case 'read parts': {
        const { shard, token, parts } = effect
        return later(readParts(shards, shard, parts), (pieces) => ({ kind: 'parts read', shard, token, pieces }))
      }
      case 'write parts': {
        const { shard, token, pieces } = effect
        return later(writeParts(shards, shard, token, pieces), (parts) => ({
          kind: 'parts written',
          shard,
          token,
          parts,
        }))
      }
      case 'append': {
        const { shard, record, expected, replace } = effect
        const appended = shards.append(logNames.shard(shard), encodeRecord(record), expected, {
          replace,
          timeoutMs: stepMs,
        })
        return later(appended, (result) => ({ kind: 'appended', shard, token: record.token, result }))
      }
      case 'purge':
        return void purge(shards, effect.shard, effect.before, effect.partsBefore)
      case 'answer':
        return options.answer(effect.replyTo, effect.answer)
      case 'take turn':
        return tell({
          kind: 'turned',
          shard: effect.shard,
          turn: effect.turn,
          result: traceTurn(effect.shard, effect.turn, () => host.take(effect.turn)),
        })
      case 'perform':
        host.perform(effect.actor, effect.turn, effect.epoch)
        return tell({ kind: 'acted' })
      case 'wake':
        host.wake(effect.actor, effect.stored, effect.storedAtMs, effect.epoch)
        return tell({ kind: 'acted' })
      case 'collect': {
        const { shard, purpose, atMs } = effect
        const actors = effect.actors.map((actor) => [actor, host.store(actor, atMs)] as const)
        const seeds = effect.seeds.map((actor) => [actor, host.seed(actor)] as const)
        return tell({ kind: 'collected', shard, purpose, atMs, actors: [...actors, ...seeds] })
      }
      case 'undo':
        return host.undo(effect.actor, effect.turn)
      case 'forget':
        return effect.actors.forEach((actor) => host.forget(actor))
      case 'release': {
        const { shard, token } = effect
        return later(host.release(effect.actors, effect.graceMs), (stuck) => ({
          kind: 'released',
          shard,
          token,
          stuck,
        }))
      }
      case 'mark':
        transport.publish(subjects.lifecycle(config.profile.id), encodeLifecycle({ kind: 'mark', ...effect.mark }))
        return
      case 'reply': {
        const replyTo = tickets.get(effect.ticket)
        tickets.delete(effect.ticket)
        if (replyTo !== undefined) transport.publish(replyTo, encodeLifecycle(effect.reply))
        return
      }
      case 'tell': {
        const { node: to, request } = effect
        return later(ask(to, request), (reply) => ({ kind: 'told', node: to, request, reply }))
      }
      case 'send package': {
        const { shard, token } = effect
        return later(sendPackage(effect), (ok) => ({ kind: 'package sent', shard, token, ok }))
      }
      case 'flush later':
        return clock.soon(() => tell({ kind: 'flush' }))
      case 'continue later':
        return clock.soon(() => tell({ kind: 'continue' }))
      case 'alarm':
        alarmTimer()
        alarmTimer = clock.after(effect.inMs, () => tell({ kind: 'tick' }))
        return
      case 'notify':
        return options.onEvent(effect.event)
      default:
        unreachable(effect)
    }
  }

  const stepMs = limits.handoffStepMs
  const beatOptions = { replace: true, timeoutMs: config.timing.beatTimeoutMs }

  async function readIdentities() {
    const [ofControl, ofShards] = await Promise.all([control.identity(stepMs), shards.identity(stepMs)])
    return ofControl === 'unknown' || ofShards === 'unknown'
      ? ('unknown' as const)
      : { control: ofControl, shards: ofShards }
  }

  async function ask(nodeId: string, request: LifecycleRequest) {
    const result = await transport.request(subjects.lifecycle(nodeId), encodeLifecycle(request), stepMs)
    if (result.kind !== 'reply') return result.kind
    return decodeLifecycleReply(result.bytes) ?? 'unknown'
  }

  /** Each piece is acknowledged; a lost one is sent once more. */
  async function sendPackage({
    to,
    shard,
    token,
    pieces,
  }: Extract<Effect, { kind: 'send package' }>): Promise<boolean> {
    for (const [index, piece] of pieces.entries()) {
      const request: LifecycleRequest = {
        kind: 'package',
        shard,
        token,
        index,
        pieces: pieces.length,
        bytes: encodeShardState(piece),
      }
      let reply = await ask(to, request)
      if (reply === 'unknown') reply = await ask(to, request)
      if (reply === 'unknown' || reply === 'nobody' || reply.kind !== 'ok') return false
    }
    return true
  }

  function onLifecycle(message: Message): void {
    const request = decodeLifecycleRequest(message.bytes)
    if (request === undefined) return
    if (message.replyTo !== undefined) tickets.set(++ticket, message.replyTo)
    tell({ kind: 'asked', ticket, request })
  }

  function onFrames(message: Message): void {
    const batch = decodeFrames(message.bytes)
    if (batch !== undefined) tell({ kind: 'frames', batch })
  }

  function onControlEntry(entry: { readonly name: string; readonly seq: number; readonly bytes: Uint8Array }): void {
    const record = decodeRecord(entry.bytes)
    if (record.kind === 'view') tell({ kind: 'view seen', seq: entry.seq, view: record })
    else if (record.kind === 'row') tell({ kind: 'row seen', nodeId: record.profile.id, seq: entry.seq, row: record })
  }

  function keepTicking(): void {
    tickTimer = clock.after(config.timing.tickMs, () => {
      tell({ kind: 'tick' })
      if (!stopped) keepTicking()
    })
  }

  function start(): void {
    ears.push(
      transport.subscribe(subjects.frames(config.profile.id), onFrames),
      transport.subscribe(subjects.lifecycle(config.profile.id), onLifecycle),
    )
    ends.push(
      control.watch('', onControlEntry),
      ...watchConnections(options.connections, (connected) => tell({ kind: 'connection', connected })),
    )
    keepTicking()
    tell({ kind: 'tick' })
  }

  function deafen(): Promise<void> {
    for (const end of ears.splice(0)) end()
    return transport.flush()
  }

  function stop(): void {
    if (stopped) return
    stopped = true
    tickTimer()
    alarmTimer()
    for (const end of [...ears, ...ends]) end()
    for (const shard of node.shards.values())
      for (const [actor, entry] of shard.actors) if (entry.awake) host.forget(actor)
  }

  return { node, start, tell, deafen, stop }
}

const callOf = ({ source, target, stream, number, op, body, onReply }: ActorMessage, floor: number): Call => ({
  op,
  address: addressOf(target),
  body,
  timeoutMs: limits.messageTimeoutMs,
  message: { source, stream, number, floor, ...(onReply !== undefined && { onReply }) },
})

function verdictOf(outcome: Outcome): { readonly outcome: 'done' | Refusal; readonly final: boolean } {
  if (outcome.kind === 'refused') return { outcome: outcome.why, final: false }
  const { refused } = decode(outcome.body) as Delivered
  return { outcome: refused ?? 'done', final: true }
}

/** Tells `true` each time the last missing connection comes back, `false` when the first one goes. */
function watchConnections(connections: LoopOptions['connections'], tell: (connected: boolean) => void): (() => void)[] {
  const down = new Set(connections)
  let told: boolean | undefined
  return connections.map((connection) =>
    connection.onConnection((connected) => {
      if (connected) down.delete(connection)
      else down.add(connection)
      const all = down.size === 0
      if (told !== all && (all || told === true)) tell(all)
      told = all
    }),
  )
}
