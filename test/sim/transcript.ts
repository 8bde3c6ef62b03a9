/** Transcript: a run as text, one line an observation. Two runs of one seed must write the same, and the broker must store the same bytes
 *  in both: two hashes are the test of that. */

import { createHash } from 'node:crypto'
import type { NodeEvent } from '../../src/core/effects.ts'
import type { LogRecord } from '../../src/protocol/records.ts'
import type { Checker, Life, Observation } from './witness.ts'
import { streams, type World } from './world.ts'

export class Transcript implements Checker {
  private readonly seen: { readonly observation: Observation; readonly atMs: number }[] = []
  private readonly bytes = createHash('sha1')
  private readonly echo: ((line: string) => void) | undefined
  private readonly isUnread: boolean

  /** `isUnread`: nobody will ask for it, so nothing is kept. */
  constructor({ broker }: Pick<World, 'broker'>, echo?: (line: string) => void, isUnread = false) {
    this.echo = echo
    this.isUnread = isUnread
    if (isUnread) return
    for (const stream of Object.values(streams))
      broker.store(stream).watch('', ({ name, seq, bytes }) => {
        this.bytes.update(`${name} ${seq} ${bytes.length} `).update(bytes)
      })
  }

  saw(observation: Observation, atMs: number): void {
    if (!this.isUnread) this.seen.push({ observation, atMs })
    this.echo?.(lineOf(observation, atMs))
  }

  /** Written when it is asked for: most runs are never read. */
  lines(): readonly string[] {
    return this.seen.map(({ observation, atMs }) => lineOf(observation, atMs))
  }

  hash(): string {
    const hash = createHash('sha1')
    for (const line of this.lines()) hash.update(line)
    return hash.digest('hex').slice(0, 12)
  }

  /** Of every record that was ever stored, byte for byte. */
  storedHash(): string {
    return this.bytes.copy().digest('hex').slice(0, 12)
  }
}

const lineOf = (observation: Observation, atMs: number): string =>
  `${atMs.toFixed(2).padStart(9)} ${textOf(observation)}`

function textOf(seen: Observation): string {
  switch (seen.kind) {
    case 'stored':
      return `log    ${seen.name} @${seen.seq} ${recordText(seen)}`
    case 'act':
      return `${nameOf(seen.life)} ${seen.what} ${seen.shard} ${seen.actor} e${seen.epoch} ${seen.cause}`
    case 'held':
    case 'let go':
      return `${nameOf(seen.life)} ${seen.kind} ${seen.what} ${seen.id} of ${seen.actor} e${seen.epoch}`
    case 'armed':
      return `${nameOf(seen.life)} ${seen.actor} armed ${seen.mark} for ${seen.delayMs.toFixed(0)} ms`
    case 'fired':
    case 'cancelled':
      return `${nameOf(seen.life)} ${seen.actor} ${seen.kind} ${seen.mark}`
    case 'forgotten':
      return 'world  ==== the broker starts again without its newest records'
    case 'acted':
      return `${nameOf(seen.life)} acts ${seen.mark} of ${seen.actor} e${seen.epoch}`
    case 'process':
      return `${nameOf(seen.life)} ==== ${seen.what}`
    case 'heard':
      return `${nameOf(seen.life)} -- ${eventText(seen.event)}`
    case 'beats':
      return `${nameOf(seen.life)} beats ${seen.row.beat}`
    case 'declares':
      return `${nameOf(seen.life)} declares ${seen.node} dead`
    case 'appends':
      return `${nameOf(seen.life)} appends ${seen.record} to ${seen.name}`
    case 'reads':
      return `${nameOf(seen.life)} reads ${seen.name}`
    case 'broken':
      return `${seen.life ? nameOf(seen.life) : 'world '} !!!! ${seen.text}`
    case 'refused':
      return `${nameOf(seen.life)} refuses ${seen.frame} as ${seen.code}`
    case 'called':
      return `call   ${seen.text}`
    case 'settled':
      return `answer ${seen.text}`
    case 'world':
      return `world  ==== ${seen.text}`
  }
}

const nameOf = ({ node, boot }: Life): string => `${node}/${boot.slice(0, 4)}`.padEnd(6)

function recordText({ record }: Extract<Observation, { kind: 'stored' }>): string {
  switch (record.kind) {
    case 'row':
      return `row ${record.profile.id} inc ${record.inc} ${record.state} beat ${record.beat}`
    case 'view': {
      const members = record.members.map(({ id, inc, state }) => `${id}.${inc}${state === 'leaving' ? '-' : ''}`)
      return `view ${record.number}: ${members.join(' ')}`
    }
    case 'charter':
      return 'charter'
    case 'claim':
      return `claim by ${record.owner}.${record.inc} over ${record.over}`
    case 'commit': {
      const actors = record.actors.map(([actor, stored]) => (stored === null ? `-${actor}` : actor))
      const ids = record.requests.map(({ request }) => request)
      return `commit ${writerOf(record)}: ${actors.join(' ')} ids ${ids.join(' ')}`
    }
    case 'checkpoint':
      return `checkpoint ${writerOf(record)} covers ${record.covers}${Array.isArray(record.content) ? ' in parts' : ''}`
    case 'release':
      return `release ${writerOf(record)} to ${record.to} ${record.handoff}`
  }
}

const writerOf = ({ owner, inc, epoch }: LogRecord): string => `by ${owner}.${inc} e${epoch}`

function eventText(event: NodeEvent): string {
  switch (event.kind) {
    case 'view':
      return `view ${event.view.number}`
    case 'refused':
      return `refused: ${event.why.message}`
    default: {
      const { kind, ...rest } = event
      return `${kind} ${Object.values(rest).join(' ')}`
    }
  }
}
