import test from 'ava'
import { assign, fromPromise, setup } from 'xstate'
import { defineActor } from '../../src/runtime/definition.ts'
import { rehearse } from './rehearsal.ts'

const counting = (done: string[] = []) =>
  defineActor({
    type: 'v',
    durability: 'volatile',
    machine: setup({
      types: {
        input: {} as { from: number },
        context: {} as { n: number },
        events: {} as { type: 'INC' } | { type: 'END' },
      },
    }).createMachine({
      context: ({ input }) => ({ n: input.from }),
      entry: () => done.push('entered'),
      initial: 'on',
      states: {
        on: {
          after: { 1000: { actions: assign({ n: 1000 }) } },
          on: { INC: { actions: assign({ n: ({ context }) => context.n + 1 }) } },
        },
      },
    }),
  })

test('its stored state is whole, for packages', (t) => {
  const r = rehearse(counting())
  r.start({ from: 5 })
  r.ask({ type: 'INC' })
  t.is(r.stored().durability, 'volatile')
  r.move(400)
  t.like(r.view(), { context: { n: 6 } })
  r.move(0)
  t.is(r.turn({ kind: 'read' }).dueInMs, 600)
})

test('its seed holds its input alone: waking from it begins anew, with its first effects', (t) => {
  const done: string[] = []
  const r = rehearse(counting(done))
  r.start({ from: 5 })
  r.ask({ type: 'INC' })
  r.move()
  const seed = r.host.seed('v/a1')
  t.like(seed, { status: 'active', durability: 'volatile', live: true, dueInMs: undefined })
  r.sleep(seed)
  t.like(r.view(), { context: { n: 5 } })
  t.deepEqual(done, ['entered', 'entered'])
  t.is(r.turn({ kind: 'read' }).dueInMs, 1000)
  t.deepEqual(new Uint8Array(r.host.seed('v/a1').state), new Uint8Array(seed.state))
})

test('a seed whose first state acts by itself is live', (t) => {
  const quiet = setup({}).createMachine({ on: { GO: { actions: () => {} } } })
  const r = rehearse(defineActor({ type: 'q', durability: 'volatile', machine: quiet }))
  r.start()
  t.false(r.host.seed('q/a1').live)
  let runs = 0
  const busy = setup({ actors: { work: fromPromise(async () => void runs++) } }).createMachine({
    invoke: { src: 'work' },
  })
  const b = rehearse(defineActor({ type: 'b', durability: 'volatile', machine: busy }))
  b.start()
  const seed = b.host.seed('b/a1')
  t.true(seed.live)
  b.sleep(seed)
  b.view()
  t.is(runs, 2)
})

test('a seed of an actor that was over when it was lost stays over', (t) => {
  const r = rehearse(counting())
  r.start({ from: 5 })
  r.sleep({ ...r.host.seed('v/a1'), status: 'done', live: false })
  t.like(r.ask({ type: 'INC' }), { status: 'done', live: false, why: { code: 'ACTOR_DONE' } })
  t.is(r.turn({ kind: 'read' }).why?.code, 'ACTOR_DONE')
})
