/** Picture: the scene as lines of text for a terminal. A pure function: who draws it, and how often, is the screen's business. */

import { bar, clock, count, left, paint, right, span, sparkline } from './paint.ts'
import { actorsOf, type Chapter, type Member, movedIn, progressOf, type Scene } from './scene.ts'

const widthMax = 100

export function pictureOf(scene: Scene, nowMs: number, columns: number): readonly string[] {
  const width = Math.min(columns, widthMax) - 4
  return [
    '',
    title(scene, nowMs, width),
    paint('dim', scene.ground),
    '',
    chapterLine(scene),
    progressLine(scene, nowMs, width),
    '',
    paint('bold', scene.chapter.text),
    '',
    ...memberTable(scene, width),
    '',
    ...figureTable(scene, width),
    '',
    ...witnessLines(scene),
    '',
  ].map((line) => (line === '' ? line : `  ${line}`))
}

function title(scene: Scene, nowMs: number, width: number): string {
  const words = `${paint(['bold', 'cyan'], 'Godwit')}  ${count(actorsOf(scene))} actors on a cluster that comes and goes`
  const time = clock(nowMs - scene.startedAtMs)
  return left(words, width - time.length) + paint('dim', time)
}

function chapterLine({ chapters, chapter: present }: Scene): string {
  return chapters.map((each) => chapterMark(each, each === present)).join('   ')
}

function chapterMark({ name, page, startedAtMs }: Chapter, isPresent: boolean): string {
  if (isPresent && page === undefined) return paint(['bold', 'yellow'], `▶ ${name}`)
  if (startedAtMs !== undefined) return `${paint('green', '✔')} ${name}`
  return paint('dim', `· ${name}`)
}

function progressLine(scene: Scene, nowMs: number, width: number): string {
  const progress = progressOf(scene, nowMs)
  const room = width - 6
  const done = Math.round(progress * room)
  const percent = right(`${Math.round(progress * 100)} %`, 6)
  return paint('cyan', '━'.repeat(done)) + paint('dim', '─'.repeat(room - done)) + percent
}

const stateStyles = {
  starting: 'yellow',
  joining: 'yellow',
  up: 'green',
  killed: 'red',
  dead: 'red',
  draining: 'yellow',
  left: 'dim',
} as const satisfies Record<Member['state'], Parameters<typeof paint>[0]>

function memberTable(scene: Scene, width: number): string[] {
  const members = [...scene.members.values()]
  const most = Math.max(1, actorsOf(scene) / 2, ...members.map(({ actors }) => actors))
  const head = left('node', 7) + left('state', 12) + right('shards', 8) + right('actors', 9)
  const rows = members.map(({ id, state, shards, actors }) => {
    const style = stateStyles[state]
    const word = state === 'killed' ? 'kill -9' : state
    const numbers = right(count(shards), 8) + right(count(actors), 9)
    const strip = paint(style, bar(actors / most, width - 40))
    return (
      left(id, 7) +
      paint(style, left(word, 12)) +
      (state === 'left' || state === 'dead' ? paint('dim', numbers) : numbers) +
      '   ' +
      strip
    )
  })
  // Room for the node that is to come, so that nothing jumps.
  while (rows.length < 4) rows.push('')
  return [paint('dim', head), ...rows]
}

function figureTable(scene: Scene, width: number): string[] {
  const { figures } = scene
  // Until somebody asks there is nothing to say, and the room for it.
  if (figures === undefined || figures.answered === 0) return ['', '', '', '']
  const gap = figures.gapMs
  const columns: [string, string][] = [
    ['asks/s', count(figures.asksPerSecond)],
    ['p50', span(figures.p50Ms)],
    ['p99', span(figures.p99Ms)],
    ['longest gap', gap >= 1_000 ? paint('yellow', span(gap)) : span(gap)],
    ['answered', count(figures.answered)],
    ['moved', count(movedIn(scene))],
    ['lost', verdict(figures.lost)],
    ['doubled', verdict(figures.doubled)],
    ['unanswered', verdict(figures.unanswered)],
  ]
  const space = width >= 90 ? 3 : 1
  const widths = columns.map(([name]) => Math.max(name.length, 6) + space)
  const head = columns.map(([name], i) => right(name, widths[i]!)).join('')
  const values = columns.map(([, value], i) => right(value, widths[i]!)).join('')
  return [paint('dim', head), values, '', paint('cyan', sparkline(scene.history, width))]
}

const verdict = (n: number): string => (n === 0 ? paint('green', '0') : paint(['bold', 'red'], count(n)))

function witnessLines({ testimony, figures, actors }: Scene): string[] {
  if (testimony === undefined) return ['', '']
  const { open, connections, frames, refusedConnections, refusedFrames, overlaps } = testimony
  const refused = refusedConnections + refusedFrames
  return [
    `${paint('dim', left('websockets', 13))}${count(open)} open, ${count(connections)} ever, ${count(frames)} frames, ${count(refused)} refused, ${count(overlaps)} overlaps`,
    `${paint('dim', left('reminders', 13))}${count(figures?.due ?? 0)} of ${count(actors.reminders)} due`,
  ]
}
