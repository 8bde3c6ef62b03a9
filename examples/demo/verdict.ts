/** Verdict: how the story ended, in numbers that the caller's ledger and the witness answer for, and whether it ended well. */

import { count, left, paint, right, span } from './paint.ts'
import { actorsOf, movedIn, type Scene } from './scene.ts'
import type { Ending } from './story.ts'

export interface Verdict {
  readonly good: boolean
  readonly lines: readonly string[]
}

interface Finding {
  readonly good: boolean
  readonly what: string
  readonly evidence: string
}

export function verdictOn(scene: Scene, ending: Ending): Verdict {
  const findings = [...ledgerFindings(scene, ending), ...outsideFindings(scene, ending)]
  const good = findings.every((finding) => finding.good)
  const title = `${count(actorsOf(scene))} actors, ${count(ending.audit.answered)} asks, ${count(movedIn(scene))} moves in ${span(performance.now() - scene.startedAtMs)}`
  const durability = `durability: ${scene.durability}`
  const lines = [
    '',
    `${paint('bold', title)}  ${paint('dim', durability)}`,
    '',
    ...chapterTable(scene),
    '',
    ...findings.map(line),
    ...ending.audit.failures.slice(0, 5).map((failure) => paint('red', `    ${failure}`)),
    '',
  ].map((text) => (text === '' ? text : `  ${text}`))
  return { good, lines }
}

function chapterTable({ chapters }: Scene): string[] {
  const told = chapters.filter(({ name, page }) => page && name !== 'start' && name !== 'spawn' && name !== 'audit')
  const head =
    left('chapter', 10) +
    ['asks', 'asks/s', 'p50', 'p99', 'longest gap', 'moved'].map((name) => right(name, 13)).join('')
  const rows = told.map(({ name, page, moved }) => {
    const { answered, asksPerSecond, p50Ms, p99Ms, gapMs } = page!
    const values = [count(answered), count(asksPerSecond), span(p50Ms), span(p99Ms), span(gapMs), count(moved)]
    return left(name, 10) + values.map((value) => right(value, 13)).join('')
  })
  return [paint('dim', head), ...rows]
}

/** Lost, doubled and unanswered: the ledger against the actors, read afterwards. */
function ledgerFindings({ actors, unfinished }: Scene, { audit }: Ending): Finding[] {
  const { answered, declined, counted, lost, doubled, unanswered, sentAgain, repeated } = audit
  const asked = actors.counters + actors.websockets
  const aside = declined > 0 ? ` (${count(declined)} declined)` : ''
  return [
    {
      good: lost === 0,
      what: `${count(lost)} lost`,
      evidence: `${count(answered)} asks answered${aside}, ${count(counted)} counted by ${count(asked)} actors, read afterwards`,
    },
    {
      good: doubled === 0,
      what: `${count(doubled)} doubled`,
      evidence: `${count(repeated)} asks sent once more on purpose, seconds later, under their old request ids`,
    },
    {
      good: unanswered === 0,
      what: `${count(unanswered)} unanswered`,
      evidence: `${count(sentAgain)} refused at first, and sent again`,
    },
    ...unfinished.map((name) => ({
      good: false,
      what: `${name} unfinished`,
      evidence: 'the cluster was not whole again in time',
    })),
  ]
}

/** What others saw: the reminders' own times, and the other side of the websockets. */
function outsideFindings({ actors }: Scene, { audit, testimony }: Ending): Finding[] {
  const { kept, unfired, twice, early, lateMsMax } = audit.reminders
  const { connections, frames, acceptedStale, refusedConnections, refusedFrames, overlaps, overlapMsMax } = testimony
  const overlap =
    overlaps === 0
      ? 'never two for one actor'
      : `${count(overlaps)} times two for one actor, at most ${span(overlapMsMax)}`
  return [
    {
      good: kept === actors.reminders,
      what: `${count(kept)} reminders`,
      evidence:
        kept === actors.reminders
          ? `each fired once, none early, none more than ${span(lateMsMax)} late`
          : `of ${count(actors.reminders)}; ${unfired} not fired, ${twice} fired twice, ${early} early`,
    },
    {
      good: acceptedStale === 0 && frames <= audit.said,
      what: `${count(actors.websockets)} websockets`,
      evidence:
        `${count(connections)} connections, ${overlap}; ${count(frames)} of ${count(audit.said)} frames heard; ` +
        `stale: ${acceptedStale} accepted, ${count(refusedConnections + refusedFrames)} refused`,
    },
  ]
}

const line = ({ good, what, evidence }: Finding): string =>
  `${good ? paint('green', '✔') : paint(['bold', 'red'], '✘')} ${left(good ? what : paint('red', what), 16)}${evidence}`
