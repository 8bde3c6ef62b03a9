/** M1: what has been under way for too long is sent back, and runs nowhere. */

import test from 'ava'
import { limits } from '../../src/base/limits.ts'
import { owned } from './support/driver.ts'

const staleMs = 0.75 * limits.handoffStepMs

function spawned() {
  const a = owned()
  const actor = a.world.actorIn('main.0')
  a.call('spawn', actor)
  a.forgetEffects()
  return { a, world: a.world, actor }
}

test('a node sends itself marks, for as long as it is connected', (t) => {
  const { a, world } = spawned()

  world.pass(limits.handoffStepMs)
  const sent = a.effects.filter(({ kind }) => kind === 'mark').length
  t.true(sent >= 3 && sent <= 5, `${sent} in T`)

  a.disconnect()
  a.forgetEffects()
  world.pass(limits.handoffStepMs)
  a.rejectEffect('mark')
})

test('a frame that waited while the node stood still is sent back; one that comes after a mark runs', (t) => {
  const { a, world, actor } = spawned()

  a.paused = true
  const late = a.send('ask', actor, { type: 'ADD' })
  world.pass(staleMs + 100)
  a.resume()
  world.run()
  t.is(a.said(late), 'moved')

  world.pass(1_000)
  const next = a.send('ask', actor, { type: 'ADD' })
  world.pass(1_000)
  t.like(a.said(next), { handled: true })
  t.is(a.count(actor), 1)
})

test('C1: the time that a machine slept counts', (t) => {
  const { a, world, actor } = spawned()

  world.sleep(staleMs + 100)
  const late = a.send('ask', actor, { type: 'ADD' })
  t.is(a.said(late), 'moved')

  world.pass(1_000)
  t.is(a.count(actor), 0)
})

test('while marks do not come back, nothing is taken', (t) => {
  const { a, world, actor } = spawned()
  a.moods.set('mark', 'hold')

  world.pass(staleMs + 200)
  t.is(a.said(a.send('ask', actor, { type: 'ADD' })), 'moved')

  a.letGo('mark')
  const next = a.send('ask', actor, { type: 'ADD' })
  world.pass(100)
  t.like(a.said(next), { handled: true })
})

test('a mark of another life of the node says nothing', (t) => {
  const { a, world, actor } = spawned()
  a.moods.set('mark', 'hold')
  world.pass(staleMs + 200)

  a.tell({ kind: 'asked', ticket: 0, request: { kind: 'mark', boot: 'another', atMs: a.state.lease.nowMs } })

  t.is(a.said(a.send('ask', actor, { type: 'ADD' })), 'moved')
})
