/** Machines: the actors of a simulated world. Each keeps a journal of the marks it was sent, so that what happened, how often and in
 *  which order can be read from its state afterwards. They are made anew for each process, with a probe that knows where they run.
 *
 *      journal   durable; answers by itself; a plain action after each mark; some events make it fail, outgrow its log or end its process
 *      cache     the same, volatile
 *      timer     one delayed transition at a time, armed, armed anew and cancelled by events
 *      relay     the same, and sends of each mark to a sink, or to nobody
 *      sink      gets what relays send
 *      holder    holds something outside all the time, and works at a promise that begins again when it is done */

import { assign, fromPromise, setup } from 'xstate'
import { sleep, type Clock } from '../../src/base/clock.ts'
import { between, type Random } from '../../src/base/random.ts'
import { type ActorDefinition, defineActor } from '../../src/runtime/definition.ts'
import { held } from '../../src/runtime/held.ts'
import { epochOf } from '../../src/runtime/host-stage.ts'
import { type ActorAddress, askActor, sendToActor } from '../../src/runtime/messages.ts'
import { reply } from '../../src/runtime/reply.ts'

export const actorTypes = ['journal', 'cache', 'timer', 'holder'] as const
/** In runs that are about messages. */
export const messengerTypes = ['relay', 'sink'] as const
export type ActorType = (typeof actorTypes)[number] | (typeof messengerTypes)[number]

export interface JournalContext {
  /** The mark of the spawn that began this life. */
  readonly life: string
  readonly marks: readonly string[]
  /** Of the marks so far. */
  readonly digest: number
  readonly armed: string
  readonly fired: readonly string[]
  /** Armed, and cancelled before they fired. */
  readonly cancelled: readonly string[]
  readonly done: number
  /** What its messages brought back: replies, and refusals. */
  readonly heard: readonly Heard[]
  readonly padding: string
}

/** From which sink, and which place the mark got in its journal. */
export interface Heard {
  readonly sink: string
  readonly what: number | 'refused'
}

/** What `journal` and `cache` answer. */
export interface JournalReply {
  readonly life: string
  readonly length: number
  readonly digest: number
}

export type JournalEvent =
  | { readonly type: 'ADD'; readonly mark: string }
  | { readonly type: 'ARM'; readonly mark: string; readonly delayMs: number }
  | { readonly type: 'CANCEL' }
  | { readonly type: 'ANSWERED'; readonly output: JournalReply; readonly from: ActorAddress }
  | { readonly type: 'REFUSED'; readonly to: ActorAddress }
  /** Throws, outgrows every record of a log, ends its process. */
  | { readonly type: 'FAIL' | 'SWELL' | 'DIE' }

/** What the machines of one process are given to see and wait with. */
export interface Probe {
  readonly clock: Clock
  readonly random: Random
  /** Longest time that letting go takes. */
  readonly stopMsMax: number
  /** It takes all of it, and taking hold takes none. */
  readonly letsGoLate: boolean
  /** What each actor carries besides its journal. */
  readonly paddingBytes: number
  readonly recordBytesMax: number
  /** Ends the process, and throws. */
  die(): never
  acted(actor: string, mark: string, epoch: number): void
  armed(actor: string, mark: string, delayMs: number): void
  fired(actor: string, mark: string): void
  cancelled(actor: string, mark: string): void
  /** Returns what lets go. */
  hold(actor: string, what: 'grip' | 'work', epoch: number): () => void
}

export const digestOf = (digest: number, mark: string): number => {
  let mixed = digest
  for (let i = 0; i < mark.length; i++) mixed = Math.imul(mixed ^ mark.charCodeAt(i), 0x01000193)
  return mixed >>> 0
}

export function definitionsFor(probe: Probe): readonly ActorDefinition<any, any>[] {
  return [
    defineActor({ type: 'journal', machine: journalMachine(probe, 'journal') }),
    defineActor({ type: 'cache', machine: journalMachine(probe, 'cache'), durability: 'volatile' }),
    defineActor({ type: 'relay', machine: relayMachine(probe) }),
    defineActor({ type: 'sink', machine: journalMachine(probe, 'sink') }),
    defineActor({ type: 'timer', machine: timerMachine(probe) }),
    defineActor({ type: 'holder', machine: holderMachine(probe), releaseTimeoutMs: 2_000 }),
  ]
}

const types = {} as {
  context: JournalContext
  events: JournalEvent
  input: { readonly life: string } | undefined
}

const contextOf =
  ({ paddingBytes }: Probe) =>
  ({ input }: { readonly input: { readonly life: string } | undefined }): JournalContext => ({
    life: input?.life ?? '',
    marks: [],
    digest: 0,
    armed: '',
    fired: [],
    cancelled: [],
    done: 0,
    heard: [],
    padding: 'p'.repeat(paddingBytes),
  })

const note = (context: JournalContext, mark: string): Partial<JournalContext> => ({
  marks: [...context.marks, mark],
  digest: digestOf(context.digest, mark),
})

const hear = ({ heard }: JournalContext, { id: sink }: ActorAddress, what: Heard['what']): Partial<JournalContext> => ({
  heard: [...heard, { sink, what }],
})

const shown = ({ life, marks, digest }: JournalContext): JournalReply => ({ life, length: marks.length, digest })

const fail = (): never => {
  throw new Error('a bug of its author')
}

const journalMachine = (probe: Probe, type: ActorType) =>
  setup({ types }).createMachine({
    context: contextOf(probe),
    on: {
      FAIL: { actions: assign(fail) },
      SWELL: { actions: assign({ padding: () => 'p'.repeat(probe.recordBytesMax) }) },
      DIE: { actions: assign(() => probe.die()) },
      ADD: {
        actions: [
          assign(({ context, event }) => note(context, event.mark)),
          ({ self, event, system }) => probe.acted(`${type}/${self.id}`, event.mark, epochOf(system).epoch),
          reply(({ context }) => shown(context)),
        ],
      },
    },
  })

/** What a relay makes of its `place`th mark, from 1 on. */
export const deedOf = (place: number): { readonly op: 'tell' | 'ask'; readonly sink: string } => ({
  op: place % 4 === 0 ? 'ask' : 'tell',
  sink: place % 7 === 3 ? nobody : `s${place % sinkCount}`,
})
export const sinkCount = 3
/** A sink that is not there. */
export const nobody = 'nobody'

const relayMachine = (probe: Probe) => {
  const sinkOf = ({ context }: { readonly context: JournalContext }) => ({
    type: 'sink',
    id: deedOf(context.marks.length).sink,
  })
  const markOf = ({ context, self }: { readonly context: JournalContext; readonly self: { readonly id: string } }) => ({
    type: 'ADD',
    mark: `${self.id}:${context.marks.length}`,
  })
  return setup({
    types,
    guards: { asks: ({ context }) => deedOf(context.marks.length + 1).op === 'ask' },
  }).createMachine({
    context: contextOf(probe),
    on: {
      ADD: [
        {
          guard: 'asks',
          actions: [
            assign(({ context, event }) => note(context, event.mark)),
            askActor(sinkOf, markOf, { onReply: 'ANSWERED', onError: 'REFUSED' }),
            reply(({ context }) => shown(context)),
          ],
        },
        {
          actions: [
            assign(({ context, event }) => note(context, event.mark)),
            sendToActor(sinkOf, markOf, { onError: 'REFUSED' }),
            reply(({ context }) => shown(context)),
          ],
        },
      ],
      ANSWERED: { actions: assign(({ context, event }) => hear(context, event.from, event.output.length)) },
      REFUSED: { actions: assign(({ context, event }) => hear(context, event.to, 'refused')) },
    },
  })
}

const timerMachine = (probe: Probe) =>
  setup({
    types: { ...types, context: {} as JournalContext & { delayMs: number } },
    delays: { armed: ({ context }) => context.delayMs },
  }).createMachine({
    context: (given) => ({ ...contextOf(probe)(given), delayMs: 0 }),
    initial: 'idle',
    on: {
      ARM: {
        target: '.armed',
        actions: assign(({ context, event, self }) => {
          probe.armed(`timer/${self.id}`, event.mark, event.delayMs)
          return {
            ...cancel(probe, context, self.id),
            ...note(context, event.mark),
            armed: event.mark,
            delayMs: event.delayMs,
          }
        }),
      },
    },
    states: {
      idle: {},
      armed: {
        on: { CANCEL: { target: 'idle', actions: assign(({ context, self }) => cancel(probe, context, self.id)) } },
        after: {
          armed: {
            target: 'idle',
            actions: assign(({ context, self }) => {
              probe.fired(`timer/${self.id}`, context.armed)
              return { fired: [...context.fired, context.armed], armed: '' }
            }),
          },
        },
      },
    },
  })

/** What is armed, if anything is, will not fire. */
function cancel(probe: Probe, { armed, cancelled }: JournalContext, id: string): Partial<JournalContext> {
  if (armed === '') return {}
  probe.cancelled(`timer/${id}`, armed)
  return { cancelled: [...cancelled, armed], armed: '' }
}

const holderMachine = (probe: Probe) => {
  const wait = (maxMs: number): Promise<void> => sleep(probe.clock, between(probe.random, 0, maxMs))
  const begin = async (): Promise<void> => {
    if (!probe.letsGoLate && probe.random.next() < 0.5) await wait(probe.stopMsMax)
  }
  const end = async (share: number): Promise<void> => {
    if (probe.letsGoLate) await sleep(probe.clock, probe.stopMsMax)
    else if (probe.random.next() < share) await wait(probe.stopMsMax)
  }
  const grip = held<() => void, { readonly actor: string }>({
    async start({ input, epoch, signal }) {
      await begin()
      signal.throwIfAborted()
      return probe.hold(input.actor, 'grip', epoch)
    },
    async stop(letGo) {
      await end(0.7)
      letGo()
    },
  })
  const work = fromPromise<number, { readonly actor: string }>(async ({ input, signal, system }) => {
    const letGo = probe.hold(input.actor, 'work', epochOf(system).epoch)
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    await Promise.race([wait(2_000), aborted])
    if (signal.aborted) await end(0.5)
    letGo()
    return 1
  })
  const input = ({ self }: { readonly self: { readonly id: string } }) => ({ actor: `holder/${self.id}` })
  return setup({ types, actors: { grip, work } }).createMachine({
    context: contextOf(probe),
    type: 'parallel',
    on: {
      ADD: {
        actions: [assign(({ context, event }) => note(context, event.mark)), reply(({ context }) => shown(context))],
      },
    },
    states: {
      grip: { invoke: { src: 'grip', input } },
      work: {
        initial: 'working',
        states: {
          working: {
            invoke: {
              src: 'work',
              input,
              onDone: {
                target: 'working',
                reenter: true,
                actions: assign({ done: ({ context }) => context.done + 1 }),
              },
            },
          },
        },
      },
    },
  })
}
