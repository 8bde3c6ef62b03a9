/** Reminder: says something once, when its time has come, wherever it lives by then. The delay counts from the spawn and keeps
 *  running through moves and crashes: a node that dies takes no reminder with it, and the next owner fires what fell due
 *  meanwhile. */

import { assign, setup } from 'xstate'
import { defineActor } from '../src/index.ts'

export interface ReminderContext {
  readonly text: string
  readonly delayMs: number
  /** Wall clocks of the nodes it lived on at the time: for people, never for deciding. */
  readonly armedAtMs: number
  readonly firedAtMs: number | null
  readonly fires: number
}

const machine = setup({
  types: {
    context: {} as ReminderContext,
    events: {} as { type: 'REARM'; delayMs: number } | { type: 'CANCEL' },
    input: {} as { text: string; delayMs: number },
  },
  delays: { theDelay: ({ context }) => context.delayMs },
  actions: {
    noteFiring: assign({ fires: ({ context }) => context.fires + 1, firedAtMs: () => Date.now() }),
  },
}).createMachine({
  context: ({ input }) => ({ ...input, armedAtMs: Date.now(), firedAtMs: null, fires: 0 }),
  initial: 'armed',
  on: {
    REARM: {
      target: '.armed',
      reenter: true,
      actions: assign({ delayMs: ({ event }) => event.delayMs, armedAtMs: () => Date.now() }),
    },
  },
  states: {
    armed: {
      after: { theDelay: 'fired' },
      on: { CANCEL: 'cancelled' },
    },
    fired: { entry: 'noteFiring' },
    cancelled: {},
  },
})

export const reminder = defineActor({ type: 'reminder', machine })
