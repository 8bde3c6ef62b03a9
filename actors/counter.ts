/** Counter: the smallest actor with something to lose. Each INC adds one and is answered with the new count, once that is in
 *  the log: whoever holds the answer 7 will never see the counter below 7 again. */

import { assign, setup } from 'xstate'
import { defineActor, reply, type } from '../src/index.ts'

const machine = setup({
  types: {
    context: {} as { count: number },
    events: {} as { type: 'INC' },
    input: {} as { start: number } | undefined,
  },
}).createMachine({
  context: ({ input }) => ({ count: input?.start ?? 0 }),
  on: {
    INC: { actions: [assign({ count: ({ context }) => context.count + 1 }), reply(({ context }) => context.count)] },
  },
})

export const counter = defineActor({ type: 'counter', machine, replies: { INC: type<number>() } })
