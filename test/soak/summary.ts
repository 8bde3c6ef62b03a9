/** Summary: how a soak went, in tables. */

import { count, left, paint, right, span } from '../../examples/demo/paint.ts'
import { many } from './screen.ts'
import { monotonicMs } from './clock.ts'
import { type FaultKind, faults as faultNames, type RoundKind } from './fate.ts'
import type { Soak } from './soak.ts'

export function summaryOf(soak: Soak): readonly string[] {
  const { workload, verdict, startedMs } = soak
  const lines = [
    '',
    paint('bold', `${span(monotonicMs() - startedMs)} of soak`),
    '',
    ...faultTable(soak),
    '',
    ...(workload === undefined ? [] : callTable(soak)),
    '',
    verdict.count === 0
      ? paint('green', '✔ 0 violations')
      : paint(['bold', 'red'], `✘ ${many(verdict.count, 'violation')}`),
    ...verdict.violations.slice(0, 20).map((text) => `    ${text}`),
    ...(verdict.violations.length > 20 ? [`    and ${verdict.violations.length - 20} more in the transcript`] : []),
    '',
  ]
  return lines.map((line) => (line === '' ? line : `  ${line}`))
}

/** Storms count as rounds of their own: what the price of each of their faults was cannot be told. */
function faultTable({ faults, rounds }: Soak): string[] {
  const rows = Object.entries(faultNames).map(([kind, name]) => {
    const times = faults.get(kind as FaultKind) ?? 0
    return [name, count(times), ...priceOf(kind as RoundKind)]
  })
  const storms = rounds.get('storm')?.count ?? 0
  rows.push(['several at once', storms === 0 ? '0' : many(storms, 'storm'), ...priceOf('storm')])

  function priceOf(kind: RoundKind): [string, string, string] {
    const row = rounds.get(kind)
    return row === undefined ? ['', '', ''] : [count(row.count), span(row.gapMs), span(row.wholeMs)]
  }

  const head = ['fault', 'times', 'alone', 'longest unanswered', 'whole after at most']
  const widths = [30, 9, 7, 20, 21]
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? left(cell, widths[i]!) : right(cell, widths[i]!))).join('')
  return [paint('dim', line(head)), ...rows.map(line)]
}

function callTable({ workload, outside, cluster, chronicle, lateness }: Soak): string[] {
  const { counts, outcomes, timerLatenessMsMax } = workload!
  const row = (what: string, evidence: string): string => `${left(what, 22)}${evidence}`
  const outcomeTexts = [...outcomes].toSorted((a, b) => b[1] - a[1]).map(([what, times]) => `${count(times)} ${what}`)
  const told = ['suspended', 'resumed', 'fenced', 'declared dead', 'stuck'].flatMap((kind) => {
    const times = cluster?.told.get(kind) ?? 0
    return times === 0 ? [] : [`${count(times)} ${kind}`]
  })
  const { records = 0, unseen: unseenCount = 0 } = chronicle?.counts ?? {}
  const unseen = unseenCount === 0 ? '' : `; ${count(unseenCount)} removed before they were read`
  return [
    row(`${count(counts.calls)} calls`, outcomeTexts.join(', ')),
    row(
      `${count(counts.wishes)} wishes`,
      `${count(counts.kept)} answered in the end, ${count(counts.givenUp)} given up, ${count(counts.repeated)} answered twice on purpose`,
    ),
    row(
      `${count(counts.judged)} actors judged`,
      `${count(counts.marks)} marks in their journals, each once and in order`,
    ),
    row('volatile actors', `forgot ${count(counts.lapses)} times, and always answered`),
    row(
      'delayed transitions',
      `none early or twice, the latest ${span(timerLatenessMsMax)} after its time, ${span(lateness?.lateMsMax ?? 0)} of it unexcused`,
    ),
    row(
      'held outside',
      `${count(outside?.counts.connections ?? 0)} connections, ${count(outside?.counts.refused ?? 0)} refused for an old epoch`,
    ),
    row(
      'plain actions',
      `${count(outside?.deeds.count ?? 0)} performed, none twice and none in vain; ${count(outside?.deeds.excused ?? 0)} lost with their process`,
    ),
    row(
      'the store',
      `${many(records, 'record')} in whole chains, ${many(chronicle?.requests.count ?? 0, 'request id')} in one commit each${unseen}`,
    ),
    row('the nodes told', told.join(', ')),
    row(
      'slowest node',
      `its event loop stood still for ${span(outside?.absences.stallMsMax ?? 0)} without being stopped`,
    ),
  ]
}
