/** Actors: what the nodes of a soak run: an actor module like any user's. Each keeps a journal of the marks that it was sent.
 *
 *      journal   durable; answers by itself; a plain action after each mark, told to the outside
 *      cache     the same without the action, volatile
 *      timer     one delayed transition at a time, armed by an event
 *      holder    holds a connection to the outside all the time, and shows its epoch there */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { assign, setup } from 'xstate'
import { defineActor, epochOf, held, reply } from '../../src/index.ts'
import { monotonicMs } from './clock.ts'
import type { Firing, TimerJournal } from './firing.ts'
import { emptyJournal, type Journal, noted, type Shown } from './journal.ts'
import { lineOf, portVariable, pulseMs, type Testimony, welcome } from './testimony.ts'

const port = Number(process.env[portVariable])

/** The line of this process; opened when it is first needed. */
let ownLine: Socket | undefined

function testify(said: Testimony): void {
  ownLine ??= openOwnLine()
  ownLine.write(lineOf(said))
}

function openOwnLine(): Socket {
  const line = connect(port, '127.0.0.1').setNoDelay(true)
  line.on('error', () => {})
  line.write(lineOf({ what: 'process', pid: process.pid }))
  setInterval(() => testify({ what: 'pulse', atMs: monotonicMs() }), pulseMs).unref()
  return line
}

testify({ what: 'pulse', atMs: monotonicMs() })

const types = {} as {
  context: Journal
  events:
    | { readonly type: 'ADD'; readonly mark: string }
    | { readonly type: 'ARM'; readonly mark: string; readonly delayMs: number }
  input: { readonly life: string }
}

const shown = ({ life, length, digest }: Journal): Shown => ({ life, length, digest })

export const journal = defineActor({
  type: 'journal',
  machine: setup({ types }).createMachine({
    context: ({ input }) => emptyJournal(input.life),
    on: {
      ADD: {
        actions: [
          assign(({ context, event }) => noted(context, event.mark)),
          ({ event, system }) => testify({ what: 'acted', ...epochOf(system), mark: event.mark, atMs: monotonicMs() }),
          reply(({ context }) => shown(context)),
        ],
      },
    },
  }),
})

export const cache = defineActor({
  type: 'cache',
  durability: 'volatile',
  machine: setup({ types }).createMachine({
    context: ({ input }) => emptyJournal(input.life),
    on: {
      ADD: {
        actions: [assign(({ context, event }) => noted(context, event.mark)), reply(({ context }) => shown(context))],
      },
    },
  }),
})

export const timer = defineActor({
  type: 'timer',
  machine: setup({
    types: { ...types, context: {} as TimerJournal },
    delays: { armed: ({ context }) => context.delayMs },
  }).createMachine({
    context: ({ input }) => ({ ...emptyJournal(input.life), armed: '', delayMs: 0, armedAtMs: 0, firings: [] }),
    initial: 'idle',
    states: {
      idle: {
        on: {
          ARM: {
            target: 'armed',
            actions: assign(({ context, event }) => ({
              ...noted(context, event.mark),
              armed: event.mark,
              delayMs: event.delayMs,
              armedAtMs: monotonicMs(),
            })),
          },
        },
      },
      armed: {
        after: {
          armed: {
            target: 'idle',
            actions: assign(({ context: { firings, armed: mark, delayMs, armedAtMs } }) => {
              const firing: Firing = { mark, delayMs, armedAtMs, firedAtMs: monotonicMs(), pid: process.pid }
              return { firings: [...firings, firing] }
            }),
          },
        },
      },
    },
  }),
})

const grip = held<Socket>({
  async start({ epoch, self, signal, sendBack }) {
    const line = connect(port, '127.0.0.1').setNoDelay(true)
    line.on('error', () => {})
    try {
      await once(line, 'connect', { signal })
      const { actor } = epochOf(self.system)
      line.write(lineOf({ what: 'hello', actor, epoch, pid: process.pid, atMs: monotonicMs() }))
      const [answer] = (await once(line, 'data', { signal })) as [Buffer]
      if (answer.toString() !== welcome) throw new Error(answer.toString().trim())
    } catch (thrown) {
      line.end(lineOf({ what: 'bye', atMs: monotonicMs() }))
      throw thrown
    }
    line.once('close', () => sendBack({ type: 'BROKEN' }))
    // The other side's end is heard by a line that is read.
    line.resume()
    return line
  },
  async stop(line) {
    if (line.destroyed) return
    line.end(lineOf({ what: 'bye', atMs: monotonicMs() }))
    await once(line, 'close')
  },
})

export const holder = defineActor({
  type: 'holder',
  releaseTimeoutMs: 2_000,
  machine: setup({
    types: { ...types, events: {} as (typeof types)['events'] | { readonly type: 'BROKEN' } },
    actors: { grip },
    delays: { aWhile: 300 },
  }).createMachine({
    context: ({ input }) => emptyJournal(input.life),
    initial: 'holding',
    on: {
      ADD: {
        actions: [assign(({ context, event }) => noted(context, event.mark)), reply(({ context }) => shown(context))],
      },
    },
    states: {
      holding: {
        invoke: { id: 'grip', src: 'grip', onError: 'broken' },
        on: { BROKEN: 'broken' },
      },
      broken: { after: { aWhile: 'holding' } },
    },
  }),
})
