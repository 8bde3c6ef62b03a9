/** What a user's editor must know. The compiler is the test: a line after `@ts-expect-error` that compiles is an error. */

import test from 'ava'
import { expectTypeOf } from 'expect-type'
import { assign, createMachine, enqueueActions, fromPromise, setup } from 'xstate'
import {
  type ActorDefinition,
  type ContextOf,
  defineActor,
  type EventOf,
  type InputOf,
  type ReplyOf,
  type SchemaType,
  type,
  type ViewOf,
} from '../../src/runtime/definition.ts'
import { held } from '../../src/runtime/held.ts'
import { keepReply, reply, type ReplyToken } from '../../src/runtime/reply.ts'

const machine = setup({
  types: {
    context: {} as { count: number; asked: ReplyToken | null },
    input: {} as { start: number },
    events: {} as { type: 'INC' } | { type: 'ADD'; by: number } | { type: 'NAME' } | { type: 'LOAD' },
    output: {} as { total: number },
    tags: {} as 'busy',
  },
  actors: {
    load: fromPromise<string, { url: string }>(async ({ input }) => input.url),
    line: held<{ close(): void }, { to: string }>({
      start: async ({ input, epoch, signal, sendBack }) => {
        expectTypeOf(input).toEqualTypeOf<{ to: string }>()
        expectTypeOf(epoch).toEqualTypeOf<number>()
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
        sendBack({ type: 'ANY' })
        return { close() {} }
      },
      stop: (handle) => handle.close(),
    }),
  },
  actions: {
    answer: reply(({ context }) => context.count),
    answerAdded: reply(({ event }) => (event.type === 'ADD' ? event.by : 0)),
  },
}).createMachine({
  context: ({ input }) => ({ count: input.start, asked: null }),
  initial: 'idle',
  output: ({ context }) => ({ total: context.count }),
  states: {
    idle: {
      on: {
        INC: {
          actions: [assign({ count: ({ context }) => context.count + 1 }), reply(({ context }) => context.count)],
        },
        ADD: { actions: reply(({ context, event }) => context.count + event.by) },
        NAME: { actions: enqueueActions(({ enqueue }) => enqueue(reply('name'))) },
        LOAD: { target: 'loading', actions: ['answer', assign({ asked: keepReply() })] },
      },
    },
    loading: {
      tags: 'busy',
      invoke: [
        {
          src: 'load',
          input: { url: 'x' },
          onDone: {
            target: 'idle',
            actions: reply(({ event }) => event.output.length, { to: ({ context }) => context.asked }),
          },
        },
        { src: 'line', input: { to: 'x' } },
      ],
    },
  },
})

declare const nameSchema: SchemaType<string> & { readonly '~standard': { readonly version: 1; readonly vendor: 'any' } }

const counter = defineActor({
  type: 'counter',
  machine,
  replies: { INC: type<number>(), NAME: type<string>() },
})
type Counter = typeof counter

test('events, input and context are those of the machine', (t) => {
  expectTypeOf<EventOf<Counter>>().toEqualTypeOf<
    { type: 'INC' } | { type: 'ADD'; by: number } | { type: 'NAME' } | { type: 'LOAD' }
  >()
  expectTypeOf<InputOf<Counter>>().toEqualTypeOf<{ start: number }>()
  expectTypeOf<ContextOf<Counter>>().toEqualTypeOf<{ count: number; asked: ReplyToken | null }>()
  t.pass()
})

test('a wrong event and a wrong input do not compile', (t) => {
  const send = (_event: EventOf<Counter>): void => {}
  send({ type: 'ADD', by: 1 })
  // @ts-expect-error `by` is missing
  send({ type: 'ADD' })
  // @ts-expect-error no such event
  send({ type: 'SUB' })
  const spawn = (_input: InputOf<Counter>): void => {}
  spawn({ start: 1 })
  // @ts-expect-error `start` is a number
  spawn({ start: '1' })
  // @ts-expect-error the machine needs input
  spawn(undefined)
  t.pass()
})

test('a reply has the type that `replies` states, else it is the view', (t) => {
  expectTypeOf<ReplyOf<Counter, 'INC'>>().toEqualTypeOf<number>()
  expectTypeOf<ReplyOf<Counter, 'NAME'>>().toEqualTypeOf<string>()
  expectTypeOf<ReplyOf<Counter, 'ADD'>>().toEqualTypeOf<ViewOf<Counter>>()
  expectTypeOf<ViewOf<Counter>['context']['count']>().toEqualTypeOf<number>()
  expectTypeOf<ViewOf<Counter>['tags']>().toEqualTypeOf<readonly 'busy'[]>()
  expectTypeOf<ViewOf<Counter>['output']>().toEqualTypeOf<{ total: number } | undefined>()
  expectTypeOf<Extract<ViewOf<Counter>['value'], string>>().toEqualTypeOf<'idle' | 'loading'>()
  t.pass()
})

test('a Standard Schema states a type as well', (t) => {
  const withSchema = () => defineActor({ type: 'counter', machine, replies: { NAME: nameSchema } })
  expectTypeOf<ReplyOf<ReturnType<typeof withSchema>, 'NAME'>>().toEqualTypeOf<string>()
  t.pass()
})

test('replies to events that the machine does not know do not compile', (t) => {
  const wrong = (): unknown =>
    defineActor({
      type: 'counter',
      machine,
      // @ts-expect-error no such event
      replies: { SUB: type<number>() },
    })
  t.is(typeof wrong, 'function')
})

test('definitions of any machine go into one list', (t) => {
  const other = defineActor({ type: 'other', machine: createMachine({}) })
  const list: readonly ActorDefinition<any, any>[] = [counter, other]
  const plain: readonly ActorDefinition[] = [counter, other]
  t.is(list.length, plain.length)
})

test('a definition may be known by its type alone', (t) => {
  const actor = <TDefinition extends ActorDefinition<any, any>>(_type: TDefinition['type'], _id: string) => ({
    ask: async <TType extends EventOf<TDefinition>['type']>(
      _event: Extract<EventOf<TDefinition>, { type: TType }>,
    ): Promise<ReplyOf<TDefinition, TType>> => undefined as never,
  })
  const ref = actor<typeof counter>('counter', 'c1')
  expectTypeOf(ref.ask<'INC'>({ type: 'INC' })).resolves.toEqualTypeOf<number>()
  t.pass()
})

test('machines without input and with events of any type are usable', (t) => {
  const open = defineActor({ type: 'open', machine: createMachine({ on: { GO: {} } }) })
  const send = (_event: EventOf<typeof open>): void => {}
  send({ type: 'ANYTHING', at: 1 })
  const spawn = (_input?: InputOf<typeof open>): void => {}
  spawn()
  t.pass()
})
