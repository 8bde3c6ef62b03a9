/** The actors that integration tests and stories run: an actor module like any user's. */

import { once } from 'node:events'
import { assign, setup } from 'xstate'
import { WebSocket } from 'ws'
import { sleep, systemClock } from '../../src/base/clock.ts'
import { askActor, defineActor, held, reply, sendToActor } from '../../src/index.ts'

/** Counts. `OPEN` is known, and has no transition in the state `open`. */
export const counter = defineActor({
  type: 'counter',
  machine: setup({
    types: {
      context: {} as { n: number },
      input: {} as { start?: number } | undefined,
      events: {} as
        | { type: 'INC' }
        | { type: 'ADD'; by: number }
        | { type: 'CLOSE' }
        | { type: 'OPEN' }
        | { type: 'END' },
    },
  }).createMachine({
    context: ({ input }) => ({ n: input?.start ?? 0 }),
    initial: 'open',
    on: {
      INC: { actions: [assign({ n: ({ context }) => context.n + 1 }), reply(({ context }) => context.n)] },
      ADD: { actions: assign({ n: ({ context, event }) => context.n + event.by }) },
      END: '.over',
    },
    states: {
      open: { tags: 'busy', on: { CLOSE: 'closed' } },
      closed: { on: { OPEN: 'open' } },
      over: { type: 'final' },
    },
    output: ({ context }) => ({ total: context.n }),
  }),
})

/** Rings once, so long after it was armed, and notes both moments. */
export const alarm = defineActor({
  type: 'alarm',
  machine: setup({
    types: {
      context: {} as { delayMs: number; armedAtMs: number; rungAtMs: number },
      events: {} as { type: 'ARM'; delayMs: number },
    },
    delays: { ring: ({ context }) => context.delayMs },
  }).createMachine({
    context: { delayMs: 0, armedAtMs: 0, rungAtMs: 0 },
    initial: 'idle',
    states: {
      idle: {
        on: {
          ARM: { target: 'armed', actions: assign(({ event }) => ({ delayMs: event.delayMs, armedAtMs: Date.now() })) },
        },
      },
      armed: { after: { ring: { target: 'rung', actions: assign({ rungAtMs: () => Date.now() }) } } },
      rung: {},
    },
  }),
})

/** Does everything wrong that a machine can do. */
export const faulty = defineActor({
  type: 'faulty',
  machine: setup({
    types: {
      context: {} as { n: number },
      events: {} as { type: 'INC' | 'ASSIGN' | 'GUARD' | 'ACT' | 'LOOP' | 'STORE' },
    },
  }).createMachine({
    context: { n: 0 },
    initial: 'well',
    states: {
      well: {
        on: {
          INC: { actions: [assign({ n: ({ context }) => context.n + 1 }), reply(({ context }) => context.n)] },
          ASSIGN: { actions: assign({ n: () => fail('in an assign') }) },
          GUARD: { guard: () => fail('in a guard'), target: 'spin' },
          ACT: { actions: [assign({ n: ({ context }) => context.n + 1 }), () => fail('in an action')] },
          STORE: { actions: assign({ n: () => Symbol('not for storing') as never }) },
          LOOP: 'spin',
        },
      },
      spin: { always: 'spun' },
      spun: { always: 'spin' },
    },
  }),
})

/** Needs an input with a name. */
export const picky = defineActor({
  type: 'picky',
  machine: setup({
    types: { context: {} as { name: string }, input: {} as { name: string }, events: {} as { type: 'NOP' } },
  }).createMachine({
    context: ({ input }) => ({ name: input.name.toUpperCase() }),
    on: { NOP: { actions: () => {} } },
  }),
})

/** Has a state of `bytes` bytes, and counts beside it. */
export const bulky = defineActor({
  type: 'bulky',
  machine: setup({
    types: {
      context: {} as { n: number; load: string },
      input: {} as { bytes: number },
      events: {} as { type: 'INC' } | { type: 'GROW'; bytes: number },
    },
  }).createMachine({
    context: ({ input }) => ({ n: 0, load: 'x'.repeat(input.bytes) }),
    on: {
      INC: { actions: [assign({ n: ({ context }) => context.n + 1 }), reply(({ context }) => context.n)] },
      GROW: { actions: [assign({ load: ({ event }) => 'x'.repeat(event.bytes) }), reply(({ event }) => event.bytes)] },
    },
  }),
})

export interface SocketInput {
  readonly url: string
  readonly actor: string
  /** What letting go waits for besides the socket: so long, or for ever. */
  readonly stopMs?: number | 'never'
  /** Sends a frame by itself this often, whatever the machine does. */
  readonly frameMs?: number
}

interface Line {
  readonly ws: WebSocket
  readonly stopMs: number | 'never'
  readonly frames: NodeJS.Timeout | undefined
}

/** Holds a websocket, tells its epoch with everything that it sends, and takes its time to let go. */
const socket = held<Line, SocketInput>({
  start: async ({ input, epoch, signal }) => {
    const ws = new WebSocket(input.url)
    ws.on('error', () => {})
    await once(ws, 'open', { signal })
    const say = (what: string): void => ws.send(JSON.stringify({ what, actor: input.actor, epoch, pid: process.pid }))
    say('hello')
    const frames = input.frameMs === undefined ? undefined : setInterval(() => say('frame'), input.frameMs)
    return { ws, frames, stopMs: input.stopMs ?? 0 }
  },
  stop: async ({ ws, frames, stopMs }) => {
    clearInterval(frames)
    if (stopMs === 'never') await new Promise(() => {})
    else if (stopMs > 0) await sleep(systemClock, stopMs)
    if (ws.readyState === WebSocket.CLOSED) return
    ws.close()
    await once(ws, 'close')
  },
})

export const holder = defineActor({
  type: 'holder',
  releaseTimeoutMs: 2_000,
  machine: setup({
    types: {
      context: {} as { input: SocketInput; n: number },
      input: {} as SocketInput,
      events: {} as { type: 'INC' },
    },
    actors: { socket },
  }).createMachine({
    context: ({ input }) => ({ input, n: 0 }),
    invoke: { id: 'socket', src: 'socket', input: ({ context }) => context.input },
    on: { INC: { actions: [assign({ n: ({ context }) => context.n + 1 }), reply(({ context }) => context.n)] } },
  }),
})

function fail(where: string): never {
  throw new Error(`thrown ${where}`)
}

/** Tells one of five sinks of each `INC`, and asks it how much it has every fifth time. */
export const relay = defineActor({
  type: 'relay',
  machine: setup({
    types: {
      context: {} as { n: number; heard: readonly number[] },
      events: {} as { type: 'INC' } | { type: 'COUNTED'; output: number },
    },
  }).createMachine({
    context: { n: 0, heard: [] },
    on: {
      INC: [
        {
          guard: ({ context }) => context.n % 5 === 4,
          actions: [
            assign({ n: ({ context }) => context.n + 1 }),
            sendToActor(
              ({ context }) => sinkOf(context.n),
              ({ context, self }) => ({ type: 'MARK', from: self.id, k: context.n }),
            ),
            askActor(({ context }) => sinkOf(context.n), { type: 'COUNT' }, { onReply: 'COUNTED' }),
            reply(({ context }) => context.n),
          ],
        },
        {
          actions: [
            assign({ n: ({ context }) => context.n + 1 }),
            sendToActor(
              ({ context }) => sinkOf(context.n),
              ({ context, self }) => ({ type: 'MARK', from: self.id, k: context.n }),
            ),
            reply(({ context }) => context.n),
          ],
        },
      ],
      COUNTED: { actions: assign({ heard: ({ context, event }) => [...context.heard, event.output] }) },
    },
  }),
})

export const sink = defineActor({
  type: 'sink',
  machine: setup({
    types: {
      context: {} as { marks: readonly string[] },
      events: {} as { type: 'MARK'; from: string; k: number } | { type: 'COUNT' },
    },
  }).createMachine({
    context: { marks: [] },
    on: {
      MARK: { actions: assign({ marks: ({ context, event }) => [...context.marks, `${event.from} ${event.k}`] }) },
      COUNT: { actions: reply(({ context }) => context.marks.length) },
    },
  }),
})

function sinkOf(n: number): { type: string; id: string } {
  return { type: 'sink', id: `s${n % 5}` }
}
