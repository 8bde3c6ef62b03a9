/** Screen: shows the story while it runs. On a terminal a picture, redrawn in place on the alternate screen, so that what was
 *  there before is there again afterwards; elsewhere plain lines, when something happens and every few seconds. */

import { clock, count, cut, span } from './paint.ts'
import { pictureOf } from './picture.ts'
import { movedIn, type Scene } from './scene.ts'

export interface Screen {
  /** A chapter has begun. */
  readonly turnPage: () => void
  readonly close: () => void
}

const escape = '\x1b['
const enter = `${escape}?1049h${escape}?25l`
const leave = `${escape}?25h${escape}?1049l`
const drawMs = 100
const lineMs = 2_000

export const openScreen = (scene: Scene, out: NodeJS.WriteStream): Screen =>
  out.isTTY && process.env['TERM'] !== 'dumb' ? openTerminal(scene, out) : openPlain(scene, out)

function openTerminal(scene: Scene, out: NodeJS.WriteStream): Screen {
  function draw(): void {
    const lines = pictureOf(scene, performance.now(), out.columns).slice(0, out.rows - 1)
    const text = lines.map((line) => `${cut(line, out.columns)}${escape}K`).join('\n')
    out.write(`${escape}H${text}${escape}J`)
  }
  out.write(enter)
  out.on('resize', draw)
  const drawing = setInterval(draw, drawMs)
  return {
    turnPage: draw,
    close() {
      clearInterval(drawing)
      out.off('resize', draw)
      out.write(leave)
    },
  }
}

function openPlain(scene: Scene, out: NodeJS.WriteStream): Screen {
  const say = (text: string): void => void out.write(`${clock(performance.now() - scene.startedAtMs)}  ${text}\n`)
  const telling = setInterval(() => say(`         ${lineOf(scene)}`), lineMs)
  return {
    turnPage: () => say(`${scene.chapter.name.padEnd(8)} ${scene.chapter.text}`),
    close: () => clearInterval(telling),
  }
}

function lineOf(scene: Scene): string {
  const members = [...scene.members.values()].map(
    ({ id, state, actors }) => `${id} ${state === 'up' ? count(actors) : state}`,
  )
  const nodes = members.join(', ')
  const { figures } = scene
  if (figures === undefined || figures.answered === 0)
    return figures ? `${count(figures.spawned)} spawned; ${nodes}` : nodes
  const { asksPerSecond, p50Ms, p99Ms, gapMs, lost, doubled } = figures
  return (
    `${count(asksPerSecond)} asks/s, p50 ${span(p50Ms)}, p99 ${span(p99Ms)}, longest gap ${span(gapMs)}, ` +
    `moved ${count(movedIn(scene))}, lost ${lost}, doubled ${doubled}; ${nodes}`
  )
}
