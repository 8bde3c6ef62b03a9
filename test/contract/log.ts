/** The contract of the log: every twin must pass these. */

import type { ExecutionContext, TestFn } from 'ava'
import type { AppendResult, Log, LogEntry, ReadResult } from '../../src/log/port.ts'
import { bytesOf, same, textOf } from '../support/bytes.ts'

/** A store to open logs on. */
export interface LogPlace {
  /** Handles of one stream share its records. `report` hears what listeners throw. */
  open(stream: string, report?: (error: Error) => void): Promise<Log>
}

const timeoutMs = 10_000
const options = { timeoutMs }
const replace = { timeoutMs, replace: true }

export function logContract(test: TestFn, placeOf: () => LogPlace): void {
  let streams = 0
  /** Two handles on a stream that no other test uses. */
  const given = async (t: ExecutionContext) => {
    const stream = `S${++streams}`
    const [a, b] = [await placeOf().open(stream), await placeOf().open(stream)]
    t.teardown(async () => void (await Promise.all([a.close(), b.close()])))
    return { a, b, stream }
  }

  test('the first record of a name is appended over 0', async (t) => {
    const { a } = await given(t)

    const first = await stored(a.append('x', bytesOf('1'), 0, options))
    const second = await stored(a.append('x', bytesOf('2'), first, options))

    t.true(first > 0)
    t.true(second > first)
  })

  test('an append over anything but the last sequence is refused and changes nothing', async (t) => {
    const { a, b } = await given(t)
    const first = await stored(a.append('x', bytesOf('1'), 0, options))
    const second = await stored(a.append('x', bytesOf('2'), first, options))

    for (const expected of [0, first, second + 1]) {
      t.deepEqual(await b.append('x', bytesOf('no'), expected, options), { kind: 'refused' })
      t.deepEqual(await b.append('x', bytesOf('no'), expected, { timeoutMs, replace: true }), { kind: 'refused' })
    }
    t.deepEqual(await b.append('y', bytesOf('no'), first, options), { kind: 'refused' })

    t.deepEqual(textsOf(await a.read('x', 0, timeoutMs)), ['1', '2'])
    t.deepEqual(textsOf(await a.read('y', 0, timeoutMs)), [])
  })

  test('of appends that race over one sequence exactly one is stored', async (t) => {
    const { a, b } = await given(t)
    let last = 0
    for (let round = 0; round < 25; round++) {
      const racers = Array.from({ length: 12 }, (_, i) =>
        (i % 2 ? a : b).append('x', bytesOf(`${round}.${i}`), last, i % 3 ? options : replace),
      )
      const results = await Promise.all(racers)
      const winners = results.filter((result) => result.kind === 'stored')
      t.is(winners.length, 1)
      t.is(results.filter((result) => result.kind === 'refused').length, 11)
      last = winners[0]!.seq
    }
    const tail = await a.tail('x', timeoutMs)
    t.is(tail.kind === 'entry' && tail.entry.seq, last)
  })

  test('the sequence grows over all names, the chain of each name is its own', async (t) => {
    const { a } = await given(t)
    const seqs: number[] = []
    for (const name of ['x', 'y', 'x', 'y', 'z']) {
      const tail = await a.tail(name, timeoutMs)
      seqs.push(await stored(a.append(name, bytesOf(name), tail.kind === 'entry' ? tail.entry.seq : 0, options)))
    }
    t.deepEqual(
      seqs,
      seqs.toSorted((p, q) => p - q),
    )
    t.is(new Set(seqs).size, 5)
    t.deepEqual(seqsOf(await a.read('y', 0, timeoutMs)), [seqs[1]!, seqs[3]!])
  })

  test('the tail shows what was acknowledged to anybody', async (t) => {
    const { a, b } = await given(t)
    t.deepEqual(await b.tail('x', timeoutMs), { kind: 'empty' })

    let last = 0
    for (let i = 0; i < 20; i++) {
      last = await stored(a.append('x', bytesOf(String(i)), last, options))
      const tail = await b.tail('x', timeoutMs)
      t.like(tail, { kind: 'entry', entry: { name: 'x', seq: last, bytes: bytesOf(String(i)) } })
    }
  })

  test('a read gives every record from a sequence on, in order', async (t) => {
    const { a, b } = await given(t)
    const seqs: number[] = []
    for (let i = 0; i < 10; i++) {
      seqs.push(await stored(a.append('x', bytesOf(String(i)), seqs.at(-1) ?? 0, options)))
      await a.append('other', bytesOf('other'), (await seqOfTail(a, 'other')) ?? 0, options)
    }

    for (const [from, index] of [
      [0, 0],
      [1, 0],
      [seqs[0]!, 0],
      [seqs[0]! + 1, 1],
      [seqs[8]!, 8],
      [seqs[9]!, 9],
    ] as const) {
      const result = await b.read('x', from, timeoutMs)
      t.deepEqual(seqsOf(result), seqs.slice(index))
      t.deepEqual(textsOf(result), [...Array(10).keys()].slice(index).map(String))
    }
    t.deepEqual(await b.read('x', seqs[9]! + 1, timeoutMs), { kind: 'entries', entries: [] })
    t.deepEqual(await b.read('nothing', 0, timeoutMs), { kind: 'entries', entries: [] })
  })

  test('a read gives many and large records', async (t) => {
    const { a, b } = await given(t)
    const large = new Uint8Array(a.bytesMax).fill(1)
    let last = 0
    for (let i = 0; i < 12; i++) last = await stored(a.append('large', large, last, options))
    last = 0
    for (let i = 0; i < 1_500; i++) last = await stored(a.append('many', bytesOf(String(i)), last, options))

    t.deepEqual(textsOf(await b.read('many', 0, timeoutMs)), [...Array(1_500).keys()].map(String))
    const result = await b.read('large', 0, timeoutMs)
    t.is(seqsOf(result).length, 12)
    t.true(entriesOf(result).every(({ bytes }) => same(bytes, large)))
  })

  test('a replacing record is the only one left of its name, and an older sequence is refused over it', async (t) => {
    const { a, b } = await given(t)
    const first = await stored(a.append('x', bytesOf('1'), 0, options))
    const second = await stored(a.append('x', bytesOf('2'), first, options))
    const other = await stored(a.append('x.y', bytesOf('other'), 0, options))

    const third = await stored(a.append('x', bytesOf('all'), second, replace))

    t.deepEqual(textsOf(await b.read('x', 0, timeoutMs)), ['all'])
    t.deepEqual(await b.append('x', bytesOf('late'), second, options), { kind: 'refused' })
    t.deepEqual(await b.append('x', bytesOf('late'), 0, replace), { kind: 'refused' })
    const fourth = await stored(b.append('x', bytesOf('4'), third, options))
    t.deepEqual(seqsOf(await a.read('x', 0, timeoutMs)), [third, fourth])
    t.is(await seqOfTail(a, 'x.y'), other)
  })

  test('a first record may replace', async (t) => {
    const { a } = await given(t)
    await stored(a.append('x', bytesOf('1'), 0, replace))
    t.deepEqual(textsOf(await a.read('x', 0, timeoutMs)), ['1'])
  })

  test('a purge removes what lies below a sequence', async (t) => {
    const { a, b } = await given(t)
    const seqs: number[] = []
    for (let i = 0; i < 5; i++) seqs.push(await stored(a.append('x', bytesOf(String(i)), seqs.at(-1) ?? 0, options)))
    const others = [
      await stored(a.append('x.y', bytesOf('o'), 0, options)),
      await stored(a.append('xy', bytesOf('o'), 0, options)),
    ]

    t.is(await a.purge('x', seqs[3], timeoutMs), 'done')

    t.deepEqual(textsOf(await b.read('x', 0, timeoutMs)), ['3', '4'])
    t.deepEqual(textsOf(await b.read('x', seqs[4]!, timeoutMs)), ['4'])
    t.deepEqual([await seqOfTail(b, 'x.y'), await seqOfTail(b, 'xy')], others)
    await stored(b.append('x', bytesOf('5'), seqs[4]!, options))
  })

  test('a purged name is empty and begins over 0 with a higher sequence', async (t) => {
    const { a, b } = await given(t)
    const first = await stored(a.append('x', bytesOf('1'), 0, options))

    t.is(await a.purge('x', undefined, timeoutMs), 'done')
    t.is(await a.purge('never-written', undefined, timeoutMs), 'done')

    t.deepEqual(await b.tail('x', timeoutMs), { kind: 'empty' })
    t.deepEqual(await b.read('x', 0, timeoutMs), { kind: 'entries', entries: [] })
    t.deepEqual(await b.append('x', bytesOf('2'), first, options), { kind: 'refused' })
    t.true((await stored(b.append('x', bytesOf('2'), 0, options))) > first)
  })

  test('a purge of all names under one leaves that one and its neighbours', async (t) => {
    const { a, b } = await given(t)
    const names = ['part.s', 'part.s.1', 'part.s.2.x', 'part.s2.1', 'parts']
    for (const name of names) await stored(a.append(name, bytesOf(name), 0, options))
    const later = await stored(a.append('part.s.1', bytesOf('again'), (await seqOfTail(a, 'part.s.1'))!, options))

    t.is(await a.purge('part.s.>', later, timeoutMs), 'done')
    t.deepEqual(textsOf(await b.read('part.s.1', 0, timeoutMs)), ['again'])
    t.is(await a.purge('part.s.>', undefined, timeoutMs), 'done')

    const left = await Promise.all(names.map(async (name) => (await b.tail(name, timeoutMs)).kind))
    t.deepEqual(left, ['entry', 'empty', 'empty', 'entry', 'entry'])
  })

  test('any bytes come back as they were', async (t) => {
    const { a, b } = await given(t)
    const samples = [
      new Uint8Array(),
      Uint8Array.from(Array(256).keys()),
      bytesOf('NATS/1.0\r\n\r\n'),
      new Uint8Array(100_000).fill(7),
    ]
    let last = 0
    for (const sample of samples) {
      last = await stored(a.append('x', sample, last, options))
      const tail = await b.tail('x', timeoutMs)
      t.true(tail.kind === 'entry' && same(tail.entry.bytes, sample))
    }
    const read = entriesOf(await b.read('x', 0, timeoutMs))
    t.is(read.length, samples.length)
    t.true(read.every(({ bytes }, i) => same(bytes, samples[i]!)))
  })

  test('bytes handed over are nobody else’s afterwards', async (t) => {
    const { a, b } = await given(t)
    const record = bytesOf('mine')

    const appending = a.append('x', record, 0, options)
    await appending
    record.fill(0)
    const read = entriesOf(await b.read('x', 0, timeoutMs))[0]!
    t.is(textOf(read.bytes), 'mine')
    read.bytes.fill(0)

    t.deepEqual(textsOf(await b.read('x', 0, timeoutMs)), ['mine'])
    t.like(await b.tail('x', timeoutMs), { entry: { bytes: bytesOf('mine') } })
  })

  test('a record carries the time of its storing, the same to all who read it', async (t) => {
    const { a, b } = await given(t)
    const before = Date.now()
    const first = await stored(a.append('x', bytesOf('1'), 0, options))
    await stored(a.append('x', bytesOf('2'), first, options))
    const after = Date.now()

    const times = entriesOf(await a.read('x', 0, timeoutMs)).map(({ timeMs }) => timeMs)
    t.true(times[0]! >= before && times[0]! <= times[1]! && times[1]! <= after, `${before} ${times.join(' ')} ${after}`)
    t.like(await b.tail('x', timeoutMs), { entry: { timeMs: times[1]! } })
  })

  test('a record above the largest size is refused, one of that size is stored', async (t) => {
    const { a, b } = await given(t)

    t.deepEqual(await a.append('x', new Uint8Array(a.bytesMax + 1), 0, options), { kind: 'too large' })
    t.deepEqual(await b.tail('x', timeoutMs), { kind: 'empty' })

    const first = await stored(a.append('x', new Uint8Array(a.bytesMax).fill(3), 0, replace))
    const tail = await b.tail('x', timeoutMs)
    t.true(
      tail.kind === 'entry' && tail.entry.seq === first && same(tail.entry.bytes, new Uint8Array(a.bytesMax).fill(3)),
    )
  })

  test('names hold letters, digits, dots, underscores and dashes', async (t) => {
    const { a } = await given(t)
    const names = ['row.n-1', 'row.n_1', 'row', 'shard.main-12', 'part.main-12.abc.0', 'A.b.C']
    for (const name of names) await stored(a.append(name, bytesOf(name), 0, options))
    for (const name of names) t.like(await a.tail(name, timeoutMs), { entry: { name, bytes: bytesOf(name) } })
  })

  test('a watch shows the last record of each name, then every later one, in order', async (t) => {
    const { a, b } = await given(t)
    for (const name of ['row.a', 'row.b', 'row.c.d']) {
      const first = await stored(a.append(name, bytesOf(`${name} old`), 0, options))
      await stored(a.append(name, bytesOf(name), first, options))
    }
    const seen = watchOf(t, b, 'row')
    t.deepEqual((await seen.upTo(3)).map(textOfEntry), ['row.a', 'row.b', 'row.c.d'])

    for (const name of ['row.a', 'row.new', 'row.a'])
      await stored(a.append(name, bytesOf(`${name}!`), (await seqOfTail(a, name)) ?? 0, options))
    await stored(a.append('row.b', bytesOf('row.b!'), (await seqOfTail(a, 'row.b'))!, replace))

    const entries = await seen.upTo(7)
    t.deepEqual(entries.slice(3).map(textOfEntry), ['row.a!', 'row.new!', 'row.a!', 'row.b!'])
    t.deepEqual(
      entries.map(({ seq }) => seq),
      entries.map(({ seq }) => seq).toSorted((p, q) => p - q),
    )
    t.deepEqual(entries.map(({ name }) => name).slice(0, 3), ['row.a', 'row.b', 'row.c.d'])
    const tail = await a.tail('row.b', timeoutMs)
    t.deepEqual(tail.kind === 'entry' && tail.entry, entries.at(-1))
  })

  test('a watch shows its prefix only; an empty prefix is all names', async (t) => {
    const { a, b } = await given(t)
    const [rows, all] = [watchOf(t, b, 'row'), watchOf(t, b, '')]
    for (const name of ['row', 'rows.x', 'view', 'row.x']) await stored(a.append(name, bytesOf(name), 0, options))

    t.deepEqual((await all.upTo(4)).map(textOfEntry), ['row', 'rows.x', 'view', 'row.x'])
    t.deepEqual((await rows.upTo(1)).map(textOfEntry), ['row.x'])
  })

  test('an ended watch shows nothing more, the others do', async (t) => {
    const { a, b } = await given(t)
    const [ended, other] = [watchOf(t, b, 'row'), watchOf(t, b, 'row')]
    await stored(a.append('row.x', bytesOf('1'), 0, options))
    await Promise.all([ended.upTo(1), other.upTo(1)])

    ended.end()
    ended.end()
    await stored(a.append('row.y', bytesOf('2'), 0, options))
    await other.upTo(2)

    t.is(ended.entries.length, 1)
  })

  test('what a listener throws is reported, and the watch goes on', async (t) => {
    const { a, stream } = await given(t)
    const reported: string[] = []
    const log = await placeOf().open(stream, (error) => reported.push(error.message))
    t.teardown(() => log.close())
    const last = new Promise<void>((resolve) => {
      log.watch('row', ({ name }) => {
        if (name === 'row.last') return resolve()
        throw new Error('a mistake')
      })
    })

    await stored(a.append('row.first', bytesOf('1'), 0, options))
    await stored(a.append('row.last', bytesOf('2'), 0, options))
    await last

    t.deepEqual(reported, ['a mistake'])
  })

  test('a read beside a writer that appends, replaces and purges never has a hole', async (t) => {
    const { a, b } = await given(t)
    // Each record names the one before it and, in a replacing record or after a purge, how far back the chain goes.
    let last = 0
    let writing = true
    const write = async (): Promise<void> => {
      for (let i = 0; i < 400; i++) {
        const before = last
        last = await stored(a.append('x', bytesOf(String(before)), before, i % 40 === 39 ? replace : options))
        if (i % 40 === 20) await a.purge('x', before, timeoutMs)
      }
      writing = false
    }
    const read = async (): Promise<void> => {
      while (writing) {
        const acknowledged = last
        const entries = entriesOf(await b.read('x', 0, timeoutMs))
        t.true((entries.at(-1)?.seq ?? 0) >= acknowledged)
        for (let i = 1; i < entries.length; i++) t.is(Number(textOfEntry(entries[i]!)), entries[i - 1]!.seq)
      }
    }
    await Promise.all([write(), read(), read()])
  })

  test('the identity is the same to all, and its last sequence grows with the log', async (t) => {
    const { a, b } = await given(t)
    const before = await a.identity(timeoutMs)
    const seq = await stored(a.append('x', bytesOf('1'), 0, options))
    await a.purge('x', undefined, timeoutMs)
    const after = await b.identity(timeoutMs)

    if (before === 'unknown' || after === 'unknown') return t.fail('unknown')
    t.deepEqual(after, { ...before, lastSeq: seq })
    t.is(before.lastSeq, 0)
    t.is(typeof before.mayForget, 'boolean')
    t.true(Date.parse(before.created) > 0)
  })

  test('a closed log settles everything as unknown and ends its watches', async (t) => {
    const { a, b } = await given(t)
    const seen = watchOf(t, a, 'row')
    await stored(a.append('row.x', bytesOf('1'), 0, options))
    await seen.upTo(1)
    const open = [a.append('x', bytesOf('1'), 0, options), a.tail('x', timeoutMs), a.read('x', 0, timeoutMs)]

    await a.close()
    await a.close()

    for (const result of await Promise.all(open)) t.is(result.kind, 'unknown')
    t.is((await a.append('x', bytesOf('1'), 0, options)).kind, 'unknown')
    t.is((await a.tail('x', timeoutMs)).kind, 'unknown')
    t.is((await a.read('x', 0, timeoutMs)).kind, 'unknown')
    t.is(await a.purge('x', undefined, timeoutMs), 'unknown')
    t.is(await a.identity(timeoutMs), 'unknown')
    t.notThrows(a.watch('row', () => {}))
    const other = watchOf(t, b, 'row')
    await stored(b.append('row.y', bytesOf('2'), 0, options))
    await other.upTo(2)
    t.is(seen.entries.length, 1)
  })
}

/** Keeps what a watch shows, without what it shows twice. */
export function watchOf(t: ExecutionContext, log: Log, prefix: string) {
  const entries: LogEntry[] = []
  let wake = (): void => {}
  const end = log.watch(prefix, (entry) => {
    if (!entries.some(({ seq }) => seq === entry.seq)) entries.push(entry)
    wake()
  })
  t.teardown(end)
  return {
    entries,
    end,
    /** Waits until this many have come. */
    async upTo(count: number): Promise<LogEntry[]> {
      while (entries.length < count) await new Promise<void>((resolve) => void (wake = resolve))
      return entries.slice(0, count)
    },
    /** The first with this text, when it has come. */
    async until(text: string): Promise<LogEntry> {
      for (;;) {
        const found = entries.find((entry) => textOfEntry(entry) === text)
        if (found) return found
        await new Promise<void>((resolve) => void (wake = resolve))
      }
    },
  }
}

/** The sequence of an append that must succeed. */
export async function stored(result: Promise<AppendResult>): Promise<number> {
  const settled = await result
  if (settled.kind !== 'stored') throw new Error(`not stored: ${JSON.stringify(settled)}`)
  return settled.seq
}

export async function seqOfTail(log: Log, name: string): Promise<number | undefined> {
  const tail = await log.tail(name, timeoutMs)
  return tail.kind === 'entry' ? tail.entry.seq : undefined
}

function entriesOf(result: ReadResult): readonly LogEntry[] {
  if (result.kind !== 'entries') throw new Error(`not read: ${result.reason}`)
  return result.entries
}

const seqsOf = (result: ReadResult): number[] => entriesOf(result).map(({ seq }) => seq)
export const textsOf = (result: ReadResult): string[] => entriesOf(result).map(textOfEntry)
const textOfEntry = ({ bytes }: LogEntry): string => textOf(bytes)
