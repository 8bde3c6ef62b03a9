import test, { type ExecutionContext } from 'ava'

import { refuse } from '../../src/base/errors.ts'
import { limits } from '../../src/base/limits.ts'
import { createRouter, type RouterEffect, type RouterInput, step, wakeMs } from '../../src/core/router.ts'
import type { Call } from '../../src/protocol/call.ts'
import type { Answer } from '../../src/protocol/frames.ts'
import { viewOf } from '../support/views.ts'

/** All counters are at n1, at n2, or at nobody. */
const atN1 = viewOf(1, { n1: ['counter'], n2: [] })
const atN2 = viewOf(2, { n1: [], n2: ['counter'] })

// settling

test('a call is sent to the owner in the same step, and its answer settles it', (t) => {
  const router = connected(t)
  router.seen(atN1)

  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives(answers('n1', done('c1')), 'settle c1 done')
  router.gives(answers('n1', done('c1')))
  t.is(router.wakeMs(), Infinity, 'nothing is left to wait for')
})

test('the first call asks for the view and is sent when it comes', (t) => {
  const router = connected(t)

  router.gives(call('c1', 'a'), 'refresh view')
  router.gives(call('c2', 'b'))
  router.gives(seen(atN1), 'send n1: c1 0/0', 'send n1: c2 1/1')
})

test('a call that nobody answers ends at its deadline, and may have run', (t) => {
  const router = connected(t)
  router.seen(atN1)

  router.gives(call('c1', 'a', { timeoutMs: 300 }), 'send n1: c1 0/0')
  router.passes(295)
  router.passes(10, 'settle c1 DEADLINE')
  router.gives(answers('n1', done('c1')))
})

test('a call without any node ends at its deadline, and did not run', (t) => {
  const router = connected(t)

  router.gives(call('c1', 'a', { timeoutMs: 200 }), 'refresh view')
  router.passes(150, 'refresh view', 'refresh view')
  const [last] = router.passes(55, 'settle c1 UNAVAILABLE')
  t.regex(messageOf(last), /no node of cluster demo answers/)
  router.passes(10_000)
  t.is(router.wakeMs(), Infinity, 'an idle router asks for nothing')
})

test('a refusal of the owner goes to the caller as it is', (t) => {
  const router = connected(t)
  router.seen(atN1)

  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives(answers('n1', refused('c1', 'OVERLOADED')), 'settle c1 OVERLOADED')
})

test('a view as new as the call in which nobody offers the type ends it', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.passes(1_000)

  router.gives(call('c1', 'a', { type: 'unheard' }), 'refresh view')
  const asked = router.nowMs
  router.passes(10)
  router.gives(call('c2', 'a', { type: 'unheard' }))
  router.gives({ kind: 'view', view: atN1, asOfMs: asked }, 'settle c1 TYPE_UNKNOWN')
  router.passes(30, 'refresh view')
  router.gives(seen(atN1, router), 'settle c2 TYPE_UNKNOWN')
})

test('an empty view says nothing about types', (t) => {
  const router = connected(t)
  router.gives(call('c1', 'a'), 'refresh view')
  router.gives(seen(viewOf(1, {}), router))
  router.gives(seen(viewOf(2, { n1: ['counter'] }), router), 'send n1: c1 0/0')
})

test('a caller that gives up is told whether the request may have run', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives({ kind: 'cancel', id: 'c1' }, 'settle c1 DEADLINE')
  router.gives({ kind: 'cancel', id: 'c1' })
  router.gives({ kind: 'connection', connected: false })
  router.gives(call('c2', 'a'))
  router.gives({ kind: 'cancel', id: 'c2' }, 'settle c2 UNAVAILABLE')
})

test('closing settles everything and refuses what comes later', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives(call('c2', 'b', { type: 'unheard' }), 'refresh view')
  router.gives({ kind: 'close' }, 'settle c1 DEADLINE', 'settle c2 UNAVAILABLE')
  router.gives(call('c3', 'a'), 'settle c3 UNAVAILABLE')
})

test('calls in flight are bounded: beyond it they are refused at once', (t) => {
  const router = connected(t)
  router.seen(atN1)
  for (let i = 0; i < limits.callsInFlightMax; i++) router.feed(call(`c${i}`, `a${i}`))
  router.gives(call('beyond', 'a'), 'settle beyond OVERLOADED')
  router.feed(answers('n1', done('c0')))
  t.is(router.feed(call('again', 'a')).length, 1)
})

test('a frame carries what remains of the time, the request id, and the trace', (t) => {
  const router = connected(t)
  router.gives(call('c1', 'a', { timeoutMs: 300, request: 'r-1', trace: '00-1-2-01' }), 'refresh view')
  router.passes(100, 'refresh view')
  const [effect] = router.feed(seen(atN1))
  t.like(effect, { frames: [{ leftMs: 200, request: 'r-1', trace: '00-1-2-01', view: 1, op: 'ask', type: 'counter' }] })
})

// order within a lane

test('calls of a lane follow each other at once, and the base is the oldest without an answer', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives(call('c2', 'a'), 'send n1: c2 1/0')
  router.gives(answers('n1', done('c1')), 'settle c1 done')
  router.gives(call('c3', 'a'), 'send n1: c3 2/1')
})

test('numbers of a lane never come again, though it was empty meanwhile', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives(call('c2', 'b'), 'send n1: c2 1/1')
  router.gives(answers('n1', done('c1'), done('c2')), 'settle c1 done', 'settle c2 done')
  router.gives(call('c3', 'a'), 'send n1: c3 2/2')
})

test('an unanswered lane is sent again as a whole, in order, with new numbers, after 1, 2, 4, 8 and 8 seconds', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.gives(call('c1', 'a', { timeoutMs: 60_000 }), 'send n1: c1 0/0')
  router.gives(call('c2', 'a', { timeoutMs: 60_000 }), 'send n1: c2 1/0')
  router.gives(call('c3', 'a', { timeoutMs: 60_000 }), 'send n1: c3 2/0')
  router.gives(answers('n1', done('c2')), 'settle c2 done')

  const sentAt: number[] = []
  const beganMs = router.nowMs
  for (let number = 3; number < 13 && router.nowMs < beganMs + 60_000; ) {
    router.passes(10)
    if (router.last.length === 0) continue
    t.deepEqual(router.last, [`send n1: c1 ${number}/${number} c3 ${number + 1}/${number}`, 'refresh view'])
    router.seen(atN1)
    sentAt.push(Math.round((router.nowMs - beganMs) / 100))
    number += 2
  }
  t.deepEqual(sentAt, [10, 30, 70, 150, 230])
})

test('an answer makes the next resending soon again', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.gives(call('open', 'a', { timeoutMs: 60_000 }), 'send n1: open 0/0')
  router.passes(1_000, 'send n1: open 1/1', 'refresh view')
  router.seen(atN1)
  router.gives(call('c2', 'a'), 'send n1: c2 2/1')
  router.gives(answers('n1', done('c2')), 'settle c2 done')
  router.passes(1_005, 'send n1: open 3/3', 'refresh view')
})

test('after the connection came back, everything is sent again at once', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives({ kind: 'connection', connected: false })
  router.gives(call('c2', 'a'))
  router.passes(3_000)
  router.gives({ kind: 'connection', connected: true }, 'send n1: c1 1/1 c2 2/1', 'refresh view')
})

// routes

test('a new view alone does not change the route: the old owner serves until it says moved', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives(seen(atN2))
  router.gives(call('c2', 'a'), 'send n1: c2 1/0')
  router.gives(call('c3', 'other'), 'send n1: c3 2/2')
  router.gives(answers('n1', moved('c1', 2), moved('c2', 2)), 'send n2: c1 3/3 c2 4/3')
  router.gives(call('c4', 'a'), 'send n2: c4 5/3')
})

test('moved by a newer view: the calls wait for it and go to the new owner in their order', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.passes(1_000)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives(call('c2', 'a'), 'send n1: c2 1/0')
  router.gives(answers('n1', moved('c1', 2), moved('c2', 2)), 'refresh view')
  router.gives(call('c3', 'a'))
  router.gives(seen(atN2), 'send n2: c1 2/2 c2 3/2 c3 4/2')
})

test('all lanes of a shard leave together', (t) => {
  const router = connected(t)
  const [one, two] = ['a1', 'a15'] as const
  router.seen(viewOf(1, { n1: ['counter'], n2: [] }, 1))
  router.seen(viewOf(2, { n1: [], n2: ['counter'] }, 1))
  router.gives(call('c1', one), 'send n1: c1 0/0')
  router.gives(call('c2', two), 'send n1: c2 1/1')
  router.gives(answers('n1', moved('c1', 2)), 'send n2: c1 2/2', 'send n2: c2 3/3')
  router.gives(answers('n1', moved('c2', 2)))
})

test('moved by the node that the ring names: tried again after growing pauses, with a look at the view', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.passes(1_000)
  router.gives(call('c1', 'a', { timeoutMs: 60_000 }), 'send n1: c1 0/0')
  const pauses: number[] = []
  for (let i = 1; i <= 7; i++) {
    router.feed(answers('n1', moved('c1', 1)))
    const beganMs = router.nowMs
    while (!router.last.includes(`send n1: c1 ${i}/${i}`)) router.passes(5)
    pauses.push(router.nowMs - beganMs)
  }
  t.deepEqual(pauses, [20, 40, 80, 160, 320, 500, 500])
})

test('a node that is gone from the view is left at once, and so is its earlier life', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives(seen(viewOf(2, { 'n1.2': ['counter'] })), 'send n1: c1 1/1')
  router.gives(seen(viewOf(3, { n2: ['counter'] })), 'send n2: c1 2/2')
})

test('a leaving node is served by until it says moved', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives(seen(viewOf(2, { '-n1': ['counter'], n2: ['counter'] })))
  router.gives(call('c2', 'a'), 'send n1: c2 1/0')
})

test('an unreachable node is tried again after a pause, and left when the view lost it', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.passes(1_000)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives({ kind: 'unreachable', node: 'n1' }, 'refresh view')
  router.gives(seen(atN1))
  router.passes(20, 'send n1: c1 1/1')
  router.gives({ kind: 'unreachable', node: 'n1' })
  router.gives(seen(viewOf(2, { n2: ['counter'] })), 'send n2: c1 2/2')
})

test('without an owner in the view calls wait, and the view is asked for again', (t) => {
  const router = connected(t)
  router.seen(viewOf(1, { '-n1': ['counter'] }))
  router.passes(1_000)
  router.gives(call('c1', 'a'), 'refresh view')
  router.gives(seen(viewOf(1, { '-n1': ['counter'] })))
  router.passes(100, 'refresh view')
  router.gives(seen(atN2), 'send n2: c1 0/0')
})

test('a reply counts from wherever it comes, a refusal only from where the frame was last sent', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.seen(atN2)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives(call('c2', 'a'), 'send n1: c2 1/0')
  router.gives(answers('n1', moved('c1', 2)), 'send n2: c1 2/2 c2 3/2')

  router.gives(answers('n1', refused('c1', 'OVERLOADED')))
  router.gives(answers('n1', done('c2')), 'settle c2 done')
  router.gives(answers('n2', refused('c1', 'ACTOR_DONE')), 'settle c1 ACTOR_DONE')
})

test('a refusal of an earlier sending settles nothing, though it comes from the node that has the frame again', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.passes(1_000, 'send n1: c1 1/1', 'refresh view')

  router.gives(answers('n1', refused('c1', 'ACTOR_NOT_FOUND', 0)))
  router.gives(answers('n1', refused('c1', 'ACTOR_NOT_FOUND', 1)), 'settle c1 ACTOR_NOT_FOUND')
})

test('an owner that refuses as NOT_OWNER is left like one that says moved', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.seen(atN2)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives(answers('n1', refused('c1', 'NOT_OWNER')), 'send n2: c1 1/1')
})

test('a type that changes its group takes its calls along', (t) => {
  const router = connected(t)
  router.seen(atN1)
  router.gives(call('c1', 'a'), 'send n1: c1 0/0')
  router.gives(seen(viewOf(2, { n1: [], n2: ['counter@own'] })), 'send n2: c1 1/1')
})

test('an older view is not believed, unless it is all that is to be had', (t) => {
  const router = connected(t)
  router.seen(viewOf(7, { n1: ['counter'] }))
  router.seen(viewOf(1, { n2: ['counter'] }))
  router.gives(call('c1', 'a', { timeoutMs: 30_000 }), 'send n1: c1 0/0')
  router.feed({ kind: 'connection', connected: false })
  router.passes(1_900)
  router.feed({ kind: 'connection', connected: true })
  router.gives(seen(viewOf(1, { n2: ['counter'] })))
  router.passes(100)
  router.gives(seen(viewOf(1, { n2: ['counter'] })), 'send n2: c1 2/2')
})

test('questions for the view keep a distance that grows, to a quarter of a second', (t) => {
  const router = connected(t)
  router.gives(call('c1', 'a', { timeoutMs: 5_000 }), 'refresh view')
  const beganMs = router.nowMs
  const askedAt: number[] = []
  while (askedAt.length < 7) {
    router.passes(1)
    if (router.last.length > 0) askedAt.push(router.nowMs - beganMs)
  }
  t.deepEqual(askedAt, [40, 120, 280, 530, 780, 1_030, 1_280])
})

// the driver: feeds inputs under a clock of its own and compares what comes out

interface Driver {
  nowMs: number
  /** What the last input gave, in words. */
  last: readonly string[]
  feed(input: RouterInput): readonly RouterEffect[]
  gives(input: RouterInput, ...effects: string[]): readonly RouterEffect[]
  /** Lets time pass, waking the router whenever it wants to be woken. */
  passes(ms: number, ...effects: string[]): readonly RouterEffect[]
  seen(view: ReturnType<typeof viewOf>): void
  wakeMs(): number
}

function connected(t: ExecutionContext): Driver {
  const router = createRouter('demo')
  const driver: Driver = {
    nowMs: 50_000,
    last: [],
    feed(input) {
      const effects = step(router, input, { monoMs: driver.nowMs, wallMs: 0 })
      driver.last = effects.map(inWords)
      return effects
    },
    gives(input, ...expected) {
      const effects = driver.feed(input)
      t.deepEqual(driver.last, expected)
      return effects
    },
    passes(ms, ...expected) {
      const endMs = driver.nowMs + ms
      const effects: RouterEffect[] = []
      while (driver.nowMs < endMs) {
        driver.nowMs = Math.min(endMs, Math.max(driver.nowMs, wakeMs(router)))
        if (wakeMs(router) <= driver.nowMs) effects.push(...driver.feed({ kind: 'tick' }))
        else driver.nowMs = endMs
      }
      driver.last = effects.map(inWords)
      if (expected.length > 0) t.deepEqual(driver.last, expected)
      return effects
    },
    seen: (view) => void driver.feed(seen(view)),
    wakeMs: () => wakeMs(router),
  }
  driver.feed({ kind: 'connection', connected: true })
  return driver
}

function inWords(effect: RouterEffect): string {
  switch (effect.kind) {
    case 'send':
      return `send ${effect.node}: ${effect.frames.map(({ id, lane, base }) => `${id} ${lane}/${base}`).join(' ')}`
    case 'refresh view':
      return 'refresh view'
    case 'settle':
      return `settle ${effect.id} ${effect.outcome.kind === 'done' ? 'done' : effect.outcome.why.code}`
  }
}

const messageOf = (effect: RouterEffect | undefined): string =>
  effect?.kind === 'settle' && effect.outcome.kind === 'refused' ? effect.outcome.why.message : ''

function call(id: string, actor: string, options: Partial<Call> & { type?: string } = {}): RouterInput {
  const { type = 'counter', ...rest } = options
  const address = { type, id: actor }
  return { kind: 'call', id, call: { op: 'ask', address, body: new Uint8Array(0), timeoutMs: 5_000, ...rest } }
}

/** Fresh as of the driver's present moment; as of long ago where none is given. */
const seen = (view: ReturnType<typeof viewOf>, driver?: Driver): RouterInput => ({
  kind: 'view',
  view,
  asOfMs: driver?.nowMs ?? 0,
})

const answers = (from: string, ...list: readonly Answer[]): RouterInput => ({
  kind: 'answers',
  batch: { from, answers: list },
})

const done = (id: string): Answer => ({ id, kind: 'done', body: new Uint8Array(0) })
const moved = (id: string, view: number): Answer => ({ id, kind: 'moved', view })
const refused = (id: string, code: Parameters<typeof refuse>[0], lane?: number): Answer => ({
  id,
  kind: 'refused',
  why: refuse(code, 'so'),
  ...(lane !== undefined && { lane }),
})
