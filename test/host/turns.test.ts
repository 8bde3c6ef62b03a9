import test from 'ava'
import { assign, createMachine, emit, log, raise, setup } from 'xstate'
import type { ErrorCode } from '../../src/base/errors.ts'
import { limits } from '../../src/base/limits.ts'
import { decode, encode } from '../../src/protocol/codec.ts'
import { defineActor } from '../../src/runtime/definition.ts'
import { rehearse } from './rehearsal.ts'

const counting = (done: string[] = []) =>
  defineActor({
    type: 'counter',
    machine: setup({
      types: {
        context: {} as { n: number },
        input: {} as { from: number } | undefined,
        events: {} as { type: 'INC' } | { type: 'BREAK' } | { type: 'LOOP' } | { type: 'END' } | { type: 'LATER' },
      },
    }).createMachine({
      context: ({ input }) => ({ n: input!.from }),
      initial: 'open',
      entry: () => done.push('entered'),
      states: {
        open: {
          on: {
            INC: {
              actions: [assign({ n: ({ context }) => context.n + 1 }), ({ context }) => done.push(`n=${context.n}`)],
            },
            BREAK: {
              actions: [
                assign({ n: 99 }),
                () => done.push('broken'),
                assign(() => {
                  throw new Error('no')
                }),
              ],
            },
            LOOP: 'spin',
            END: 'over',
          },
        },
        closed: { on: { LATER: 'open' } },
        spin: { always: 'spun' },
        spun: { always: 'spin' },
        over: { type: 'final', entry: [() => done.push('over'), emit({ type: 'GONE' }), log('bye')] },
      },
      output: ({ context }) => ({ total: context.n }),
    }),
  })

test('effects run after perform, in order, and only then', (t) => {
  const done: string[] = []
  const r = rehearse(counting(done))
  const started = r.turn({ kind: 'start', input: encode({ from: 1 }) }, { commit: false })
  t.true(started.effects)
  const first = r.ask({ type: 'INC' }, { commit: false })
  const second = r.ask({ type: 'INC' }, { commit: false })
  t.deepEqual(done, [])
  r.host.perform('counter/a1', started.turn, 7)
  r.host.perform('counter/a1', first.turn, 7)
  t.deepEqual(done, ['entered', 'n=2'])
  r.host.perform('counter/a1', second.turn, 7)
  r.host.perform('counter/a1', second.turn, 7)
  t.deepEqual(done, ['entered', 'n=2', 'n=3'])
})

test('an ask without a reply of the machine answers the view after the turn', (t) => {
  const r = rehearse(counting())
  r.start({ from: 1 })
  const asked = r.ask({ type: 'INC' })
  t.true(asked.answerIsView)
  t.deepEqual(decode(asked.answer!), {
    handled: true,
    reply: { status: 'active', value: 'open', context: { n: 2 }, tags: [] },
  })
  t.is(r.tell({ type: 'INC' }).answer, undefined)
})

test('a transition that throws leaves nothing: no state, no effect, and the actor goes on', (t) => {
  const done: string[] = []
  const r = rehearse(counting(done))
  r.start({ from: 1 })
  const before = r.stored()
  const broken = r.ask({ type: 'BREAK' })
  t.is(broken.why?.code, 'ACTOR_FAILED')
  t.regex(broken.why!.message, /no$/)
  t.false(broken.changed)
  t.false(broken.effects)
  t.deepEqual(r.stored(), before)
  t.is(r.ask({ type: 'INC' }).said.context.n, 2)
  t.deepEqual(done, ['entered', 'n=2'])
})

test('an always loop ends as a failed turn', (t) => {
  const r = rehearse(counting())
  r.start({ from: 1 })
  t.is(r.ask({ type: 'LOOP' }).why?.code, 'ACTOR_FAILED')
  t.is(r.view().value, 'open')
})

test('a machine that raises itself for ever ends as a failed turn', (t) => {
  const machine = createMachine({ on: { GO: { actions: raise({ type: 'GO' }) } } })
  const r = rehearse(defineActor({ type: 'loop', machine }))
  r.start()
  t.is(r.ask({ type: 'GO' }).why?.code, 'ACTOR_FAILED')
})

test('an event without a transition in the present state is not handled, and changes nothing', (t) => {
  const r = rehearse(counting())
  r.start({ from: 1 })
  const asked = r.ask({ type: 'LATER' })
  t.deepEqual(asked.outcome, { kind: 'ran', handled: false })
  t.false(asked.changed)
  t.deepEqual(decode(asked.answer!), {
    handled: false,
    reply: { status: 'active', value: 'open', context: { n: 1 }, tags: [] },
  })
})

test('an event that only acts is handled, and a forbidden one is not', (t) => {
  const machine = createMachine({
    on: { ACT: { actions: () => {} }, GUARDED: { guard: () => false, actions: () => {} }, NO: {} },
  })
  const r = rehearse(defineActor({ type: 'acts', machine }))
  r.start()
  t.deepEqual(r.ask({ type: 'ACT' }).outcome, { kind: 'ran', handled: true })
  t.deepEqual(r.ask({ type: 'GUARDED' }).outcome, { kind: 'ran', handled: false })
  t.is(r.ask({ type: 'NO' }).why?.code, 'EVENT_REJECTED')
})

test('the final state has its output, its effects run, and no event comes after it', (t) => {
  const done: string[] = []
  const r = rehearse(counting(done))
  r.start({ from: 4 })
  const ended = r.ask({ type: 'END' })
  t.is(ended.status, 'done')
  t.deepEqual(ended.said.output, { total: 4 })
  t.deepEqual(done, ['entered', 'over'])
  t.deepEqual(r.emitted, [{ type: 'GONE' }])
  t.deepEqual(r.logs, [['bye']])
  t.is(r.ask({ type: 'INC' }).why?.code, 'ACTOR_DONE')
  r.move()
  t.deepEqual(r.view(), { status: 'done', value: 'over', context: { n: 4 }, tags: [], output: { total: 4 } })
  t.deepEqual(r.failures, [])
})

test('input that the machine cannot take fails the start, and nothing lives', (t) => {
  const r = rehearse(counting())
  const started = r.start()
  t.is(started.why?.code, 'ACTOR_FAILED')
  t.regex(started.why!.message, /input/)
  t.is(r.start({ from: 2 }).outcome.kind, 'ran')
  t.is(r.view().status, 'active')
})

test('an unknown type is refused', (t) => {
  const { host } = rehearse(counting())
  const result = host.take({
    actor: 'nobody/1',
    number: 1,
    epoch: 1,
    cause: { kind: 'start', input: encode(undefined) },
    wantsView: false,
  })
  t.like(result.outcome, { kind: 'failed', why: { code: 'TYPE_UNKNOWN' } })
})

const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)])

const poison: readonly (readonly [name: string, event: unknown, code: ErrorCode])[] = [
  ['nothing', undefined, 'BAD_REQUEST'],
  ['null', null, 'BAD_REQUEST'],
  ['a text', 'INC', 'BAD_REQUEST'],
  ['a list', [{ type: 'INC' }], 'BAD_REQUEST'],
  ['an object without a type', {}, 'BAD_REQUEST'],
  ['a type that is a number', { type: 5 }, 'BAD_REQUEST'],
  ['an empty type', { type: '' }, 'BAD_REQUEST'],
  ['the wildcard itself', { type: '*' }, 'BAD_REQUEST'],
  ["a child's error", { type: 'xstate.error.actor.foo', error: 1 }, 'BAD_REQUEST'],
  ['stop', { type: 'xstate.stop' }, 'BAD_REQUEST'],
  ['a timer', { type: 'xstate.after.1000.counter.open' }, 'BAD_REQUEST'],
  ['an unknown type', { type: 'NEVER' }, 'EVENT_REJECTED'],
  ['a type without end', { type: 'x'.repeat(limits.eventTypeLengthMax + 1) }, 'EVENT_REJECTED'],
  ['an error', new Error('INC'), 'BAD_REQUEST'],
  ['depth', deep(150), 'BAD_REQUEST'],
]

for (const [name, event, code] of poison)
  test(`an event that is ${name} is refused before it reaches the machine`, (t) => {
    const r = rehearse(counting())
    r.start({ from: 1 })
    t.is(r.ask(event).why?.code, code)
    t.is(r.ask({ type: 'INC' }).said.context.n, 2)
  })

test('bytes that are no event are refused', (t) => {
  const r = rehearse(counting())
  r.start({ from: 1 })
  const cause = { kind: 'event', event: new Uint8Array([0xc1, 0xff, 0x00]), request: 'r' } as const
  t.is(r.turn(cause).why?.code, 'BAD_REQUEST')
})

test('wildcards and prefixes are known events', (t) => {
  const any = rehearse(defineActor({ type: 'any', machine: createMachine({ on: { '*': { actions: () => {} } } }) }))
  any.start()
  t.is(any.ask({ type: 'WHATEVER' }).outcome.kind, 'ran')
  t.is(any.ask({ type: 'xstate.whatever' }).why?.code, 'BAD_REQUEST')
  const some = rehearse(
    defineActor({ type: 'some', machine: createMachine({ on: { 'mouse.*': { actions: () => {} } } }) }),
  )
  some.start()
  t.is(some.ask({ type: 'mouse.down.left' }).outcome.kind, 'ran')
  t.is(some.ask({ type: 'mouse' }).outcome.kind, 'ran')
  t.is(some.ask({ type: 'mousetrap' }).why?.code, 'EVENT_REJECTED')
})

test('an effect that throws or rejects is reported, and the others run', async (t) => {
  const done: string[] = []
  const boom = (): never => {
    throw new Error('at once')
  }
  const machine = createMachine({
    on: { GO: { actions: [boom, async () => Promise.reject(new Error('later')), () => done.push('fine')] } },
  })
  const r = rehearse(defineActor({ type: 'effects', machine }))
  r.start()
  t.is(r.ask({ type: 'GO' }).status, 'active')
  await r.settle()
  t.deepEqual(done, ['fine'])
  t.deepEqual(r.failures, ['at once', 'later'])
  t.is(r.view().status, 'active')
})

test('undo drops a turn and its effects; the actor wakes from what was stored before', (t) => {
  const done: string[] = []
  const r = rehearse(counting(done))
  r.start({ from: 1 })
  const first = r.ask({ type: 'INC' }, { commit: false })
  const stored = r.stored()
  const second = r.ask({ type: 'INC' }, { commit: false })
  r.host.undo('counter/a1', second.turn)
  r.host.perform('counter/a1', second.turn, 7)
  r.host.perform('counter/a1', first.turn, 7)
  t.deepEqual(done, ['entered', 'n=2'])
  const from = { stored, storedAtMs: 0 }
  const again = r.host.take({
    actor: 'counter/a1',
    number: 9,
    epoch: 1,
    cause: { kind: 'read' },
    from,
    wantsView: true,
  })
  t.like(decode(again.answer!), { context: { n: 2 } })
})

test('an actor that slept before a turn that fails sleeps on', (t) => {
  const r = rehearse(counting())
  r.start({ from: 1 })
  r.sleep(r.stored())
  t.is(r.ask({ type: 'NEVER' }).why?.code, 'EVENT_REJECTED')
  t.throws(() => r.host.store('counter/a1', 0), { message: /live/ })
  t.is(r.ask({ type: 'INC' }).said.context.n, 2)
})

test('a context that cannot be encoded is refused when it is stored', (t) => {
  const machine = createMachine({
    context: { held: null as unknown },
    on: { GRAB: { actions: assign({ held: () => Symbol('never') }) } },
  })
  const r = rehearse(defineActor({ type: 'grabs', machine }))
  r.start()
  t.is(r.tell({ type: 'GRAB' }).outcome.kind, 'ran')
  t.like(r.host.store('grabs/a1', 0), { code: 'ACTOR_FAILED' })
})

test('a definition says what is wrong with it', (t) => {
  const machine = createMachine({})
  t.throws(() => defineActor({ type: 'a b', machine }), { code: 'BAD_REQUEST' })
  t.throws(() => defineActor({ type: 'a', machine: {} as never }), { code: 'BAD_REQUEST' })
  t.throws(() => defineActor({ type: 'a', machine, version: 1.5 }), { code: 'BAD_REQUEST' })
  t.throws(() => defineActor({ type: 'a', machine, durability: 'eternal' as never }), { code: 'BAD_REQUEST' })
})
