/** Websocket: looks after one real websocket, wherever it lives. The connection is opened by whoever owns the actor and shows the
 *  actor's id and epoch when it asks to be let in, so that the other side can refuse an owner of the past. A planned move
 *  waits for the close handshake: the next owner does not meet its predecessor. A line that breaks is opened again. */

import { once } from 'node:events'
import { assign, sendTo, setup } from 'xstate'
import { WebSocket } from 'ws'
import { defineActor, epochOf, held, reply, type } from '../src/index.ts'

export interface WebsocketContext {
  readonly url: string
  /** Frames that it was told to send, and frames that it heard. */
  readonly sent: number
  readonly heard: number
  /** Why the line broke last; empty while it never did. */
  readonly trouble: string
}

type FromLine = { type: 'HEARD'; text: string } | { type: 'BROKEN'; why: string }

const openMsMax = 5_000
const closeMsMax = 2_000

const line = held<WebSocket, { url: string }>({
  async start({ input, self, epoch, signal, sendBack, receive }) {
    const { actor } = epochOf(self.system)
    const headers = { 'godwit-actor': encodeURIComponent(actor), 'godwit-epoch': `${epoch}` }
    const socket = new WebSocket(input.url, { headers, handshakeTimeout: openMsMax })
    const tell = (event: FromLine): void => sendBack(event)
    socket.on('error', () => {}) // 'open' fails or 'close' follows: heard there
    const opened = once(socket, 'open', { signal })
    receive((event) => void opened.then(() => socket.send(JSON.stringify({ epoch, text: event['text'] })), noLine))
    await opened.catch((thrown: unknown) => {
      socket.terminate()
      throw thrown
    })
    socket.on('message', (data: Buffer) => tell({ type: 'HEARD', text: data.toString() }))
    socket.once('close', (code, reason) => tell({ type: 'BROKEN', why: reason.toString() || `closed with ${code}` }))
    return socket
  },

  /** The close handshake: resolves once the other side has answered it, or will not. */
  async stop(socket) {
    if (socket.readyState === WebSocket.CLOSED) return
    socket.close(1000, 'moving')
    const giveUp = setTimeout(() => socket.terminate(), closeMsMax)
    await once(socket, 'close')
    clearTimeout(giveUp)
  },
})

/** The machine hears of it as the child's error. */
const noLine = (): void => {}

const machine = setup({
  types: {
    context: {} as WebsocketContext,
    events: {} as { type: 'SAY'; text: string } | FromLine,
    input: {} as { url: string },
  },
  actors: { line },
  delays: { aWhile: 500 },
  actions: {
    countSent: assign({ sent: ({ context }) => context.sent + 1 }),
    countHeard: assign({ heard: ({ context }) => context.heard + 1 }),
    noteTrouble: assign({ trouble: (_, { why }: { why: string }) => why }),
  },
}).createMachine({
  context: ({ input }) => ({ ...input, sent: 0, heard: 0, trouble: '' }),
  initial: 'online',
  states: {
    online: {
      invoke: {
        id: 'line',
        src: 'line',
        input: ({ context }) => ({ url: context.url }),
        onError: {
          target: 'offline',
          actions: { type: 'noteTrouble', params: ({ event }) => ({ why: (event.error as Error).message }) },
        },
      },
      on: {
        SAY: { actions: ['countSent', sendTo('line', ({ event }) => event), reply(({ context }) => context.sent)] },
        HEARD: { actions: 'countHeard' },
        BROKEN: { target: 'offline', actions: { type: 'noteTrouble', params: ({ event }) => ({ why: event.why }) } },
      },
    },
    offline: { after: { aWhile: 'online' } },
  },
})

export const websocket = defineActor({ type: 'websocket', machine, replies: { SAY: type<number>() } })
