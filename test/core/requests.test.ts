import test from 'ava'
import { limits } from '../../src/base/limits.ts'
import {
  addRequest,
  createRequests,
  dropRequest,
  entryOf,
  findRequest,
  hasRoom,
  remember,
  type Request,
  restoreRequests,
  settledEntries,
  sweepRequests,
} from '../../src/core/requests.ts'

const requestOf = (id: string, more: Partial<Request> = {}): Request => ({
  actor: 'counter/1',
  request: id,
  hash: 1,
  keepMs: 5_000,
  logged: true,
  keepUntilMs: Infinity,
  state: { kind: 'answered', answer: 'view' },
  ...more,
})

test('M2: requests are known by actor and id together, whatever characters these hold', (t) => {
  const requests = createRequests()
  addRequest(requests, requestOf('b/c', { actor: 'x/a' }))

  t.truthy(findRequest(requests, 'x/a', 'b/c'))
  t.is(findRequest(requests, 'x/a/b', 'c'), undefined)
  t.is(findRequest(requests, 'x/a', 'b'), undefined)
})

test('M2: an answered request is kept for its horizon and forgotten after it', (t) => {
  const requests = createRequests()
  const entry = requestOf('r')
  addRequest(requests, entry)
  remember(requests, entry, 1_000)

  sweepRequests(requests, 5_999)
  t.truthy(findRequest(requests, 'counter/1', 'r'))

  sweepRequests(requests, 7_000)
  t.is(findRequest(requests, 'counter/1', 'r'), undefined)
})

test('M2: a request that is pending is never forgotten', (t) => {
  const requests = createRequests()
  addRequest(requests, requestOf('r', { state: { kind: 'pending', waiters: [] } }))

  for (let nowMs = 0; nowMs < 1_000_000; nowMs += 50_000) sweepRequests(requests, nowMs)

  t.truthy(findRequest(requests, 'counter/1', 'r'))
})

test('M2: nobody asks for ever for what the machine keeps open: it ends with its horizon', (t) => {
  const requests = createRequests()
  const entry = requestOf('r', { state: { kind: 'open', waiters: [] } })
  addRequest(requests, entry)
  remember(requests, entry, 0)

  sweepRequests(requests, 7_000)

  t.is(findRequest(requests, 'counter/1', 'r'), undefined)
})

test('M2: a request that was answered after it was kept open has its whole horizon again', (t) => {
  const requests = createRequests()
  const entry = requestOf('r')
  addRequest(requests, entry)
  remember(requests, entry, 0)
  remember(requests, entry, 4_000)

  sweepRequests(requests, 6_500)
  t.truthy(findRequest(requests, 'counter/1', 'r'))

  sweepRequests(requests, 10_000)
  t.is(findRequest(requests, 'counter/1', 'r'), undefined)
})

test('M2: the memory is bounded, and never makes room by forgetting', (t) => {
  const requests = createRequests()
  for (let n = 0; n < limits.requestsPerShardMax; n++) addRequest(requests, requestOf(String(n)))

  t.false(hasRoom(requests))

  t.truthy(findRequest(requests, 'counter/1', '0'))
  dropRequest(requests, findRequest(requests, 'counter/1', '7')!)
  t.true(hasRoom(requests))
})

test('M2: what is taken over has its whole time again, and what was open is open', (t) => {
  const requests = createRequests()
  const entries = [entryOf(requestOf('a'), new Uint8Array([7])), entryOf(requestOf('o'), 'open')]

  restoreRequests(requests, entries, 10_000)

  sweepRequests(requests, 14_900)
  t.deepEqual(findRequest(requests, 'counter/1', 'a')?.state, { kind: 'answered', answer: new Uint8Array([7]) })
  t.is(findRequest(requests, 'counter/1', 'o')?.state.kind, 'open')
  t.deepEqual([...settledEntries(requests, false)], entries)
})

test('M2: checkpoints hold what is settled of durable actors, packages that of all', (t) => {
  const requests = createRequests()
  addRequest(requests, requestOf('durable'))
  addRequest(requests, requestOf('volatile', { logged: false }))
  addRequest(requests, requestOf('pending', { state: { kind: 'pending', waiters: [] } }))

  const idsOf = (withVolatile: boolean): readonly string[] =>
    [...settledEntries(requests, withVolatile)].map(({ request }) => request)

  t.deepEqual(idsOf(false), ['durable'])
  t.deepEqual(idsOf(true), ['durable', 'volatile'])
})
