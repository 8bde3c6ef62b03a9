import test from 'ava'
import { type ActorSystem, assign, createActor, createMachine, fromCallback, fromPromise, sendTo, setup } from 'xstate'
import { limits } from '../../src/base/limits.ts'
import { defineActor } from '../../src/runtime/definition.ts'
import { held } from '../../src/runtime/held.ts'
import { epochOf } from '../../src/runtime/host-stage.ts'
import { deferred, rehearse } from './rehearsal.ts'

/** A line that notes what happens to it; `opening` and `closing` hold its start and stop up while they are there. */
function lines() {
  const noted: string[] = []
  const gates: { opening?: Promise<void>; closing?: Promise<void> } = {}
  let opened = 0
  const line = held<number, { to: string }>({
    start: async ({ input, epoch, signal, sendBack, receive }) => {
      const n = ++opened
      noted.push(`open ${n} ${input.to} ${epoch}`)
      signal.addEventListener('abort', () => void noted.push(`abort ${n}`))
      receive((event) => void noted.push(`${event.type} ${n}`))
      await gates.opening
      sendBack({ type: 'UP', n })
      return n
    },
    stop: async (n) => {
      noted.push(`closing ${n}`)
      await gates.closing
      noted.push(`closed ${n}`)
    },
  })
  const machine = setup({ actors: { line } }).createMachine({
    context: { up: 0, why: '' },
    initial: 'on',
    on: { UP: { actions: assign({ up: ({ event }) => event['n'] }) } },
    states: {
      on: {
        invoke: {
          src: 'line',
          id: 'line',
          input: { to: 'x' },
          onError: { target: 'off', actions: assign({ why: ({ event }) => (event.error as Error).message }) },
        },
        on: { OFF: 'off', AGAIN: { target: 'on', reenter: true }, SAY: { actions: sendTo('line', { type: 'say' }) } },
      },
      off: {},
    },
  })
  return { noted, gates, definition: defineActor({ type: 'phone', machine }) }
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('it is taken hold of, spoken to, and let go by turns', async (t) => {
  const { noted, definition } = lines()
  const r = rehearse(definition)
  t.true(r.start().live)
  await r.settle()
  t.like(r.view(), { context: { up: 1 } })
  r.ask({ type: 'SAY' })
  r.ask({ type: 'OFF' })
  await r.settle()
  t.deepEqual(noted, ['open 1 x 7', 'say 1', 'abort 1', 'closing 1', 'closed 1'])
  t.false(r.stored().live)
})

test('release waits for its asynchronous stop', async (t) => {
  const { noted, gates, definition } = lines()
  const r = rehearse(definition)
  r.start()
  await r.settle()
  const closing = deferred<void>()
  gates.closing = closing.promise
  const released = r.host.release(['phone/a1'], 1000)
  await tick()
  t.deepEqual(noted.slice(1), ['abort 1', 'closing 1'])
  closing.resolve()
  t.deepEqual(await released, [])
  t.is(noted.at(-1), 'closed 1')
})

test('release names the actors that have not let go in time', async (t) => {
  const { gates, definition } = lines()
  const r = rehearse(definition)
  r.start()
  await r.settle()
  const closing = deferred<void>()
  gates.closing = closing.promise
  const released = r.host.release(['phone/a1'], 1000)
  r.clock.advance(1000)
  t.deepEqual(await released, ['phone/a1'])
  closing.resolve()
})

test('a stop that fails is reported, and does not hold a release up', async (t) => {
  const { gates, definition } = lines()
  const r = rehearse(definition)
  r.start()
  await r.settle()
  gates.closing = Promise.reject(new Error('would not close'))
  gates.closing.catch(() => {})
  t.deepEqual(await r.host.release(['phone/a1'], 1000), [])
  t.deepEqual(r.failures, ['would not close'])
})

test('a start that is under way when it is stopped is stopped when it is done', async (t) => {
  const { noted, gates, definition } = lines()
  const opening = deferred<void>()
  gates.opening = opening.promise
  const r = rehearse(definition)
  r.start()
  await tick()
  const released = r.host.release(['phone/a1'], 1000)
  await tick()
  t.deepEqual(noted, ['open 1 x 7', 'abort 1'])
  opening.resolve()
  t.deepEqual(await released, [])
  t.deepEqual(noted.slice(2), ['closing 1', 'closed 1'])
})

test('a start that fails is an error that the machine hears', async (t) => {
  const { noted, gates, definition } = lines()
  gates.opening = Promise.reject(new Error('no line'))
  gates.opening.catch(() => {})
  const r = rehearse(definition)
  r.start()
  await r.settle()
  t.like(r.view(), { value: 'off', context: { why: 'no line' } })
  t.deepEqual(noted, ['open 1 x 7'])
  t.deepEqual(await r.host.release(['phone/a1'], 1000), [])
})

test('where its actor wakes it starts again from its input, once its predecessor on this node has let go', async (t) => {
  const { noted, gates, definition } = lines()
  const r = rehearse(definition)
  r.start()
  await r.settle()
  const closing = deferred<void>()
  gates.closing = closing.promise
  r.move()
  await tick()
  t.deepEqual(noted, ['open 1 x 7', 'abort 1', 'closing 1'])
  closing.resolve()
  await r.settle()
  t.deepEqual(noted.slice(3), ['closed 1', 'open 2 x 8'])
  t.like(r.view(), { context: { up: 2 } })
})

test('entering its state again starts it again only after its stop', async (t) => {
  const { noted, definition } = lines()
  const r = rehearse(definition)
  r.start()
  await r.settle()
  r.ask({ type: 'AGAIN' })
  await r.settle()
  t.deepEqual(noted, ['open 1 x 7', 'abort 1', 'closing 1', 'closed 1', 'open 2 x 7'])
})

test('release waits for promises that were aborted and still run', async (t) => {
  const work = deferred<void>()
  let aborted = false
  const machine = setup({
    actors: {
      work: fromPromise(async ({ signal }) => {
        signal.addEventListener('abort', () => void (aborted = true))
        await work.promise
      }),
    },
  }).createMachine({ invoke: { src: 'work' } })
  const r = rehearse(defineActor({ type: 'works', machine }))
  r.start()
  const released = r.host.release(['works/a1'], 1000)
  t.true(aborted)
  let over = false
  void released.then(() => void (over = true))
  await tick()
  t.false(over)
  work.resolve()
  t.deepEqual(await released, [])
})

test('several actors are released at the same time', async (t) => {
  const { definition, gates } = lines()
  const closing = deferred<void>()
  const clock = rehearse(definition)
  clock.start()
  gates.closing = closing.promise
  await clock.settle()
  const released = clock.host.release(['phone/a1', 'phone/none'], 1000)
  closing.resolve()
  t.deepEqual(await released, [])
})

test('after a release, actions of committed turns still run; what needs the machine does not', async (t) => {
  const done: string[] = []
  const machine = setup({ actors: { line: fromCallback(() => void done.push('line')) } }).createMachine({
    initial: 'a',
    states: { a: { on: { GO: 'b' } }, b: { entry: () => done.push('action'), invoke: { src: 'line' } } },
  })
  const r = rehearse(defineActor({ type: 'late', machine }))
  r.start()
  const { turn } = r.ask({ type: 'GO' }, { commit: false })
  await r.host.release(['late/a1'], 1000)
  r.host.perform('late/a1', turn, 7)
  t.deepEqual(done, ['action'])
})

test('forget stops everything at once and drops all effects', async (t) => {
  const { noted, definition } = lines()
  const r = rehearse(definition)
  r.start()
  await r.settle()
  const { turn } = r.ask({ type: 'SAY' }, { commit: false })
  r.host.forget('phone/a1')
  r.host.perform('phone/a1', turn, 7)
  await tick()
  t.deepEqual(noted, ['open 1 x 7', 'abort 1', 'closing 1', 'closed 1'])
})

test('under plain XState it starts and stops as any child', async (t) => {
  const { noted, definition } = lines()
  const actor = createActor(definition.machine).start()
  await tick()
  actor.send({ type: 'OFF' })
  await tick()
  t.deepEqual(noted, ['open 1 x 0', 'abort 1', 'closing 1', 'closed 1'])
})

test('actions, promises and callbacks see the epoch of their owner', async (t) => {
  const seen: unknown[] = []
  const see = ({ system }: { system: ActorSystem<any> }) => void seen.push(epochOf(system))
  const machine = setup({
    actors: {
      promise: fromPromise(async ({ system }) => see({ system })),
      callback: fromCallback(({ system }) => see({ system })),
    },
  }).createMachine({
    initial: 'a',
    states: { a: { entry: see, invoke: [{ src: 'promise' }, { src: 'callback' }], on: { GO: { actions: see } } } },
  })
  const r = rehearse(defineActor({ type: 'sees', machine }))
  r.start()
  t.deepEqual(
    seen,
    [1, 2, 3].map(() => ({ epoch: 7, actor: 'sees/a1' })),
  )
  r.move()
  await r.settle()
  t.deepEqual(seen.at(-1), { epoch: 8, actor: 'sees/a1' })
  createActor(createMachine({ entry: see })).start()
  t.deepEqual(seen.at(-1), { epoch: 0, actor: '' })
})

/** A line whose start is held up before it listens. */
function listening() {
  const heard: number[] = []
  const gate = deferred<void>()
  const line = held({
    start: async ({ receive }) => {
      await gate.promise
      receive((event) => void heard.push(event['n'] as number))
    },
    stop: () => {},
  })
  const machine = setup({ actors: { line } }).createMachine({
    context: { why: '' },
    invoke: {
      src: 'line',
      id: 'line',
      onError: { actions: assign({ why: ({ event }) => (event.error as { code: string }).code }) },
    },
    entry: sendTo('line', { type: 'say', n: 0 }),
    on: { SAY: { actions: sendTo('line', ({ event }) => ({ type: 'say', n: event['n'] as number })) } },
  })
  return { heard, gate, rehearsal: rehearse(defineActor({ type: 'phone', machine })) }
}

test('what the machine sends before the start listens is heard then, in order', async (t) => {
  const { heard, gate, rehearsal: r } = listening()
  r.start()
  r.ask({ type: 'SAY', n: 1 })
  await r.settle()
  r.ask({ type: 'SAY', n: 2 })
  t.deepEqual(heard, [])
  gate.resolve()
  await r.settle()
  r.ask({ type: 'SAY', n: 3 })
  t.deepEqual(heard, [0, 1, 2, 3])
})

test('a child that is sent too much before it starts fails, and the machine hears it', async (t) => {
  const { heard, rehearsal: r } = listening()
  r.start()
  for (let n = 1; n <= limits.heldEventsMax; n++) r.ask({ type: 'SAY', n })
  await r.settle()
  t.like(r.view(), { context: { why: 'OVERLOADED' } })
  t.deepEqual(heard, [])
})
