import test from 'ava'
import { assign, cancel, createMachine, raise, sendTo, setup } from 'xstate'
import { decodeState } from '../../src/runtime/host-state.ts'
import type { StoredActor } from '../../src/protocol/turn.ts'
import { defineActor } from '../../src/runtime/definition.ts'
import { rehearse } from './rehearsal.ts'

const waiting = createMachine({
  context: { late: 0 },
  initial: 'idle',
  states: {
    idle: { on: { GO: 'wait' } },
    wait: {
      after: { 1000: 'late' },
      on: { CANCEL: 'idle', AGAIN: { target: 'wait', reenter: true }, NOTE: { actions: () => {} } },
    },
    late: { entry: assign({ late: ({ context }) => context.late + 1 }), on: { GO: 'wait' } },
  },
})
const waiter = () => defineActor({ type: 'waiter', machine: waiting })

test('a delayed transition is told to the core, and fires in a turn of its own', (t) => {
  const r = rehearse(waiter())
  t.is(r.start().dueInMs, undefined)
  t.is(r.ask({ type: 'GO' }).dueInMs, 1000)
  r.clock.advance(400)
  t.is(r.ask({ type: 'NOTE' }).dueInMs, 600)
  r.clock.advance(600)
  t.is(r.view().value, 'wait')
  const fired = r.turn({ kind: 'timers' })
  t.true(fired.changed)
  t.is(fired.dueInMs, undefined)
  t.is(r.view().value, 'late')
})

test('a timer turn before anything is due does nothing', (t) => {
  const r = rehearse(waiter())
  r.start()
  r.ask({ type: 'GO' })
  const early = r.turn({ kind: 'timers' })
  t.false(early.changed)
  t.is(early.dueInMs, 1000)
})

test('leaving the state disarms it, and entering again arms it anew', (t) => {
  const r = rehearse(waiter())
  r.start()
  r.ask({ type: 'GO' })
  r.clock.advance(900)
  t.is(r.ask({ type: 'CANCEL' }).dueInMs, undefined)
  t.is(r.ask({ type: 'GO' }).dueInMs, 1000)
  r.clock.advance(500)
  t.is(r.ask({ type: 'AGAIN' }).dueInMs, 1000)
  r.advance(999)
  t.is(r.view().value, 'wait')
  r.advance(1)
  t.is(r.view().value, 'late')
})

test('the commit holds what a turn arms, before its effects run', (t) => {
  const r = rehearse(waiter())
  r.start()
  r.turn({ kind: 'event', event: new Uint8Array(0), request: 'none' }, { commit: false })
  r.ask({ type: 'GO' }, { commit: false })
  t.is(r.stored().dueInMs, 1000)
  t.is(decodeState(r.stored().state).delays?.length, 1)
})

test('what remains of a delay is counted from the moment that is told, not from when the host comes to it', (t) => {
  const r = rehearse(waiter())
  r.start()
  r.ask({ type: 'GO' })
  const askedMs = r.clock.now().monoMs
  r.clock.advance(300)

  const stored = r.host.store('waiter/a1', askedMs) as StoredActor

  t.is(stored.dueInMs, 1000)
  t.like(decodeState(stored.state).delays, [{ leftMs: 1000 }])
})

test('the deadline survives storing and waking, also when it passes meanwhile', (t) => {
  const r = rehearse(waiter())
  r.start()
  r.ask({ type: 'GO' })
  r.clock.advance(300)
  r.move(200)
  t.is(r.ask({ type: 'NOTE' }).dueInMs, 500)
  r.move(0)
  r.advance(499)
  t.is(r.view().value, 'wait')
  r.move(5_000)
  t.is(r.ask({ type: 'NOTE' }).dueInMs, 0)
  r.turn({ kind: 'timers' })
  t.deepEqual(r.view().context, { late: 1 })
})

test('a restored delay is disarmed by leaving its state and armed anew by entering it', (t) => {
  const r = rehearse(waiter())
  r.start()
  r.ask({ type: 'GO' })
  r.move(500)
  t.is(r.ask({ type: 'CANCEL' }).dueInMs, undefined)
  r.move(500)
  t.is(r.ask({ type: 'GO' }).dueInMs, 1000)
})

test('a fired delay does not fire again after waking', (t) => {
  const r = rehearse(waiter())
  r.start()
  r.ask({ type: 'GO' })
  r.advance(1000)
  r.move(10_000)
  r.turn({ kind: 'timers' })
  t.deepEqual(r.view().context, { late: 1 })
})

test('all that is due fires in one turn, oldest first, and one may disarm the next', (t) => {
  const heard: string[] = []
  const note = (name: string) => () => void heard.push(name)
  const machine = createMachine({
    entry: [
      raise({ type: 'THIRD' }, { delay: 30, id: 'third' }),
      raise({ type: 'FIRST' }, { delay: 10 }),
      raise({ type: 'SECOND' }, { delay: 20 }),
      raise({ type: 'NEVER' }, { delay: 25, id: 'never' }),
    ],
    on: {
      FIRST: { actions: note('first') },
      SECOND: { actions: [note('second'), cancel('never')] },
      THIRD: { actions: note('third') },
      NEVER: { actions: note('never') },
    },
  })
  const r = rehearse(defineActor({ type: 'many', machine }))
  t.is(r.start().dueInMs, 10)
  r.clock.advance(1000)
  const fired = r.turn({ kind: 'timers' })
  t.deepEqual(heard, ['first', 'second', 'third'])
  t.is(fired.dueInMs, undefined)
})

test('a delay of nothing that arms itself again fires once a turn', (t) => {
  const machine = createMachine({
    context: { n: 0 },
    initial: 'a',
    states: {
      a: {
        after: {
          0: { target: 'a', reenter: true, actions: assign({ n: ({ context }) => context.n + 1 }) },
        },
      },
    },
  })
  const r = rehearse(defineActor({ type: 'spinner', machine }))
  r.start()
  t.is(r.turn({ kind: 'timers' }).dueInMs, 0)
  r.turn({ kind: 'timers' })
  t.deepEqual(r.view().context, { n: 2 })
})

test('a delayed event over which the machine throws is used up and reported, and the next one still fires', (t) => {
  const machine = createMachine({
    context: { n: 0 },
    entry: [raise({ type: 'BAD' }, { delay: 10 }), raise({ type: 'GOOD' }, { delay: 20 })],
    on: {
      BAD: {
        actions: assign(() => {
          throw new Error('bad timer')
        }),
      },
      GOOD: { actions: assign({ n: 1 }) },
    },
  })
  const r = rehearse(defineActor({ type: 'bad', machine }))
  r.start()
  r.clock.advance(50)
  const fired = r.turn({ kind: 'timers' })
  t.is(fired.outcome.kind, 'ran')
  t.true(fired.changed)
  t.deepEqual(r.failures, ['bad timer'])
  t.deepEqual(r.view().context, { n: 1 })
  r.move(1000)
  t.is(r.turn({ kind: 'timers' }).changed, false)
})

test('a transition that throws arms and disarms nothing', (t) => {
  const machine = createMachine({
    initial: 'a',
    states: {
      a: {
        after: { 100: 'b' },
        on: {
          BREAK: {
            target: 'c',
            actions: [
              raise({ type: 'X' }, { delay: 5 }),
              assign(() => {
                throw new Error('no')
              }),
            ],
          },
        },
      },
      b: {},
      c: {},
    },
  })
  const r = rehearse(defineActor({ type: 'breaks', machine }))
  r.start()
  t.is(r.ask({ type: 'BREAK' }).why?.code, 'ACTOR_FAILED')
  t.is(r.view().value, 'a')
  t.is(r.turn({ kind: 'read' }).dueInMs, 100)
})

test('waits of months are as good as any', (t) => {
  const months = 90 * 24 * 3_600_000
  const r = rehearse(
    defineActor({
      type: 'slow',
      machine: createMachine({ initial: 'a', states: { a: { after: { [months]: 'b' } }, b: {} } }),
    }),
  )
  t.is(r.start().dueInMs, months)
  r.move(months - 1)
  t.is(r.view().value, 'a')
  r.advance(1)
  t.is(r.view().value, 'b')
})

test('a dynamic delay and a delayed send to a child machine survive waking', (t) => {
  const kid = createMachine({ context: { n: 0 }, on: { POKE: { actions: assign({ n: 1 }) } } })
  const machine = setup({ actors: { kid }, delays: { soon: ({ context }) => context['ms'] as number } }).createMachine({
    context: { ms: 70 },
    invoke: { src: 'kid', id: 'kid' },
    entry: sendTo('kid', { type: 'POKE' }, { delay: 'soon' }),
  })
  const r = rehearse(defineActor({ type: 'pokes', machine }))
  t.is(r.start().dueInMs, 70)
  r.move(30)
  r.advance(40)
  r.move()
  const { machine: stored } = decodeState(r.stored().state) as { machine: any }
  t.deepEqual(stored.children.kid.snapshot.context, { n: 1 })
})

const lamp = createMachine({ initial: 'dark', states: { dark: { after: { 1000: 'lit' } }, lit: { type: 'final' } } })
const house = setup({ actors: { lamp } }).createMachine({
  initial: 'evening',
  states: {
    evening: { invoke: { src: 'lamp', id: 'lamp', onDone: 'night' }, on: { LEAVE: 'gone' } },
    night: {},
    gone: {},
  },
})

test('the delay of a nested child machine is stored with the turn that invokes it, and fires after waking', (t) => {
  const r = rehearse(defineActor({ type: 'house', machine: house }))
  const started = r.turn({ kind: 'start', input: new Uint8Array(0) }, { commit: false })
  t.is(started.dueInMs, 1000)
  t.false(started.live)
  r.move(600)
  r.advance(399)
  t.is(r.view().value, 'evening')
  r.advance(1)
  t.is(r.view().value, 'night')
})

test('a child machine that is stopped takes its delays with it', (t) => {
  const r = rehearse(defineActor({ type: 'house', machine: house }))
  r.start()
  r.move(600)
  t.is(r.ask({ type: 'LEAVE' }).dueInMs, undefined)
  t.is(decodeState(r.stored().state).delays, undefined)
})
