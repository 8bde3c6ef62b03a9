import test from 'ava'
import {
  type AnyEventObject,
  assign,
  createMachine,
  enqueueActions,
  fromCallback,
  fromEventObservable,
  fromObservable,
  fromPromise,
  fromTransition,
  sendParent,
  sendTo,
  setup,
  spawnChild,
  stopChild,
} from 'xstate'
import { decodeState } from '../../src/runtime/host-state.ts'
import { defineActor } from '../../src/runtime/definition.ts'
import { reply } from '../../src/runtime/reply.ts'
import { deferred, rehearse } from './rehearsal.ts'

/** A machine that loads something, and what becomes of each load. */
function loading() {
  const loads: ReturnType<typeof deferred<unknown>>[] = []
  const aborted: boolean[] = []
  const load = fromPromise<unknown, { n: number }>(({ signal }) => {
    const end = deferred<unknown>()
    const index = loads.push(end) - 1
    aborted[index] = false
    signal.addEventListener('abort', () => void (aborted[index] = true))
    return end.promise
  })
  const machine = setup({ actors: { load } }).createMachine({
    context: { got: null, why: null },
    initial: 'idle',
    states: {
      idle: { on: { LOAD: 'loading' } },
      loading: {
        invoke: {
          src: 'load',
          id: 'load',
          input: { n: 1 },
          onDone: { target: 'idle', actions: assign({ got: ({ event }) => event.output }) },
          onError: { target: 'idle', actions: assign({ why: ({ event }) => (event.error as Error).message }) },
        },
        on: { STOP: 'idle', NOTE: { actions: () => {} } },
      },
    },
  })
  return { loads, aborted, definition: defineActor({ type: 'loader', machine }) }
}

test('a promise starts with the effects of its turn, and its end is a turn of its own', async (t) => {
  const { loads, definition } = loading()
  const r = rehearse(definition)
  t.false(r.start().live)
  const asked = r.ask({ type: 'LOAD' }, { commit: false })
  t.true(asked.live)
  t.is(loads.length, 0)
  r.host.perform('loader/a1', asked.turn, 7)
  t.is(loads.length, 1)
  loads[0]!.resolve('gold')
  await Promise.resolve()
  t.is(r.view().value, 'loading')
  await r.settle()
  t.like(r.view(), { value: 'idle', context: { got: 'gold' } })
  t.false(r.turn({ kind: 'read' }).live)
})

test('a promise that is left is aborted with the effects of that turn, and its end is nobody’s', async (t) => {
  const { loads, aborted, definition } = loading()
  const r = rehearse(definition)
  r.start()
  r.ask({ type: 'LOAD' })
  const left = r.ask({ type: 'STOP' }, { commit: false })
  t.false(left.live)
  t.deepEqual(aborted, [false])
  r.host.perform('loader/a1', left.turn, 7)
  t.deepEqual(aborted, [true])
  loads[0]!.resolve('late')
  await r.settle()
  t.like(r.view(), { value: 'idle', context: { got: null } })
})

test('effects are performed in order, however late: a promise that was left meanwhile runs and is aborted', (t) => {
  const { loads, aborted, definition } = loading()
  const r = rehearse(definition)
  r.start()
  const entered = r.ask({ type: 'LOAD' }, { commit: false })
  const left = r.ask({ type: 'STOP' }, { commit: false })
  r.host.perform('loader/a1', entered.turn, 7)
  t.is(loads.length, 1)
  t.deepEqual(aborted, [false])
  r.host.perform('loader/a1', left.turn, 7)
  t.deepEqual(aborted, [true])
})

test('undo lets go of a child whose stop was never performed', (t) => {
  const { loads, aborted, definition } = loading()
  const r = rehearse(definition)
  r.start()
  r.ask({ type: 'LOAD' })
  const left = r.ask({ type: 'STOP' }, { commit: false })
  r.host.undo('loader/a1', left.turn)
  t.is(loads.length, 1)
  t.deepEqual(aborted, [true])
})

test('an unfinished promise runs again where its actor wakes', async (t) => {
  const { loads, aborted, definition } = loading()
  const r = rehearse(definition)
  r.start()
  r.ask({ type: 'LOAD' })
  t.true(r.stored().live)
  r.move()
  t.is(loads.length, 2)
  t.deepEqual(aborted, [true, false])
  loads[1]!.resolve('silver')
  await r.settle()
  t.like(r.view(), { value: 'idle', context: { got: 'silver' } })
})

test('a promise that ended before its machine heard it is not run again, and its word is not lost', async (t) => {
  const { loads, definition } = loading()
  const r = rehearse(definition)
  r.start()
  r.ask({ type: 'LOAD' })
  loads[0]!.resolve('gold')
  while (r.waiting() === 0) await new Promise((resolve) => setImmediate(resolve))
  t.is(r.ask({ type: 'NOTE' }).said.value, 'loading')
  r.move()
  t.is(r.waiting(), 1)
  t.true(r.stored().live)
  await r.settle()
  t.is(loads.length, 1)
  t.like(r.view(), { value: 'idle', context: { got: 'gold' } })
})

test('a promise that failed before its machine heard it keeps its error', async (t) => {
  const { loads, definition } = loading()
  const r = rehearse(definition)
  r.start()
  r.ask({ type: 'LOAD' })
  loads[0]!.reject(new TypeError('no gold'))
  while (r.waiting() === 0) await new Promise((resolve) => setImmediate(resolve))
  r.move()
  await r.settle()
  t.like(r.view(), { value: 'idle', context: { why: 'no gold' } })
})

test('an output that cannot be stored is an error of the child', async (t) => {
  const { loads, definition } = loading()
  const r = rehearse(definition)
  r.start()
  r.ask({ type: 'LOAD' })
  loads[0]!.resolve(Symbol('never'))
  await r.settle()
  t.regex((r.view().context as { why: string }).why, /cannot be encoded/)
  t.is(r.failures.length, 1)
})

test('what a child holds and nobody can encode does not keep the actor from being stored', async (t) => {
  const values = fromPromise(async () => Symbol('never'))
  const machine = setup({ actors: { values } }).createMachine({
    context: { n: 0 },
    invoke: { src: 'values', id: 'values', onError: { actions: assign({ n: 1 }) } },
    on: { NOTE: { actions: assign({ n: 2 }) } },
  })
  const r = rehearse(defineActor({ type: 'values', machine }))
  r.start()
  while (r.waiting() === 0) await new Promise((resolve) => setImmediate(resolve))
  r.ask({ type: 'NOTE' })
  r.move()
  await r.settle()
  t.like(r.view(), { status: 'active', context: { n: 1 } })
})

test('an error that cannot be encoded does not keep the actor from being stored', async (t) => {
  const fails = fromPromise(async () => Promise.reject({ socket: Symbol('x') }))
  const machine = setup({ actors: { fails } }).createMachine({ invoke: { src: 'fails' } })
  const r = rehearse(defineActor({ type: 'fails', machine }))
  r.start()
  await r.settle()
  t.is(r.view().status, 'error')
  r.move()
  t.is(r.view().status, 'error')
})

test('a child that fails with nobody listening is the end of the machine, as a status and not as a throw', async (t) => {
  const fails = fromPromise(async () => Promise.reject(new Error('no net')))
  const machine = setup({ actors: { fails } }).createMachine({ invoke: { src: 'fails' } })
  const r = rehearse(defineActor({ type: 'fails', machine }))
  r.start()
  await new Promise((resolve) => setImmediate(resolve))
  const heard = r.turn({ kind: 'internal' })
  t.is(heard.status, 'error')
  t.is(heard.outcome.kind, 'ran')
  t.deepEqual(r.failures, ['no net'])
  t.is((r.view().error as Error).message, 'no net')
  r.move()
  t.is((r.view().error as Error).message, 'no net')
  t.is(r.ask({ type: 'X' }).why?.code, 'ACTOR_FAILED')
  t.deepEqual(r.failures, ['no net'])
})

test('a callback starts, hears and stops with the effects of turns', (t) => {
  const heard: string[] = []
  const line = fromCallback<AnyEventObject, { to: string }>(({ input, receive }) => {
    heard.push(`open ${input.to}`)
    receive((event) => void heard.push(event.type))
    return () => void heard.push('close')
  })
  const machine = setup({ actors: { line } }).createMachine({
    initial: 'off',
    states: {
      off: { on: { ON: 'on' } },
      on: {
        invoke: { src: 'line', id: 'line', input: { to: 'x' } },
        entry: sendTo('line', { type: 'hello' }),
        exit: sendTo('line', { type: 'bye' }),
        on: { SAY: { actions: sendTo('line', { type: 'said' }) }, OFF: 'off' },
      },
    },
  })
  const r = rehearse(defineActor({ type: 'phone', machine }))
  r.start()
  const turns = [{ type: 'ON' }, { type: 'SAY' }, { type: 'OFF' }].map((event) => r.ask(event, { commit: false }).turn)
  t.deepEqual(heard, [])
  for (const turn of turns.slice(0, 2)) r.host.perform('phone/a1', turn, 7)
  t.deepEqual(heard, ['open x', 'hello', 'said'])
  r.host.perform('phone/a1', turns[2]!, 7)
  t.deepEqual(heard, ['open x', 'hello', 'said', 'bye', 'close'])
})

test('a callback that speaks while it starts is heard in a later turn, also when it starts by waking', async (t) => {
  const line = fromCallback(({ sendBack }) => sendBack({ type: 'UP' }))
  const machine = setup({ actors: { line } }).createMachine({
    context: { ups: 0 },
    invoke: { src: 'line' },
    on: { UP: { actions: assign({ ups: ({ context }) => context['ups'] + 1 }) } },
  })
  const r = rehearse(defineActor({ type: 'phone', machine }))
  r.start()
  t.like(r.view(), { context: { ups: 0 } })
  await r.settle()
  t.like(r.view(), { context: { ups: 1 } })
  r.move()
  await r.settle()
  t.like(r.view(), { context: { ups: 2 } })
})

test('a callback that throws while it starts, or later, is an error of the child', async (t) => {
  let closed = 0
  const bad = fromCallback<AnyEventObject, { now: boolean }>(({ input, receive }) => {
    if (input.now) throw new Error('at once')
    receive(() => {
      throw new Error('later')
    })
    return () => void closed++
  })
  const onError = { actions: assign({ why: ({ event }: any) => (event.error as Error).message }) } as never
  const machine = setup({ actors: { bad } }).createMachine({
    context: { why: '' },
    initial: 'a',
    states: {
      a: { invoke: { src: 'bad', input: { now: true }, onError }, on: { NEXT: 'b' } },
      b: {
        invoke: { src: 'bad', id: 'b', input: { now: false }, onError },
        on: { POKE: { actions: sendTo('b', { type: 'X' }) } },
      },
    },
  })
  const r = rehearse(defineActor({ type: 'bad', machine }))
  r.start()
  await r.settle()
  t.like(r.view(), { context: { why: 'at once' } })
  r.ask({ type: 'NEXT' })
  r.ask({ type: 'POKE' })
  await r.settle()
  t.like(r.view(), { status: 'active', context: { why: 'later' } })
  t.is(closed, 1)
  t.false(r.stored().live)
})

test('observables speak in turns of their own, and let go of their subscription', async (t) => {
  let subscribed = 0
  let next: (value: number) => void = () => {}
  const source = {
    subscribe(observer: any) {
      subscribed++
      next = (value) => observer.next(value)
      observer.next(1)
      return { unsubscribe: () => void subscribed-- }
    },
  }
  const ticks = fromObservable(() => source as never)
  const events = fromEventObservable(() => ({
    subscribe(observer: any) {
      observer.next({ type: 'EVENT' })
      return { unsubscribe() {} }
    },
  }))
  const machine = setup({ actors: { ticks, events } }).createMachine({
    context: { last: 0, events: 0 },
    initial: 'on',
    states: {
      on: {
        invoke: [
          {
            src: 'ticks',
            onSnapshot: { actions: assign({ last: ({ event }) => (event.snapshot as any).context ?? 0 }) },
          },
          { src: 'events' },
        ],
        on: { OFF: 'off', EVENT: { actions: assign({ events: ({ context }) => context.events + 1 }) } },
      },
      off: {},
    },
  })
  const r = rehearse(defineActor({ type: 'ticks', machine }))
  r.start()
  await r.settle()
  t.like(r.view(), { context: { last: 1, events: 1 } })
  next(5)
  t.like(r.view(), { context: { last: 1 } })
  r.move()
  t.is(subscribed, 1)
  await r.settle()
  next(6)
  await r.settle()
  t.like(r.view(), { context: { last: 6, events: 2 } })
  r.ask({ type: 'OFF' })
  t.is(subscribed, 0)
})

const player = createMachine({
  context: { n: 0 },
  on: {
    PING: { actions: [assign({ n: ({ context }) => context['n'] + 1 }), sendParent({ type: 'PONG' })] },
    ASK: { actions: reply('from the child') },
    FALL: {
      actions: assign(() => {
        throw new Error('fell')
      }),
    },
  },
})

test('what a machine and its child machines tell one another is part of the turn', (t) => {
  const machine = setup({ actors: { player } }).createMachine({
    context: { pongs: 0 },
    invoke: { src: 'player', id: 'player' },
    on: {
      SERVE: { actions: sendTo('player', { type: 'PING' }) },
      PONG: { actions: assign({ pongs: ({ context }) => context.pongs + 1 }) },
    },
  })
  const r = rehearse(defineActor({ type: 'game', machine }))
  r.start()
  t.deepEqual(r.ask({ type: 'SERVE' }).said.context, { pongs: 1 })
  r.move()
  t.deepEqual(r.ask({ type: 'SERVE' }).said.context, { pongs: 2 })
  t.is((decodeState(r.stored().state).machine as any).children.player.snapshot.context.n, 2)
  t.is(r.waiting(), 0)
})

test('a child machine may answer the ask', (t) => {
  const machine = setup({ actors: { player } }).createMachine({
    invoke: { src: 'player', id: 'player' },
    on: { ASK: { actions: sendTo('player', { type: 'ASK' }) } },
  })
  const r = rehearse(defineActor({ type: 'game', machine }))
  r.start()
  t.is(r.ask({ type: 'ASK' }).said, 'from the child')
})

test('a child machine that throws has failed, and its parent hears it in the same turn', (t) => {
  const machine = setup({ actors: { player } }).createMachine({
    initial: 'on',
    states: {
      on: {
        invoke: { src: 'player', id: 'player', onError: 'alone' },
        on: { FALL: { actions: sendTo('player', { type: 'FALL' }) } },
      },
      alone: {},
    },
  })
  const r = rehearse(defineActor({ type: 'game', machine }))
  r.start()
  const asked = r.ask({ type: 'FALL' })
  t.is(asked.outcome.kind, 'ran')
  t.is(asked.said.value, 'alone')
})

test('an event of a child machine over which its parent throws is reported, and the turn stands', (t) => {
  const machine = setup({ actors: { player } }).createMachine({
    context: { served: 0 },
    invoke: { src: 'player', id: 'player' },
    on: {
      SERVE: { actions: [assign({ served: ({ context }) => context.served + 1 }), sendTo('player', { type: 'PING' })] },
      PONG: {
        actions: assign(() => {
          throw new Error('no pong')
        }),
      },
    },
  })
  const r = rehearse(defineActor({ type: 'game', machine }))
  r.start()
  t.deepEqual(r.ask({ type: 'SERVE' }).said.context, { served: 1 })
  t.deepEqual(r.failures, ['no pong'])
  t.is((decodeState(r.stored().state).machine as any).children.player.snapshot.context.n, 1)
})

test('Maps, Sets, dates, errors and big integers of a context are found again where it wakes', (t) => {
  const context = {
    map: new Map<unknown, unknown>([
      ['a', { inner: new Map([[1, new Date(5)]]) }],
      [{ key: 1 }, [new Map()]],
    ]),
    set: new Set([1]),
    big: 2n ** 60n,
    none: undefined,
    list: [1, { deep: new Map([['x', 'y']]) }],
  }
  const machine = createMachine({ context: () => structuredClone(context), on: { GO: { actions: () => {} } } })
  const r = rehearse(defineActor({ type: 'rich', machine }))
  r.start()
  r.move()
  r.move()
  t.deepEqual((decodeState(r.stored().state).machine as any).context, context)
})

test('machines that send each other events for ever do not hold the node', (t) => {
  const machine = setup({ actors: { player } }).createMachine({
    context: { pongs: 0 },
    invoke: { src: 'player', id: 'player' },
    on: {
      '*': { actions: [assign({ pongs: ({ context }) => context.pongs + 1 }), sendTo('player', { type: 'PING' })] },
    },
  })
  const r = rehearse(defineActor({ type: 'game', machine }))
  r.start()
  const asked = r.ask({ type: 'SERVE' })
  t.is(asked.outcome.kind, 'ran')
  t.is(r.failures.length, 1)
  t.regex(r.failures[0]!, /more than 1000 events in one turn/)
})

test('a spawned reducer and a spawned machine are stored, and their references in the context come back', (t) => {
  const sum = fromTransition(
    (state: { n: number }, event: AnyEventObject) => ({ n: state.n + (event['by'] as number) }),
    { n: 0 },
  )
  const machine = setup({ actors: { sum, player } }).createMachine({
    context: ({ spawn }) => ({ sum: spawn('sum', { id: 'sum' }), players: [spawn('player', { id: 'p1' })] }),
    on: {
      ADD: {
        actions: [
          sendTo(({ context }) => context.sum, { type: 'ADD', by: 2 } as AnyEventObject),
          sendTo('p1', { type: 'PING' }),
        ],
      },
      PONG: {},
      MORE: { actions: spawnChild('player', { id: 'p2' }) },
      LESS: { actions: stopChild('p2') },
    },
  })
  const r = rehearse(defineActor({ type: 'spawns', machine }))
  r.start()
  r.ask({ type: 'ADD' })
  r.ask({ type: 'MORE' })
  r.move()
  r.ask({ type: 'ADD' })
  const { children } = decodeState(r.stored().state).machine as any
  t.deepEqual(children.sum.snapshot.context, { n: 4 })
  t.is(children.p1.snapshot.context.n, 2)
  t.deepEqual(Object.keys(children).toSorted(), ['p1', 'p2', 'sum'])
  t.deepEqual(r.view().context, { sum: { xstate$$type: 1, id: 'sum' }, players: [{ xstate$$type: 1, id: 'p1' }] })
  r.ask({ type: 'LESS' })
  t.is((decodeState(r.stored().state).machine as any).children.p2, undefined)
})

test('an event sent to a child machine by an effect is a turn of the child', async (t) => {
  const machine = setup({ actors: { player } }).createMachine({
    invoke: { src: 'player', id: 'player' },
    on: { GO: { actions: ({ self }) => self.getSnapshot().children['player']!.send({ type: 'PING' }) }, PONG: {} },
  })
  const r = rehearse(defineActor({ type: 'game', machine }))
  r.start()
  r.ask({ type: 'GO' })
  t.is(r.waiting(), 1)
  r.move()
  await r.settle()
  t.is((decodeState(r.stored().state).machine as any).children.player.snapshot.context.n, 1)
})

/** A machine whose child machine has a promise. */
function nesting() {
  const loads: ReturnType<typeof deferred<string>>[] = []
  const aborted: number[] = []
  const load = fromPromise<string>(({ signal }) => {
    const end = deferred<string>()
    const n = loads.push(end)
    signal.addEventListener('abort', () => void aborted.push(n))
    return end.promise
  })
  const inner = setup({ actors: { load } }).createMachine({
    context: { got: '' },
    initial: 'loading',
    states: {
      loading: {
        invoke: { src: 'load', onDone: { target: 'loaded', actions: assign({ got: ({ event }) => event.output }) } },
      },
      loaded: { type: 'final' },
    },
    output: ({ context }) => context['got'],
  })
  const machine = setup({ actors: { inner } }).createMachine({
    context: { got: '' },
    initial: 'on',
    states: {
      on: {
        invoke: {
          src: 'inner',
          id: 'inner',
          onDone: { target: 'off', actions: assign({ got: ({ event }) => event.output }) },
        },
        on: { OFF: 'off' },
      },
      off: { on: { ON: 'on' } },
    },
  })
  return { loads, aborted, definition: defineActor({ type: 'nests', machine }) }
}

test('the promise of a child machine speaks to that machine, also over a move', async (t) => {
  const { loads, definition } = nesting()
  const r = rehearse(definition)
  t.true(r.start().live)
  loads[0]!.resolve('deep')
  while (r.waiting() === 0) await new Promise((resolve) => setImmediate(resolve))
  r.move()
  await r.settle()
  t.is(loads.length, 1)
  t.like(r.view(), { value: 'off', context: { got: 'deep' } })
  t.false(r.stored().live)
})

test('a child machine that is stopped lets go of its own children with the effects of that turn', (t) => {
  const { aborted, definition } = nesting()
  const r = rehearse(definition)
  r.start()
  const left = r.ask({ type: 'OFF' }, { commit: false })
  t.false(left.live)
  t.deepEqual(aborted, [])
  r.host.perform('nests/a1', left.turn, 7)
  t.deepEqual(aborted, [1])
  const { turn } = r.ask({ type: 'ON' }, { commit: false })
  r.host.undo('nests/a1', turn)
  t.deepEqual(aborted, [1])
})

test('a machine cannot stop itself from an action', (t) => {
  const machine = createMachine({ on: { STOP: { actions: ({ self }) => self.stop() }, GO: { actions: () => {} } } })
  const r = rehearse(defineActor({ type: 'stops', machine }))
  r.start()
  r.ask({ type: 'STOP' })
  t.regex(r.failures[0]!, /cannot stop itself/)
  t.is(r.ask({ type: 'GO' }).status, 'active')
})

test('inline logic: an invoked one is stored by its place, a spawned one fails the turn and says what to do', async (t) => {
  const machine = createMachine({
    initial: 'a',
    states: {
      a: { invoke: { src: fromPromise(async () => 'x'), onDone: 'b' } },
      b: {
        on: {
          SPAWN: { actions: assign({ ref: ({ spawn }) => spawn(fromPromise(async () => 'y')) }) },
          QUEUE: { actions: enqueueActions(({ enqueue }) => enqueue.spawnChild(fromPromise(async () => 'z'))) },
        },
      },
    },
  })
  const r = rehearse(defineActor({ type: 'inline', machine }))
  r.start()
  r.move()
  await r.settle()
  t.is(r.view().value, 'b')
  for (const type of ['SPAWN', 'QUEUE']) t.regex(r.ask({ type }).why!.message, /name it in setup/)
  t.is(r.stored().live, false)
})

test('a child without a source fails the turn, in every build of XState', (t) => {
  const machine = createMachine({ initial: 'a', states: { a: { on: { GO: 'b' } }, b: { invoke: { src: 'nobody' } } } })
  const r = rehearse(defineActor({ type: 'nobody', machine }))
  r.start()
  t.regex(r.ask({ type: 'GO' }).why!.message, /does not name/)
  t.is(r.view().value, 'a')
})

test('a child with a systemId can be entered again, also after a transition that threw', (t) => {
  const machine = setup({ actors: { player } }).createMachine({
    initial: 'a',
    context: { n: 0 },
    states: {
      a: {
        invoke: { src: 'player', id: 'player', systemId: 'star' },
        on: {
          AGAIN: { target: 'a', reenter: true },
          BREAK: {
            target: 'a',
            reenter: true,
            actions: assign(() => {
              throw new Error('no')
            }),
          },
          PING: { actions: sendTo(({ system }) => system.get('star'), { type: 'PING' }) },
          PONG: { actions: assign({ n: ({ context }) => context.n + 1 }) },
          LEAVE: 'b',
        },
      },
      b: { entry: () => {}, on: { BACK: 'a' } },
    },
  })
  const r = rehearse(defineActor({ type: 'stars', machine }))
  r.start()
  for (const type of ['AGAIN', 'PING', 'AGAIN', 'LEAVE', 'BACK', 'PING'])
    t.is(r.ask({ type }).outcome.kind, 'ran', type)
  t.is(r.ask({ type: 'BREAK' }).why?.code, 'ACTOR_FAILED')
  t.like(r.ask({ type: 'PING' }).said, { context: { n: 3 } })
  r.move()
  t.like(r.ask({ type: 'PING' }).said, { context: { n: 4 } })
  t.is(r.ask({ type: 'AGAIN' }).outcome.kind, 'ran')
})

test('a state that does not fit the machine is refused, and given back as it came', (t) => {
  const old = createMachine({ initial: 'gone', states: { gone: {} } })
  const first = rehearse(defineActor({ type: 'v', machine: old }))
  first.start()
  const stored = first.stored()
  const next = createMachine({ initial: 'here', states: { here: { on: { X: {}, GO: { actions: () => {} } } } } })
  const second = rehearse(defineActor({ type: 'v', machine: next }))
  second.sleep(stored)
  t.is(second.ask({ type: 'GO' }).why?.code, 'ACTOR_FAILED')
  t.regex(second.ask({ type: 'GO' }).why!.message, /does not fit/)
  t.deepEqual(second.host.store('v/a1', 0), stored)
})

test('a state whose child has no source any more is refused', (t) => {
  const with1 = setup({ actors: { player } }).createMachine({ invoke: { src: 'player', id: 'player' } })
  const first = rehearse(defineActor({ type: 'v', machine: with1 }))
  first.start()
  const second = rehearse(defineActor({ type: 'v', machine: createMachine({ on: { GO: { actions: () => {} } } }) }))
  second.sleep(first.stored())
  t.regex(second.ask({ type: 'GO' }).why!.message, /no source for child player/)
})

test('a state of a newer version is not opened', (t) => {
  const machine = createMachine({ on: { GO: { actions: () => {} } } })
  const newer = rehearse(defineActor({ type: 'v', machine, version: 2 }))
  newer.start()
  const older = rehearse(defineActor({ type: 'v', machine }))
  older.sleep(newer.stored())
  t.regex(older.ask({ type: 'GO' }).why!.message, /version 2/)
  const newest = rehearse(defineActor({ type: 'v', machine, version: 3 }))
  newest.sleep(newer.stored())
  t.is(newest.ask({ type: 'GO' }).outcome.kind, 'ran')
})
