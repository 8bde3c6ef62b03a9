/** History (I2, I3, O1): what callers were told of one durable actor, held against its journal at the end. Everything that anybody was
 *  shown is a beginning of that journal, and never an older one than somebody was shown before the question; every mark that
 *  was acknowledged is in it, at the place that its answer named, once; and one caller's marks stand in the order of its calls. */

import { errorCodes } from '../../src/base/errors.ts'
import { digestOf, type Journal } from './journal.ts'
import { type Asked, type Done, doneOf, shownBy, type Wish } from './ledger.ts'

/** What is wrong. `wishes`: all that concerns the actor. */
export function judgeHistory(actor: string, journal: Journal, wishes: readonly Wish[]): readonly string[] {
  const places = new Map(journal.marks.map((mark, place) => [mark, place]))
  return [
    ...judgeMarks(actor, journal, places),
    ...wishes.flatMap((wish) => judgeWish(actor, wish, places.get(wish.mark))),
    ...judgeLooks(actor, journal, wishes, places),
    ...judgeOrder(actor, journal, wishes),
  ]
}

type Places = ReadonlyMap<string, number>

function judgeMarks(actor: string, { marks }: Journal, places: Places): readonly string[] {
  const twice = marks.filter((mark, place) => places.get(mark) !== place)
  return twice.length === 0 ? [] : [`I3: ${actor} counted ${twice} twice`]
}

function judgeWish(actor: string, wish: Wish, place: number | undefined): readonly string[] {
  const { mark, op, attempts } = wish
  if (op !== 'ask' && op !== 'tell') return []
  const done = doneOf(wish)
  if (done === undefined) {
    const codes = attempts.map(({ outcome }) => (outcome?.kind === 'refused' ? outcome.why.code : undefined))
    const cannotHaveRun = codes.every((code) => code !== undefined && !errorCodes[code].mayHaveRun)
    return cannotHaveRun && place !== undefined
      ? [`${actor} refused ${mark} as ${codes}, which means that it did not run, and remembers it`]
      : []
  }
  const { handled, reply } = op === 'ask' ? (done.value as Asked) : { handled: true, reply: undefined }
  if (handled && place === undefined) return [`I2: ${mark} was acknowledged and ${actor} does not remember it`]
  // An event that changes nothing is not logged: repeated after a crash, the same request may be handled by then.
  if (!handled && place !== undefined && attempts.length === 1)
    return [`${mark} was not handled, says its answer, and ${actor} remembers it`]
  // A view is of now, which may be later than the mark.
  if (reply === undefined || 'context' in reply || place === undefined || reply.length === place + 1) return []
  return [`I2: ${mark} was answered as the ${reply.length}th mark of ${actor} and is the ${place + 1}th`]
}

/** Who was told that the journal had at least this length, and when. */
interface Look {
  readonly mark: string
  readonly length: number
  readonly calledMs: number
  readonly settledMs: number
}

function judgeLooks(actor: string, journal: Journal, wishes: readonly Wish[], places: Places): readonly string[] {
  const digests = [0]
  for (const mark of journal.marks) digests.push(digestOf(digests.at(-1)!, mark))
  const wrong: string[] = []
  const looks: Look[] = []
  for (const wish of wishes) {
    const done = doneOf(wish)
    if (done === undefined) continue
    const shown = shownBy(wish, done)
    if (shown !== undefined && shown.life !== journal.life)
      wrong.push(`I2: ${actor} lives as ${journal.life}, and ${wish.mark} was shown its life ${shown.life}`)
    else if (shown !== undefined && digests[shown.length] !== shown.digest)
      wrong.push(`I2: ${wish.mark} was shown ${shown.length} marks of ${actor} that are not how its journal begins`)
    const place = wish.op === 'tell' ? places.get(wish.mark) : undefined
    const length = shown?.length ?? (place === undefined ? undefined : place + 1)
    if (length !== undefined) looks.push(lookOf(wish, done, length))
  }
  return [...wrong, ...judgeFreshness(actor, looks)]
}

const lookOf = ({ mark, attempts }: Wish, { calledMs, settledMs }: Done, length: number): Look => ({
  mark,
  length,
  // What was repeated is answered with what was so when it was processed.
  calledMs: attempts.length > 1 ? -Infinity : calledMs,
  settledMs,
})

/** Who asks after somebody was told is told no less. */
function judgeFreshness(actor: string, looks: readonly Look[]): readonly string[] {
  const wrong: string[] = []
  const settled = looks.toSorted((a, b) => a.settledMs - b.settledMs)
  let longest: Look | undefined
  let next = 0
  for (const look of looks.toSorted((a, b) => a.calledMs - b.calledMs)) {
    for (; next < settled.length && settled[next]!.settledMs < look.calledMs; next++)
      if (longest === undefined || settled[next]!.length > longest.length) longest = settled[next]
    if (longest !== undefined && longest.length > look.length)
      wrong.push(
        `I2: ${look.mark} was shown ${look.length} marks of ${actor} after ${longest.mark} had been shown ${longest.length}`,
      )
  }
  return wrong
}

function judgeOrder(actor: string, { marks }: Journal, wishes: readonly Wish[]): readonly string[] {
  const wrong: string[] = []
  const byMark = new Map(wishes.map((wish) => [wish.mark, wish]))
  const last = new Map<string, Wish>()
  for (const mark of marks) {
    const wish = byMark.get(mark)
    // What was repeated took its place anew; what was given up may have been under way all the while, in a network that carried nothing.
    if (wish === undefined || wish.attempts.length > 1 || doneOf(wish) === undefined) continue
    const before = last.get(wish.caller)
    if (before !== undefined && before.number > wish.number)
      wrong.push(`O1: ${actor} processed ${before.mark} before ${mark}`)
    else last.set(wish.caller, wish)
  }
  return wrong
}

/** A volatile actor may forget in a crash what it was told, but not who it is; and it counts nothing twice. */
export function judgeMemory(actor: string, { life }: Journal, wishes: readonly Wish[]): readonly string[] {
  const wrong: string[] = []
  for (const wish of wishes) {
    const done = doneOf(wish)
    const shown = done && shownBy(wish, done)
    if (shown === undefined) continue
    if (shown.life !== life)
      wrong.push(`I2: ${actor} lives as ${life}, and ${wish.mark} was shown its life ${shown.life}`)
    if ('marks' in shown && new Set(shown.marks).size !== shown.marks.length)
      wrong.push(`I3: ${wish.mark} was shown a journal of ${actor} that counts twice: ${shown.marks}`)
  }
  return wrong
}
