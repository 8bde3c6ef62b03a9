/** The judges of the soak, on doctored evidence: a judge that finds nothing wrong in a long run must be one that would have. */

import test from 'ava'
import { encodeRecord, type LogRecord } from '../../src/protocol/records.ts'
import { encodeState } from '../../src/runtime/host-state.ts'
import { Absences } from './absences.ts'
import { Chronicle, type StreamName } from './chronicle.ts'
import type { Commit, Tenure } from './commits.ts'
import { Deeds } from './deeds.ts'
import { judgeFirings } from './firing.ts'
import { judgeHistory, judgeMemory } from './history.ts'
import { Holds } from './holds.ts'
import type { RoundKind } from './fate.ts'
import { emptyJournal, type Journal, noted } from './journal.ts'
import { Lateness } from './lateness.ts'
import type { Outcome, Wish } from './ledger.ts'
import { Lives } from './lives.ts'

const journalOf = (...marks: readonly string[]): Journal => {
  const journal = emptyJournal('born')
  for (const mark of marks) Object.assign(journal, noted(journal, mark))
  return journal
}

const shownOf = (...marks: readonly string[]) => {
  const { life, length, digest } = journalOf(...marks)
  return { life, length, digest }
}

/** One attempt, called at `atMs` and settled 1 ms later. */
function wishOf(
  number: number,
  outcome: Outcome | undefined,
  { op = 'ask' as Wish['op'], atMs = number * 10 } = {},
): Wish {
  const attempt = { calledMs: atMs, timeoutMs: 1_000, settledMs: outcome ? atMs + 1 : Infinity, outcome }
  const rest = { type: 'journal', actor: 'a1', delayMs: undefined, request: undefined } as const
  return { caller: 'c', number, op, mark: `m${number}`, ...rest, attempts: [attempt] }
}

const answered = (...marks: readonly string[]): Outcome => ({
  kind: 'done',
  value: { handled: true, reply: shownOf(...marks) },
})

const looked = (...marks: readonly string[]): Outcome => ({ kind: 'done', value: { context: journalOf(...marks) } })

const told: Outcome = { kind: 'done', value: undefined }

const refusedAs = (code: 'UNAVAILABLE' | 'DEADLINE'): Outcome => ({
  kind: 'refused',
  why: { code, message: '', retryable: true },
})

const histories: Readonly<Record<string, readonly [Journal, readonly Wish[], RegExp | undefined]>> = {
  'a true ledger': [
    journalOf('m1', 'm2', 'm4'),
    [
      wishOf(1, answered('m1')),
      wishOf(2, told, { op: 'tell' }),
      wishOf(3, refusedAs('UNAVAILABLE')),
      wishOf(4, refusedAs('DEADLINE')),
      wishOf(5, looked('m1', 'm2'), { op: 'get' }),
    ],
    undefined,
  ],
  'an acknowledged ask that is lost': [journalOf('m1'), [wishOf(2, answered('m1', 'm2'))], /m2 was acknowledged/],
  'an acknowledged tell that is lost': [journalOf('m1'), [wishOf(2, told, { op: 'tell' })], /m2 was acknowledged/],
  'a mark that counts twice': [journalOf('m1', 'm2', 'm1'), [], /counted m1 twice/],
  'an answer from another history': [journalOf('m1', 'm2'), [wishOf(2, answered('m0', 'm2'))], /not how its journal/],
  'an answer from another life': [
    { ...journalOf('m1'), life: 'born again' },
    [wishOf(1, answered('m1'))],
    /was shown its life born/,
  ],
  'a look that shows less than an earlier answer': [
    journalOf('m1', 'm2'),
    [wishOf(2, answered('m1', 'm2')), wishOf(3, looked('m1'), { op: 'get' })],
    /shown 1 marks .* after m2/,
  ],
  'marks out of their order': [
    journalOf('m2', 'm1'),
    [wishOf(1, told, { op: 'tell' }), wishOf(2, told, { op: 'tell' })],
    /O1: .* m2 before m1/,
  ],
  'what was not handled and ran': [
    journalOf('m1'),
    [wishOf(1, { kind: 'done', value: { handled: false, reply: { context: journalOf() } } })],
    /m1 was not handled/,
  ],
  'what was refused and ran': [journalOf('m1'), [wishOf(1, refusedAs('UNAVAILABLE'))], /did not run, and remembers/],
}

for (const [name, [journal, wishes, complaint]] of Object.entries(histories))
  test(`history: ${name} is ${complaint ? 'noticed' : 'not blamed'}`, (t) => {
    const wrong = judgeHistory('journal/a1', journal, wishes)
    if (complaint === undefined) t.deepEqual(wrong, [])
    else t.regex(wrong.join('\n'), complaint)
  })

test('memory: a volatile actor may forget its marks, and not its life', (t) => {
  t.deepEqual(judgeMemory('cache/a1', journalOf(), [wishOf(1, answered('m1'))]), [])
  const wrong = judgeMemory('cache/a1', { ...journalOf(), life: 'born again' }, [wishOf(1, answered('m1'))])
  t.regex(wrong.join(), /was shown its life born/)
})

test('firings: one that is missing, doubled or early is noticed', (t) => {
  const firing = (mark: string, afterMs: number) => ({
    mark,
    delayMs: 500,
    armedAtMs: 1_000,
    firedAtMs: 1_000 + afterMs,
    pid: 1,
  })
  const judged = (...firings: readonly ReturnType<typeof firing>[]) =>
    judgeFirings('timer/a1', { ...journalOf('m1', 'm2'), armed: '', delayMs: 0, armedAtMs: 0, firings }).join()
  t.is(judged(firing('m1', 500), firing('m2', 4_000)), '')
  t.regex(judged(firing('m1', 500)), /armed m1,m2, and fired m1/)
  t.regex(judged(firing('m1', 500), firing('m1', 500), firing('m2', 500)), /fired m1,m1,m2/)
  t.regex(judged(firing('m1', 500), firing('m2', 480)), /fired 480.0 ms after it was armed for 500.0 ms/)
})

const absencesOf = (): Absences => new Absences({ graceMs: 750, pulseMsMax: 700 })

test('holds: two at once are noticed, whoever is heard first; one after the other is not blamed', (t) => {
  const holds = new Holds(absencesOf())
  const first = holds.begin({ actor: 'holder/a1', pid: 1, epoch: 5, fromMs: 0 })
  const second = holds.begin({ actor: 'holder/a1', pid: 2, epoch: 9, fromMs: 1_000 })
  holds.end(first, 999)
  holds.judge(3_000)
  t.deepEqual(holds.wrong, [])
  holds.begin({ actor: 'holder/a1', pid: 3, epoch: 12, fromMs: 3_000 })
  holds.end(second, 3_020)
  holds.judge(4_500)
  t.regex(holds.wrong.join(), /process 2 under epoch 9 and by process 3 under epoch 12, .* 20 ms of it/)
})

test('holds: a process is excused while it is stopped and for its time to let go, and not for longer', (t) => {
  const absences = absencesOf()
  const holds = new Holds(absences)
  holds.begin({ actor: 'holder/a1', pid: 1, epoch: 5, fromMs: 0 })
  absences.stopped(1, 1_000)
  holds.begin({ actor: 'holder/a1', pid: 2, epoch: 9, fromMs: 4_000 })
  holds.judge(6_000)
  absences.continued(1, 6_000)
  holds.judge(7_700)
  t.deepEqual(holds.wrong, [])
  holds.judge(7_900)
  t.is(holds.wrong.length, 1)
})

test('holds: a pulse that stays away is an excuse as well, and is reported', (t) => {
  const absences = absencesOf()
  const holds = new Holds(absences)
  for (const atMs of [0, 250, 5_000, 5_250]) absences.pulse(1, atMs)
  const hold = holds.begin({ actor: 'holder/a1', pid: 1, epoch: 5, fromMs: 0 })
  holds.end(hold, 5_500)
  holds.begin({ actor: 'holder/a1', pid: 2, epoch: 9, fromMs: 4_000 })
  holds.judge(8_000)
  t.deepEqual(holds.wrong, [])
  t.is(absences.stallMsMax, 4_750)
})

/** What is wrong with a transition that was due at 10 s and fired so late, in process 1, where take-overs need 5 s. */
function wrongLateBy(lateMs: number, befalls: (lateness: Lateness, absences: Absences) => void = () => {}): string {
  const absences = absencesOf()
  const lateness = new Lateness(absences, { lateMs: 1_000, takeOverMs: 5_000, moveMs: 2_000 })
  befalls(lateness, absences)
  lateness.note('timer/a1', [{ mark: 'm1', delayMs: 1_000, armedAtMs: 9_000, firedAtMs: 10_000 + lateMs, pid: 1 }])
  lateness.judge(60_000)
  return lateness.wrong.join()
}

/** A round of trouble, after which everybody is there, and then all is as it should be. */
const trouble = (kind: RoundKind, atMs: number, thereMs: number, wholeMs: number) => (lateness: Lateness) => {
  lateness.begins(kind, atMs)
  lateness.isThere(thereMs)
  lateness.isWhole(wholeMs)
}

test('lateness: a transition that fires late is noticed, and not blamed for what is a matter of course', (t) => {
  t.is(wrongLateBy(900), '')
  t.regex(
    wrongLateBy(1_100),
    /T1: m1 of timer\/a1 was due at 10000 ms, and process 1 fired it 1100 ms later, 1100 ms of it/,
  )
  t.is(wrongLateBy(2_900, trouble('drain', 9_000, 12_000, 13_000)), '')
  t.regex(wrongLateBy(3_100, trouble('drain', 9_000, 12_000, 13_000)), /3100 ms of it without an excuse/)
  t.regex(wrongLateBy(1_100, trouble('drain', 1_000, 9_000, 9_900)), /1100 ms of it/)
  t.regex(wrongLateBy(1_100, trouble('cut callers', 9_000, 12_000, 13_000)), /without an excuse/)
  t.regex(wrongLateBy(2_000, trouble('storm', 1_000, 9_000, 9_900)), /without an excuse/)
})

test('lateness: trouble is an excuse until all is whole, and no longer than others need to take over', (t) => {
  t.is(wrongLateBy(4_900, trouble('storm', 9_000, 12_000, 14_000)), '')
  t.regex(wrongLateBy(5_100, trouble('storm', 9_000, 12_000, 14_000)), /1100 ms of it/)
  t.is(wrongLateBy(7_900, trouble('storm', 9_000, 12_000, 30_000)), '')
  t.regex(wrongLateBy(8_100, trouble('storm', 9_000, 12_000, 30_000)), /1100 ms of it/)
  // Of one that is hit alone, the others take over at once, however long it stays away.
  t.is(wrongLateBy(4_900, trouble('freeze', 9_000, 20_000, 21_000)), '')
  t.regex(wrongLateBy(5_100, trouble('freeze', 9_000, 20_000, 21_000)), /1100 ms of it/)
})

test('lateness: a process that stood still is excused; a trouble that goes on is waited for', (t) => {
  t.is(
    wrongLateBy(3_000, (_, absences) => {
      for (const atMs of [9_900, 12_500]) absences.pulse(1, atMs)
    }),
    '',
  )
  t.is(
    wrongLateBy(90_000, (lateness) => lateness.begins('broker kill', 9_000)),
    '',
  )
})

/** A commit of `n1.1`, process 1, which has epoch 5 of `main.0`. */
const commitOf = (atMs: number, { epoch = 5, end = undefined as Tenure['end'], owner = 'n1' } = {}): Commit => ({
  seq: 7,
  atMs,
  tenure: { shard: 'main.0', owner, inc: 1, epochs: new Set([epoch]), end },
})

function deedsOf() {
  const absences = absencesOf()
  const lives = new Lives(absences)
  for (const [node, pid] of [
    ['n1', 1],
    ['n2', 2],
  ] as const) {
    lives.born(node, pid, 0)
    lives.noteIncarnation(node, 1, 1)
  }
  return { absences, lives, deeds: new Deeds(absences, lives) }
}

test('deeds: one that is repeated, undone or done by an owner of the past is noticed', (t) => {
  const { deeds } = deedsOf()
  const deed = { actor: 'journal/a1', pid: 1, atMs: 0, epoch: 5 }
  const isFirst = (mark: string): boolean => ['m1', 'm3', 'm5'].includes(mark)
  const by = (mark: string): Commit => (isFirst(mark) ? commitOf(0) : commitOf(0, { epoch: 9, owner: 'n2' }))
  deeds.note({ ...deed, mark: 'm1' })
  deeds.note({ ...deed, mark: 'm2', epoch: 9, pid: 2, atMs: 4_000 })
  deeds.close('journal/a1', ['m1', 'm2'], 6_000, by)
  t.deepEqual(deeds.wrong, [])
  deeds.note({ ...deed, mark: 'm3' })
  deeds.note({ ...deed, mark: 'm3' })
  deeds.note({ ...deed, mark: 'm4', epoch: 9, pid: 2, atMs: 4_000 })
  deeds.note({ ...deed, mark: 'm5', atMs: 5_000 })
  deeds.note({ ...deed, mark: 'm6', epoch: 9, pid: 2, atMs: 7_000 })
  deeds.close('journal/a1', ['m3', 'm5'], 6_000, by)
  t.is(deeds.wrong.length, 3)
  t.regex(
    deeds.wrong.join('\n'),
    /m3 .* performed by process 1 .*\n.*m5 .* under epoch 5, 1000 ms after epoch 9.*\n.*m4 was performed/,
  )
})

test('deeds: one that is done by another than who committed it, or that no commit holds, is noticed', (t) => {
  const { deeds } = deedsOf()
  deeds.note({ actor: 'journal/a1', mark: 'm1', pid: 2, atMs: 0, epoch: 5 })
  deeds.note({ actor: 'journal/a1', mark: 'm2', pid: 1, atMs: 0, epoch: 5 })
  deeds.close('journal/a1', ['m1', 'm2'], 10, (mark) => (mark === 'm1' ? commitOf(0) : undefined))
  t.regex(deeds.wrong.join('\n'), /m1 .* by process 2 under epoch 5: n1.1 committed it .*\n.*m2, which is in no commit/)
})

test('deeds: one that is done when its owner stood in the log no more is noticed', (t) => {
  const doneAt = (atMs: number, end: Tenure['end'], befalls: (absences: Absences) => void = () => {}): string => {
    const { absences, deeds } = deedsOf()
    befalls(absences)
    deeds.note({ actor: 'journal/a1', mark: 'm1', pid: 1, atMs, epoch: 5 })
    deeds.close('journal/a1', ['m1'], 10_000, () => commitOf(1_000, { end }))
    return deeds.wrong.join()
  }
  const stopped = (absences: Absences): void => absences.stopped(1, 1_900)
  t.is(doneAt(2_001, { how: 'released', atMs: 2_000 }), '')
  t.regex(doneAt(2_020, { how: 'released', atMs: 2_000 }), /I1: process 1 performs .*m1 of journal\/a1 at 2020 ms/)
  t.regex(doneAt(2_020, { how: 'released', atMs: 2_000 }, stopped), /I1/)
  t.regex(doneAt(2_020, { how: 'taken over', atMs: 2_000 }), /I1: .* was taken over 1000 ms later/)
  t.is(doneAt(2_020, { how: 'taken over', atMs: 2_000 }, stopped), '')
})

/** What is wrong at 10 s with an action that nobody has heard of, where the commit was at 1 s. */
function wrongWith(befalls: (lives: Lives, absences: Absences) => void, end?: Tenure['end']): string {
  const { deeds, lives, absences } = deedsOf()
  befalls(lives, absences)
  deeds.close('journal/a1', ['m1'], 2_000, () => commitOf(1_000, { end }))
  for (const atMs of [10_000, 10_500]) deeds.judge(atMs)
  return deeds.wrong.join()
}

test('deeds: one that is not done is noticed, where its owner had the time for it', (t) => {
  const takenOver = { how: 'taken over', atMs: 5_000 } as const
  t.regex(
    wrongWith(() => {}),
    /m1 of journal\/a1 was not performed: n1.1 committed it at 1000 ms as 7 of main.0/,
  )
  t.regex(
    wrongWith((lives) => lives.ended(1, 2_500), takenOver),
    /not performed/,
  )
  t.regex(
    wrongWith((lives) => lives.ended(2, 1_000), takenOver),
    /not performed/,
  )
  t.regex(
    wrongWith((lives) => lives.begins('suspended', 1, 2_500), takenOver),
    /not performed/,
  )
  t.regex(
    wrongWith((lives) => lives.ended(1, 1_300), { how: 'released', atMs: 1_200 }),
    /not performed.* was released 200 ms later/,
  )
})

test('deeds: one that is not done is excused, where its owner was killed, hindered or without its lease until it was replaced', (t) => {
  const takenOver = { how: 'taken over', atMs: 5_000 } as const
  t.is(
    wrongWith((lives) => lives.ended(1, 1_010), takenOver),
    '',
  )
  t.is(
    wrongWith((lives) => lives.begins('cut', 1, 900), takenOver),
    '',
  )
  t.is(
    wrongWith((lives) => lives.fenced(1, 1_100), takenOver),
    '',
  )
  t.is(
    wrongWith((_, absences) => absences.stopped(1, 1_050), takenOver),
    '',
  )
  // The pieces count together.
  const hindered = (atMs: number) => (lives: Lives) => {
    lives.begins('cut', 1, 1_400)
    lives.ends('cut', 1, 3_000)
    lives.ended(1, atMs)
  }
  t.is(wrongWith(hindered(3_500), takenOver), '')
  t.regex(wrongWith(hindered(3_700), takenOver), /not performed/)
})

test('deeds: one that is heard of late is owed, and then done', (t) => {
  const { deeds } = deedsOf()
  deeds.close('journal/a1', ['m1'], 2_000, () => commitOf(1_900))
  deeds.judge(2_100)
  t.is(deeds.owed, 1)
  deeds.note({ actor: 'journal/a1', mark: 'm1', pid: 1, atMs: 1_950, epoch: 5 })
  deeds.judge(9_000)
  t.deepEqual([deeds.owed, deeds.wrong], [0, []])
})

/** Records as they lie in the store, in two streams; each lies there one millisecond after the one before. */
function storeOf() {
  const chronicle = new Chronicle(64, new Lives(absencesOf()))
  const seqs = { control: 0, log: 0 }
  const tails = new Map<string, number>()
  let timeMs = 0
  let tokens = 0
  const put = (stream: StreamName, name: string, record: object): number => {
    const seq = ++seqs[stream]
    chronicle.take(stream, { name, seq, timeMs: ++timeMs, bytes: encodeRecord(record as LogRecord) })
    return seq
  }
  const write = (fields: object, owner = 'n1', shard = 'shard.main.0'): number => {
    const shared = { token: `t${++tokens}`, prev: tails.get(shard) ?? 0, owner, inc: 1 }
    const seq = put('log', shard, { ...shared, ...fields })
    tails.set(shard, seq)
    return seq
  }
  return {
    chronicle,
    row: (id: string, state: string, inc = 1) =>
      put('control', `row.${id}`, { kind: 'row', inc, boot: `b${inc}`, state, token: `t${++tokens}`, profile: { id } }),
    view: (number: number) => put('control', 'view', { kind: 'view', number, token: `t${++tokens}` }),
    claim: (owner: string, shard?: string) => write({ kind: 'claim', epoch: 0, over: 'empty' }, owner, shard),
    commit: (epoch: number, fields: object = {}) =>
      write({ kind: 'commit', epoch, actors: [], requests: [], ...fields }),
    /** One that was replaced before anybody read it. */
    lose(stream: StreamName = 'log'): void {
      const seq = ++seqs[stream]
      if (stream === 'log') tails.set('shard.main.0', seq)
    },
    wrong(): string {
      chronicle.finish()
      return chronicle.wrong.join('\n')
    },
  }
}

test('chronicle: a store of two owners, one after the other, is not blamed', (t) => {
  const store = storeOf()
  store.row('n1', 'up')
  store.row('n2', 'up')
  store.view(1)
  const first = store.claim('n1')
  store.commit(first)
  store.row('n1', 'dead')
  store.view(2)
  store.claim('n2')
  store.row('n1', 'up', 2)
  t.is(store.wrong(), '')
  t.is(store.chronicle.counts.records, 9)
})

test('chronicle: a claim over an owner who is alive, and a commit under an epoch that is over, are noticed', (t) => {
  const store = storeOf()
  store.row('n1', 'up')
  const first = store.claim('n1')
  store.claim('n2')
  store.commit(first)
  store.row('n1', 'dead')
  t.regex(
    store.wrong(),
    /S1: n2.1 claims main.0 over n1.1 .*\n.*I5: commit by n1.1 under epoch 1 in main.0, where stands n2/,
  )
})

test('chronicle: a broken chain, a view or incarnation that does not grow, and a sequence given out twice are noticed', (t) => {
  const store = storeOf()
  store.row('n1', 'up', 2)
  store.row('n1', 'up', 1)
  store.view(1)
  store.view(1)
  store.commit(store.claim('n1'), { prev: 7 })
  t.regex(
    store.wrong(),
    /I4: the row of n1 goes from 2 up to 1 up\n.*I4: view 1 follows view 1\n.*I5: commit at 2 .* names 7/,
  )
  store.chronicle.take('log', { name: 'part.x', seq: 1, timeMs: 99, bytes: new Uint8Array() })
  t.regex(store.wrong(), /R1: the store gives 1 to a record of part.x/)
})

test('chronicle: what was removed before it was read is counted, and what follows is not blamed for it', (t) => {
  const store = storeOf()
  store.row('n1', 'up')
  const first = store.claim('n1')
  store.commit(first)
  store.lose()
  store.commit(first)
  t.is(store.wrong(), '')
  store.view(1)
  store.lose('control')
  store.view(3)
  t.is(store.wrong(), '')
  t.is(store.chronicle.counts.unseen, 1)
  store.view(5)
  t.regex(store.wrong(), /I4: view 5 follows view 3/)
})

test('chronicle: a request that two commits hold is noticed, and one that was kept open is not blamed for its answer', (t) => {
  const store = storeOf()
  const request = (answer: unknown) => ({ actor: 'journal/a1', request: 'r1', hash: 0, keepMs: 1, answer })
  const first = store.claim('n1')
  store.commit(first, { requests: [request('open')] })
  store.commit(first, { requests: [request('view')] })
  t.is(store.wrong(), '')
  store.commit(first, { requests: [request('view')] })
  t.regex(store.wrong(), /M2: request r1 of journal\/a1 is in the commit at 3 and in the one at 4/)
})

test('commits: a mark belongs to the first commit that holds it, and to the owner who made it', (t) => {
  const store = storeOf()
  const { commits } = store.chronicle
  const state = (...marks: readonly string[]) => ({
    status: 'active',
    durability: 'durable',
    live: false,
    state: encodeState({ version: 1, machine: { context: journalOf(...marks) } as never }),
  })
  const save = (epoch: number, ...marks: readonly string[]) =>
    store.commit(epoch, { actors: [['journal/a1', state(...marks)]] })
  store.row('n1', 'up')
  const first = store.claim('n1')
  save(first)
  save(first, 'm1')
  save(first, 'm1', 'm2')
  store.lose()
  save(first, 'm1', 'm2', 'm3', 'm4')
  store.row('n1', 'dead')
  store.claim('n2')
  t.is(store.wrong(), '')
  const [m1, m2, m3] = ['m1', 'm2', 'm3'].map((mark) => commits.commitOf('journal/a1', mark))
  t.like(m1, { seq: 3, tenure: { owner: 'n1', inc: 1, end: { how: 'taken over' } } })
  t.like(m2, { seq: 4 })
  t.is(m3, 'unseen')
  t.is(commits.commitOf('journal/a1', 'm5'), undefined)
  t.false(commits.isStopped('journal/a1'))
})
