/** The lease alone: beats and clocks by hand. What a node does with it is in suspension.test.ts. */

import test from 'ava'
import { beginAnew, createLease, holds, type Lease, observe, renew } from '../../src/core/lease.ts'
import { checkTiming, timings } from '../../src/core/timing.ts'

const timing = timings.default
const begin = { monoMs: 1_000, wallMs: 50_000 }

/** A lease whose clocks move together, in steps that are no gap, unless said otherwise. */
function leased(): {
  readonly lease: Lease
  pass(ms: number): void
  jump(monoMs: number, wallMs: number): 'attentive' | 'gap'
} {
  const lease = createLease(begin)
  let { monoMs, wallMs } = begin
  const jump = (mono: number, wall: number): 'attentive' | 'gap' => {
    monoMs += mono
    wallMs += wall
    return observe(lease, { monoMs, wallMs }, timing)
  }
  const pass = (ms: number): void => {
    for (let left = ms; left > 0; left -= 100) jump(Math.min(100, left), Math.min(100, left))
  }
  return { lease, pass, jump }
}

test('N1: before the first beat nothing holds', (t) => {
  const { lease } = leased()
  t.false(holds(lease))
})

test('N1: the lease counts from the sending of the beat, not from its acknowledgement', (t) => {
  const { lease, pass } = leased()
  const sentMs = lease.nowMs

  pass(400)
  renew(lease, sentMs, timing)
  pass(1_500)

  t.true(holds(lease))
  pass(100)
  t.false(holds(lease))
})

test('N1: an older beat that is acknowledged late takes nothing away', (t) => {
  const { lease, pass } = leased()
  const firstMs = lease.nowMs
  pass(500)
  renew(lease, lease.nowMs, timing)
  const endMs = lease.endMs

  renew(lease, firstMs, timing)

  t.is(lease.endMs, endMs)
  t.true(holds(lease))
})

test('C4: a gap longer than L/3 voids the lease until a beat sent after it is acknowledged', (t) => {
  const { lease, jump } = leased()
  renew(lease, lease.nowMs, timing)
  const beforeMs = lease.nowMs

  t.is(jump(667, 667), 'gap')

  t.false(holds(lease))
  renew(lease, beforeMs, timing)
  t.false(holds(lease), 'a beat sent before the gap gives nothing')
  renew(lease, lease.nowMs, timing)
  t.true(holds(lease))
})

test('C4: a gap of just L/3 is none', (t) => {
  const { lease, jump } = leased()
  renew(lease, lease.nowMs, timing)

  t.is(jump(666, 666), 'attentive')

  t.true(holds(lease))
})

test('C1: time that only the wall clock saw counts: the machine slept', (t) => {
  const { lease, jump } = leased()
  renew(lease, lease.nowMs, timing)

  t.is(jump(1, 60_000), 'gap')

  t.false(holds(lease))
  t.is(lease.nowMs, begin.monoMs + 60_000)
})

test('C1: a wall clock that is set back changes nothing, and slewing is not sleep', (t) => {
  const { lease, jump } = leased()
  renew(lease, lease.nowMs, timing)

  jump(100, -3_600_000)
  jump(100, 140)

  t.is(lease.nowMs, begin.monoMs + 200)
  t.true(holds(lease))
})

test('C1: after a jump of its wall clock a lease runs on by the monotonic clock', (t) => {
  const { lease, jump, pass } = leased()
  jump(1, 10_000)
  renew(lease, lease.nowMs, timing)

  pass(1_900)

  t.true(holds(lease))
})

test('N6: what begins anew is not held by beats of before', (t) => {
  const { lease, pass } = leased()
  const oldMs = lease.nowMs
  pass(10)
  beginAnew(lease)

  renew(lease, oldMs, timing)

  t.false(holds(lease))
})

test('C3: presets keep their relations, and others are refused', (t) => {
  for (const preset of Object.values(timings)) t.notThrows(() => checkTiming(preset))
  t.throws(() => checkTiming({ ...timing, waitMs: timing.leaseMs }), { message: /C3: W/ })
  t.throws(() => checkTiming({ ...timing, beatMs: timing.leaseMs }), { message: /C3: b/ })
  t.throws(() => checkTiming({ ...timing, beatTimeoutMs: timing.leaseMs }), { message: /C3: the timeout/ })
})
