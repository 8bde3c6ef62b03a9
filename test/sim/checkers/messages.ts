/** Messages (M3): what an actor's committed turns sent to another is processed there once, in order, and nothing else is; each ask is
 *  answered once, and each message to nobody is refused once. */

import { type ActorShown, doneOf, keyOf, type Wish } from '../ledger.ts'
import { deedOf } from '../machines.ts'
import type { Witness } from '../witness.ts'

/** `finals`: the last look at each relay and sink, when nothing is on its way any more. */
export function judgeMessages(witness: Witness, finals: readonly Wish[], mayLose: (actor: string) => boolean): void {
  const shown = new Map(
    finals.flatMap((wish) => {
      const value = doneOf(wish)?.value as ActorShown | undefined
      return value === undefined || mayLose(keyOf(wish)) ? [] : [[keyOf(wish), value.context] as const]
    }),
  )
  for (const [relay, { marks, heard }] of shown) {
    if (!relay.startsWith('relay/')) continue
    const name = relay.slice('relay/'.length)
    const deeds = marks.map((_, i) => ({ mark: `${name}:${i + 1}`, ...deedOf(i + 1) }))
    if (deeds.some(({ sink }) => sink !== 'nobody' && !shown.has(`sink/${sink}`))) continue
    const arrived = new Set<string>()
    for (const sink of new Set(deeds.map((deed) => deed.sink))) {
      const sent = deeds.filter((deed) => deed.sink === sink).map(({ mark }) => mark)
      const got = shown.get(`sink/${sink}`)?.marks.filter((mark) => mark.startsWith(`${name}:`)) ?? []
      for (const mark of got) arrived.add(mark)
      // The first ones may have come before the sink was there; then they were refused.
      if (got.join() !== sent.slice(sent.length - got.length).join())
        witness.violation(`M3: ${relay} sent ${sent} to sink/${sink}, which processed ${got}`)
    }
    const asks = deeds.filter(({ op, mark }) => op === 'ask' && arrived.has(mark)).length
    const refused = deeds.length - arrived.size
    const refusals = heard.filter((word) => word === 'refusal').length
    if (refusals !== refused || heard.length - refusals !== asks)
      witness.violation(
        `M3: ${relay} was to hear ${asks} answers and ${refused} refusals, and heard ${heard.length - refusals} and ${refusals}`,
      )
  }
}
