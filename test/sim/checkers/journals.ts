/** Journals (I2, I3, O1): what the callers were told, held against what the actors remember at the end. An immortal durable actor
 *  has one history; everything anybody was ever shown of it is a beginning of that history, and never an older one than
 *  somebody was shown before the question. So nothing acknowledged is lost, nothing is counted twice, nothing is read that
 *  was not committed, and no order is broken. */

import { type ActorShown, type Attempt, doneOf, isMortal, keyOf, type Wish } from '../ledger.ts'
import { digestOf, type JournalReply } from '../machines.ts'
import type { Refusals } from './refusals.ts'
import type { Witness } from '../witness.ts'

export interface JournalRules {
  /** Clocks are wild: who reads may be shown the past, by an owner that is none any more. */
  readonly mayReadOld: boolean
  /** What was acknowledged may be gone with a broker's disk. */
  readonly mayLose: (actor: string) => boolean
  /** Messages may be overtaken, or be under way for longer than their callers wait; then a call that was given up may run after later
   *  ones. */
  readonly mayRunLate: boolean
  /** The state of the volatile actor may be lost. */
  readonly mayForget: (actor: string) => boolean
  /** Frames that were refused by a node. Where such an answer and the memory of it are lost, a repetition runs at the next owner, after
   *  calls that were made later (`lanes.ts`). */
  readonly refusals: Refusals
}

/** `finals`: the last look at each actor, when everything was over. */
export function judgeJournals(
  witness: Witness,
  wishes: readonly Wish[],
  finals: readonly Wish[],
  rules: JournalRules,
): void {
  for (const final of finals) {
    const shown = doneOf(final)?.value as ActorShown | undefined
    if (shown === undefined) continue
    const own = wishes.filter((wish) => wish !== final && keyOf(wish) === keyOf(final))
    if (final.type === 'cache') judgeBirth(witness, keyOf(final), shown.context.life, own)
    if (final.type === 'cache' && rules.mayForget(keyOf(final))) continue
    if (rules.mayLose(keyOf(final))) continue
    judgeHistory(witness, keyOf(final), shown.context.marks, shown.context.life, own, rules)
  }
  if (rules.mayReadOld) return
  const certain = wishes.filter((wish) => !rules.mayLose(keyOf(wish)))
  for (const wish of certain) if (!isMortal(wish.actor)) judgeExistence(witness, wish, certain)
  judgeLives(witness, certain)
}

/** A volatile actor that has forgotten everything begins with the input of its life. */
function judgeBirth(witness: Witness, key: string, life: string, wishes: readonly Wish[]): void {
  if (!wishes.some(({ op, mark }) => op === 'spawn' && mark === life))
    witness.violation(`E1: ${key} begins anew as ${life === '' ? 'nobody' : life}, and nobody spawned it so`)
}

function judgeHistory(
  witness: Witness,
  key: string,
  marks: readonly string[],
  life: string,
  wishes: readonly Wish[],
  rules: JournalRules,
): void {
  const places = new Map(marks.map((mark, place) => [mark, place]))
  if (places.size !== marks.length) {
    const twice = marks.filter((mark, place) => places.get(mark) !== place)
    witness.violation(`I3: ${key} counted ${twice} twice`)
  }
  const digests = [0]
  for (const mark of marks) digests.push(digestOf(digests.at(-1)!, mark))

  const looks: Look[] = []
  for (const wish of wishes) {
    const done = doneOf(wish)
    const place = places.get(wish.mark)
    if (wish.op === 'ask' || wish.op === 'tell') judgeMark(witness, key, wish, done, place, rules.refusals)
    if (done === undefined) continue
    const seen = lookOf(wish, done, place)
    if (seen === undefined) continue
    if (seen.life !== undefined && seen.life !== life)
      witness.violation(`I2: ${key} lives as ${life}, and ${wish.mark} was shown its life ${seen.life}`)
    if (seen.length > marks.length || (seen.digest !== undefined && digests[seen.length] !== seen.digest))
      witness.violation(
        `I2: ${wish.mark} was shown ${seen.length} marks of ${key} that are not how its history begins: ${marks.slice(0, seen.length)}`,
      )
    looks.push(seen)
  }
  if (!rules.mayReadOld) judgeFreshness(witness, key, looks)
  judgeOrder(witness, key, marks, wishes, rules)
}

/** What an answer shows: the history was at least this long. */
interface Look {
  readonly mark: string
  readonly length: number
  readonly digest: number | undefined
  readonly life: string | undefined
  readonly calledMs: number
  readonly settledMs: number
}

function lookOf(wish: Wish, done: Attempt & { readonly value: unknown }, place: number | undefined): Look | undefined {
  // A repeated request is answered with what was so when it was processed.
  const calledMs = wish.attempts.length > 1 ? -Infinity : done.calledMs
  const look = { mark: wish.mark, calledMs, settledMs: done.settledMs }
  switch (wish.op) {
    case 'tell':
      return { ...look, length: place === undefined ? 0 : place + 1, digest: undefined, life: undefined }
    case 'ask': {
      const { reply } = done.value as { readonly reply: JournalReply | ActorShown }
      return { ...look, ...('context' in reply ? shownBy(reply) : reply) }
    }
    case 'get':
      return { ...look, ...shownBy(done.value as ActorShown) }
    default:
      return undefined
  }
}

const shownBy = ({ context: { life, marks, digest } }: ActorShown): JournalReply => ({
  life,
  length: marks.length,
  digest,
})

function judgeMark(
  witness: Witness,
  key: string,
  wish: Wish,
  done: (Attempt & { readonly value: unknown }) | undefined,
  place: number | undefined,
  refusals: Refusals,
): void {
  const { mark, attempts, op, event } = wish
  if (event !== undefined && !('mark' in event)) {
    if (done !== undefined && event.type !== 'CANCEL')
      witness.violation(`${mark} is a ${event.type} and cannot succeed, and ${key} says that it did`)
    return
  }
  if (done !== undefined) {
    const handled = op === 'tell' || (done.value as { readonly handled: boolean }).handled
    if (handled && place === undefined)
      witness.violation(`I2: ${mark} was acknowledged and ${key} does not remember it`)
    if (!handled && place !== undefined)
      witness.violation(`${mark} was not handled, says its answer, and ${key} remembers it`)
    const reply = op === 'ask' ? (done.value as { readonly reply: JournalReply | ActorShown }).reply : undefined
    // A view is of now, which may be later than the mark.
    if (reply !== undefined && !('context' in reply) && place !== undefined && reply.length !== place + 1)
      witness.violation(`I2: ${mark} was answered as the ${reply.length}th mark of ${key} and is the ${place + 1}th`)
    return
  }
  if (!refusals.neverRan(wish) || place === undefined) return
  const codes = attempts.map(({ outcome }) => outcome?.kind === 'refused' && outcome.why.code)
  witness.violation(`${mark} was refused as ${codes} by ${key}, which means that it did not run, and it ran`)
}

/** Who asks after somebody was told is told no less. */
function judgeFreshness(witness: Witness, key: string, looks: readonly Look[]): void {
  const settled = looks.toSorted((a, b) => a.settledMs - b.settledMs)
  let longest: Look | undefined
  let next = 0
  for (const look of looks.toSorted((a, b) => a.calledMs - b.calledMs)) {
    for (; next < settled.length && settled[next]!.settledMs < look.calledMs; next++)
      if (longest === undefined || settled[next]!.length > longest.length) longest = settled[next]
    if (longest !== undefined && longest.length > look.length)
      witness.violation(
        `I2: ${look.mark} was shown ${look.length} marks of ${key} after ${longest.mark} had been shown ${longest.length}`,
      )
  }
}

/** O1: one sender's events to one actor are processed in the order of their calls. */
function judgeOrder(
  witness: Witness,
  key: string,
  marks: readonly string[],
  wishes: readonly Wish[],
  rules: JournalRules,
): void {
  const byMark = new Map(wishes.map((wish) => [wish.mark, wish]))
  const last = new Map<string, Wish>()
  for (const mark of marks) {
    const wish = byMark.get(mark)
    // What its caller repeated took its place anew.
    if (wish === undefined || wish.attempts.length > 1) continue
    if (rules.mayRunLate && doneOf(wish) === undefined) continue
    if (rules.refusals.ranElsewhere(wish)) continue
    const before = last.get(wish.client)
    if (before !== undefined && before.number > wish.number)
      witness.violation(`O1: ${key} processed ${before.mark} before ${mark}`)
    else last.set(wish.client, wish)
  }
}

/** An actor that nobody stops is there, volatile or not, once anybody was told so. */
function judgeExistence(witness: Witness, wish: Wish, wishes: readonly Wish[]): void {
  for (const { calledMs, outcome } of wish.attempts) {
    if (outcome?.kind !== 'refused' || outcome.why.code !== 'ACTOR_NOT_FOUND') continue
    const born = wishes.find(
      (other) => keyOf(other) === keyOf(wish) && (doneOf(other)?.settledMs ?? Infinity) < calledMs,
    )
    if (born !== undefined)
      witness.violation(
        `I2: ${wish.mark} was told that there is no ${keyOf(wish)}, after ${born.mark} had an answer of it`,
      )
  }
}

/** Who has once been seen dead does not come back: the lives of an actor follow each other. */
function judgeLives(witness: Witness, wishes: readonly Wish[]): void {
  const looks = new Map<
    string,
    { readonly life: string; readonly calledMs: number; readonly settledMs: number; readonly mark: string }[]
  >()
  for (const wish of wishes) {
    const done = doneOf(wish)
    if (!isMortal(wish.actor) || done === undefined || wish.attempts.length > 1) continue
    const life = lookOf(wish, done, undefined)?.life
    if (life === undefined) continue
    const own = looks.get(keyOf(wish)) ?? []
    looks.set(keyOf(wish), own)
    own.push({ life, calledMs: done.calledMs, settledMs: done.settledMs, mark: wish.mark })
  }
  for (const wish of wishes) {
    const done = doneOf(wish)
    if (wish.op !== 'stop' || !isMortal(wish.actor) || done === undefined || wish.attempts.length > 1) continue
    if (!(done.value as { readonly stopped: boolean }).stopped) continue
    const own = looks.get(keyOf(wish)) ?? []
    const before = new Set(own.filter(({ settledMs }) => settledMs < done.calledMs).map(({ life }) => life))
    const back = own.find(({ life, calledMs }) => calledMs > done.settledMs && before.has(life))
    if (back !== undefined)
      return witness.violation(
        `M2: ${back.mark} was shown the life ${back.life} of ${keyOf(wish)} after ${wish.mark} had stopped it`,
      )
  }
  for (const [key, own] of looks)
    for (const a of own)
      for (const b of own) {
        if (b.life === a.life || b.calledMs < a.settledMs) continue
        const back = own.find((c) => c.life === a.life && c.calledMs > b.settledMs)
        if (back !== undefined)
          return witness.violation(
            `I2: ${back.mark} was shown the life ${back.life} of ${key} after ${b.mark} had been shown its next one ${b.life}`,
          )
      }
}
