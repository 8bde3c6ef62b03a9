/** Messages (M3): what an actor's committed turns sent to another is processed there once, in order, and nothing else is; each ask is
 *  answered once, in order and with what its mark led to, and each message to nobody is refused once. */

import { type ActorShown, doneOf, keyOf, type Wish } from '../ledger.ts'
import { deedOf, nobody, sinkCount } from '../machines.ts'
import type { Witness } from '../witness.ts'

/** `finals`: the last look at each relay and sink, when nothing is on its way any more. */
export function judgeMessages(witness: Witness, finals: readonly Wish[], mayLose: (actor: string) => boolean): void {
  const shown = new Map<string, ActorShown['context']>()
  for (const wish of finals) {
    const value = doneOf(wish)?.value as ActorShown | undefined
    if (mayLose(keyOf(wish))) continue
    if (value === undefined) witness.violation(`M3: ${wish.mark} has no answer from ${keyOf(wish)}`)
    else shown.set(keyOf(wish), value.context)
  }
  for (const [relay, { marks, heard }] of shown) {
    if (!relay.startsWith('relay/')) continue
    const name = relay.slice('relay/'.length)
    const deeds = marks.map((_, i) => ({ mark: `${name}:${i + 1}`, ...deedOf(i + 1) }))
    for (const sink of sinks) {
      if (sink !== nobody && !shown.has(`sink/${sink}`)) continue
      const sent = deeds.filter((deed) => deed.sink === sink)
      const journal = shown.get(`sink/${sink}`)?.marks ?? []
      const got = journal.filter((mark) => mark.startsWith(`${name}:`))
      // The first ones may have come before the sink was there; then they were refused.
      const due = sent.slice(sent.length - got.length)
      if (got.join() !== due.map(({ mark }) => mark).join())
        witness.violation(
          `M3: ${relay} sent ${sent.map(({ mark }) => mark)} to sink/${sink}, which processed ${got.length > 0 ? got : 'none'}`,
        )
      const answers = due.filter(({ op }) => op === 'ask').map(({ mark }) => journal.indexOf(mark) + 1)
      const words = heard.filter((word) => word.sink === sink).map(({ what }) => what)
      const answered = words.filter((what) => what !== 'refused')
      if (answered.join() !== answers.join())
        witness.violation(`M3: ${relay} was to hear ${answers} of sink/${sink}, and heard ${answered}`)
      const refusals = words.length - answered.length
      if (refusals !== sent.length - got.length)
        witness.violation(
          `M3: ${relay} was to hear ${sent.length - got.length} refusals of sink/${sink}, and heard ${refusals}`,
        )
    }
  }
}

const sinks = [nobody, ...Array.from({ length: sinkCount }, (_, i) => `s${i}`)]
