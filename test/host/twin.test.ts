/** The oracle: plain XState on its own clock. A machine that is stored, forgotten and woken between any two events, and whose turns
 *  are undone at random, must not be told from one that simply ran. */

import test from 'ava'
import {
  assign,
  cancel,
  createActor,
  createMachine,
  raise,
  sendParent,
  sendTo,
  setup,
  SimulatedClock,
  spawnChild,
  stopChild,
} from 'xstate'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { decode, encode } from '../../src/protocol/codec.ts'
import { defineActor } from '../../src/runtime/definition.ts'
import { decodeState } from '../../src/runtime/host-state.ts'
import { rehearse } from './rehearsal.ts'

const blinker = createMachine({
  context: { blinks: 0 },
  initial: 'dark',
  states: {
    dark: { after: { 7: 'lit' } },
    lit: {
      entry: [assign({ blinks: ({ context }) => context['blinks'] + 1 }), sendParent({ type: 'BLINK' })],
      after: {
        4: [{ guard: ({ context }) => context['blinks'] >= 3, target: 'worn' }, { target: 'dark' }],
      },
    },
    worn: { type: 'final' },
  },
  output: ({ context }) => context['blinks'],
})

const kid = createMachine({
  context: { age: 0 },
  on: {
    GROW: {
      actions: [assign({ age: ({ context }) => context['age'] + 1 }), raise({ type: 'SNEEZE' }, { delay: 9 })],
    },
    SNEEZE: {
      actions: [assign({ age: ({ context }) => -context['age'] }), sendParent({ type: 'ADD', by: 1 })],
    },
  },
})

const more = (by: number) => assign({ n: ({ context }: { context: { n: number } }) => context.n + by }) as never

const machine = setup({
  types: { context: {} as { n: number; kid: boolean; output: unknown }, tags: {} as 'busy' | 'quiet' },
  actors: { blinker, kid },
}).createMachine({
  context: { n: 0, kid: false, output: null },
  type: 'parallel',
  output: ({ context }) => context.n,
  on: {
    ADD: { actions: [assign({ n: ({ context, event }) => context.n + event['by'] }), raise({ type: 'CHECK' })] },
    DELAYED: { actions: [cancel('d'), raise({ type: 'ADD', by: 100 }, { delay: 15, id: 'd' })] },
    CANCEL: { actions: cancel('d') },
    BLINK: { actions: more(1000) },
    SPAWN: { guard: ({ context }) => !context.kid, actions: [spawnChild('kid', { id: 'kid' }), assign({ kid: true })] },
    GROW: { guard: ({ context }) => context.kid, actions: sendTo('kid', { type: 'GROW' }) },
    PART: { actions: [stopChild('kid'), assign({ kid: false })] },
  },
  states: {
    walk: {
      initial: 'a',
      states: {
        a: { on: { NEXT: 'b' } },
        b: { tags: 'busy', after: { 10: 'c' }, on: { NEXT: { target: 'b', reenter: true } } },
        c: { always: { guard: ({ context }) => context.n % 3 === 0, target: 'a' }, on: { CHECK: 'd' } },
        d: { initial: 'd1', onDone: 'a', states: { d1: { after: { 5: 'd2' } }, d2: { type: 'final' } } },
      },
    },
    lamp: {
      initial: 'off',
      states: {
        off: { on: { TOGGLE: 'on.remembered' } },
        on: {
          initial: 'low',
          on: { TOGGLE: 'off' },
          states: {
            low: { on: { UP: 'high' }, tags: 'quiet' },
            high: { on: { DOWN: 'low' }, after: { 20: 'low' } },
            remembered: { type: 'history' },
          },
        },
      },
    },
    job: {
      initial: 'idle',
      states: {
        idle: { on: { START: 'running' } },
        running: {
          invoke: {
            src: 'blinker',
            id: 'blinker',
            onDone: { target: 'idle', actions: assign({ output: ({ event }) => event.output }) },
          },
          on: { STOP: 'idle', START: { target: 'running', reenter: true } },
        },
      },
    },
  },
})

const events = [
  { type: 'ADD', by: 1 },
  { type: 'ADD', by: 2 },
  ...[
    'DELAYED',
    'CANCEL',
    'SPAWN',
    'GROW',
    'GROW',
    'PART',
    'NEXT',
    'NEXT',
    'TOGGLE',
    'UP',
    'DOWN',
    'START',
    'START',
    'STOP',
  ].map((type) => ({ type })),
]

type Step =
  | { readonly kind: 'event'; readonly event: { readonly type: string } }
  | { readonly kind: 'wait'; readonly ms: number }

const drawStep = (random: Random): Step =>
  random.next() < 0.6
    ? { kind: 'event', event: events[Math.floor(random.next() * events.length)]! }
    : { kind: 'wait', ms: Math.floor(random.next() * 14) }

const definition = defineActor({ type: 'walk', machine })

function runBoth(
  seed: number,
  steps: number,
  check: (real: unknown, twin: unknown, story: readonly string[]) => void,
): void {
  const random = seededRandom(seed)
  const r = rehearse(definition)
  const clock = new SimulatedClock()
  const twin = createActor(machine, { clock }).start()
  r.start()
  const story: string[] = []
  for (let n = 0; n < steps; n++) {
    const step = drawStep(random)
    story.push(step.kind === 'event' ? step.event.type : `+${step.ms}`)
    if (step.kind === 'event') {
      if (random.next() < 0.2) {
        const stored = r.stored()
        const { turn } = r.ask(step.event, { commit: false })
        r.host.undo('walk/a1', turn)
        r.sleep(stored)
      }
      r.ask(step.event)
      twin.send(step.event)
    } else {
      r.advance(step.ms)
      for (let ms = 0; ms < step.ms; ms++) clock.increment(1)
    }
    check(decodeState(r.stored().state).machine, decode(encode(twin.getPersistedSnapshot())), story)
    if (random.next() < 0.9) r.move()
  }
  twin.stop()
}

test('100 random lives are those of plain XState', (t) => {
  for (let seed = 1; seed <= 100; seed++)
    runBoth(seed, 60, (real, twin, story) => t.deepEqual(real, twin, `seed ${seed}: ${story.join(' ')}`))
})
