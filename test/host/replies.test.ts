import test from 'ava'
import { assign, createActor, enqueueActions, fromPromise, setup } from 'xstate'
import { decode } from '../../src/protocol/codec.ts'
import { defineActor } from '../../src/runtime/definition.ts'
import { keepReply, reply, type ReplyToken } from '../../src/runtime/reply.ts'
import { deferred, rehearse } from './rehearsal.ts'

const orders: ReturnType<typeof deferred<string>>[] = []

const kitchen = setup({
  types: {
    context: {} as { orders: number; for: ReplyToken | null },
    events: {} as
      | { type: 'COUNT' }
      | { type: 'NAMED' }
      | { type: 'QUEUED' }
      | { type: 'TWICE' }
      | { type: 'FIXED' }
      | { type: 'BAD' }
      | { type: 'CYCLE' }
      | { type: 'COOK' }
      | { type: 'NOBODY' },
  },
  actors: {
    cook: fromPromise(async () => {
      const order = deferred<string>()
      orders.push(order)
      return order.promise
    }),
  },
  actions: { answerCount: reply(({ context }) => context.orders) },
}).createMachine({
  context: { orders: 0, for: null },
  initial: 'open',
  on: {
    COUNT: {
      actions: [assign({ orders: ({ context }) => context.orders + 1 }), reply(({ context }) => context.orders)],
    },
    NAMED: { actions: 'answerCount' },
    QUEUED: { actions: enqueueActions(({ enqueue }) => enqueue(reply('queued'))) },
    TWICE: { actions: [reply('first'), reply('second')] },
    FIXED: { actions: reply({ fixed: true }) },
    BAD: {
      actions: [
        reply('never heard'),
        assign(() => {
          throw new Error('no')
        }),
      ],
    },
    CYCLE: { actions: reply(() => Symbol('never') as unknown as string) },
    NOBODY: { actions: reply('late', { to: ({ context }) => context.for }) },
  },
  states: {
    open: { on: { COOK: { target: 'cooking', actions: assign({ for: keepReply() }) } } },
    cooking: {
      invoke: {
        src: 'cook',
        onDone: { target: 'open', actions: reply(({ event }) => event.output, { to: ({ context }) => context.for }) },
      },
    },
  },
})
const definition = defineActor({ type: 'kitchen', machine: kitchen })

const answers = [
  ['an expression of the context as it is then', 'COUNT', 1],
  ['a named action', 'NAMED', 0],
  ['an enqueued action', 'QUEUED', 'queued'],
  ['the last of two', 'TWICE', 'second'],
  ['a value', 'FIXED', { fixed: true }],
] as const

for (const [name, type, said] of answers)
  test(`the machine answers with ${name}`, (t) => {
    const r = rehearse(definition)
    r.start()
    const asked = r.ask({ type })
    t.deepEqual(asked.said, said)
    t.false(asked.answerIsView)
    t.deepEqual(asked.outcome, { kind: 'ran', handled: true })
    t.false(asked.effects)
  })

test('the answer of a transition that throws is not given', (t) => {
  const r = rehearse(definition)
  r.start()
  const asked = r.ask({ type: 'BAD' })
  t.is(asked.why?.code, 'ACTOR_FAILED')
  t.is(asked.answer, undefined)
})

test('an answer that cannot be encoded fails the turn', (t) => {
  const r = rehearse(definition)
  r.start()
  t.regex(r.ask({ type: 'CYCLE' }).why!.message, /cannot be encoded/)
})

test('a kept request is answered by a later turn, also after a move', async (t) => {
  const r = rehearse(definition)
  r.start()
  const asked = r.ask({ type: 'COOK' }, { request: 'order-1' })
  t.true(asked.kept)
  t.is(asked.answer, undefined)
  r.move()
  orders.at(-1)!.resolve('soup')
  await new Promise((resolve) => setImmediate(resolve))
  const served = r.turn({ kind: 'internal' }, { wantsView: false })
  t.is(served.answer, undefined)
  t.deepEqual(
    served.answers.map(({ request, answer }) => [request, decode(answer)]),
    [['order-1', { handled: true, reply: 'soup' }]],
  )
})

test('keeping and answering in one turn is answering', (t) => {
  const machine = setup({ types: { context: {} as { token: ReplyToken | null } } }).createMachine({
    context: { token: null },
    on: { GO: { actions: [assign({ token: keepReply() }), reply('now', { to: ({ context }) => context.token })] } },
  })
  const r = rehearse(defineActor({ type: 'now', machine }))
  r.start()
  const asked = r.ask({ type: 'GO' })
  t.false(asked.kept)
  t.is(asked.said, 'now')
})

test('a reply to nobody is nothing', (t) => {
  const r = rehearse(definition)
  r.start()
  const asked = r.ask({ type: 'NOBODY' })
  t.deepEqual(asked.answers, [])
  t.true(asked.answerIsView)
})

test('under plain XState replies do nothing', (t) => {
  const actor = createActor(kitchen).start()
  for (const type of ['COUNT', 'NAMED', 'QUEUED', 'FIXED', 'COOK'] as const) actor.send({ type })
  t.deepEqual(actor.getSnapshot().context, { orders: 1, for: '' as ReplyToken })
  actor.stop()
})
