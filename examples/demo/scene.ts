/** Scene: all that there is to see at one moment. The story changes it, the picture is drawn from it. */

import type { NodeRow } from '../../src/index.ts'
import type { Figures } from './caller.ts'
import type { Summary } from './waits.ts'
import type { Testimony } from './witness.ts'

export type ChapterName = 'start' | 'spawn' | 'calm' | 'join' | 'kill -9' | 'drain' | 'audit'

export interface Chapter {
  readonly name: ChapterName
  readonly text: string
  /** About how long it takes; the progress bar believes it. */
  readonly plannedMs: number
  startedAtMs?: number
  /** Once it is over. */
  page?: Summary
  moved: number
}

export interface Member extends Pick<NodeRow, 'id' | 'shards' | 'actors'> {
  /** As the demo knows it: 'killed' comes before the cluster has noticed and says 'dead'. */
  state: 'starting' | 'joining' | 'up' | 'killed' | 'dead' | 'draining' | 'left'
  shards: number
  actors: number
}

export interface Scene {
  readonly actors: { readonly counters: number; readonly websockets: number; readonly reminders: number }
  /** What the cluster stands on. */
  readonly ground: string
  readonly startedAtMs: number
  readonly chapters: readonly Chapter[]
  readonly members: Map<string, Member>
  /** Asks per second, newest last. */
  readonly history: number[]
  /** Chapters whose end the cluster did not reach in time. */
  readonly unfinished: ChapterName[]
  chapter: Chapter
  durability: string
  figures: Figures | undefined
  testimony: Testimony | undefined
}

export function createScene(actors: number, chapterMs: number, ground: string): Scene {
  const websockets = Math.round(actors / 5)
  const reminders = Math.round((actors * 3) / 10)
  const chapters = chaptersOf(chapterMs)
  return {
    actors: { counters: actors - websockets - reminders, websockets, reminders },
    ground,
    startedAtMs: performance.now(),
    chapters,
    members: new Map(),
    history: [],
    unfinished: [],
    chapter: chapters[0]!,
    durability: '',
    figures: undefined,
    testimony: undefined,
  }
}

function chaptersOf(chapterMs: number): readonly Chapter[] {
  const chapter = (name: ChapterName, plannedMs: number, text: string): Chapter => ({ name, plannedMs, text, moved: 0 })
  return [
    chapter('start', 3_000, 'Three nodes start, and share the shards among them.'),
    chapter('spawn', 2_500, 'Actors are spawned: counters, websockets to a local server, reminders with a delay.'),
    chapter('calm', chapterMs, 'A client asks them, all the time, and keeps a ledger of every answer.'),
    chapter('join', chapterMs, 'A fourth node joins. A quarter of the shards move to it, a few at a time.'),
    chapter('kill -9', chapterMs, 'n2 is killed. The others notice its silence, and read its shards from the log.'),
    chapter('drain', chapterMs, 'n1 is drained. It hands every shard over, and leaves.'),
    chapter('audit', 2_000, 'The asking stops. The client reads every actor and compares it with its ledger.'),
  ]
}

export const actorsOf = ({ actors }: Scene): number => actors.counters + actors.websockets + actors.reminders

export const movedIn = (scene: Scene): number => scene.chapters.reduce((sum, { moved }) => sum + moved, 0)

/** Between 0 and 1. A chapter that takes longer than planned almost ends, and waits there. */
export function progressOf({ chapters, chapter: present }: Scene, nowMs: number): number {
  const total = chapters.reduce((sum, { plannedMs }) => sum + plannedMs, 0)
  const before = chapters.slice(0, chapters.indexOf(present)).reduce((sum, { plannedMs }) => sum + plannedMs, 0)
  const within = present.page
    ? present.plannedMs
    : Math.min(nowMs - (present.startedAtMs ?? nowMs), present.plannedMs * 0.97)
  return (before + within) / total
}
