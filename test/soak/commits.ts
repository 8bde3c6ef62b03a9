/** Commits: which mark of which actor was committed when, and by whom: read from what the commits themselves hold. And how each
 *  owner's time came to its end: it released its shard, or somebody took it over. */

import type { LogRecord } from '../../src/protocol/records.ts'
import type { StoredActor } from '../../src/protocol/turn.ts'
import { decodeState } from '../../src/runtime/host-state.ts'
import type { Journal } from './journal.ts'

/** One life of a node as the owner of one shard, under as many epochs as it claimed anew. */
export interface Tenure {
  readonly shard: string
  readonly owner: string
  readonly inc: number
  readonly epochs: Set<number>
  end: { readonly how: 'released' | 'taken over'; readonly atMs: number } | undefined
}

export interface Commit {
  readonly seq: number
  readonly atMs: number
  readonly tenure: Tenure
}

interface Actor {
  readonly commits: Map<string, Commit>
  /** Marks whose commit was removed before it was read, perhaps. */
  readonly unseen: Set<string>
  length: number
  lastSeq: number
  isStopped: boolean
}

/** What nothing is known of. */
const unknownActor = (): Actor => ({ commits: new Map(), unseen: new Set(), length: 0, lastSeq: 0, isStopped: false })

export class Commits {
  private readonly tenures = new Map<string, Tenure>()
  private readonly actors = new Map<string, Actor>()
  /** By shard: something before this was removed before it was read. */
  private readonly holes = new Map<string, number>()
  private readonly type: string

  /** `type`: of the actors that are followed; their context is a journal. */
  constructor(type: string) {
    this.type = type
  }

  take(shard: string, record: LogRecord, seq: number, atMs: number): void {
    const { owner, inc } = record
    const before = this.tenures.get(shard)
    const isSame = before?.owner === owner && before.inc === inc && before.end === undefined
    if (!isSame && before !== undefined) before.end ??= { how: 'taken over', atMs }
    const tenure = isSame ? before : { shard, owner, inc, epochs: new Set<number>(), end: undefined }
    tenure.epochs.add(record.kind === 'claim' ? seq : record.epoch)
    this.tenures.set(shard, tenure)
    if (record.kind === 'release') tenure.end = { how: 'released', atMs }
    if (record.kind !== 'commit') return
    for (const [actor, stored] of record.actors)
      if (actor.startsWith(`${this.type}/`)) this.note(actor, stored, { seq, atMs, tenure })
  }

  /** Records of this shard before `seq` were removed before they were read. */
  skip(shard: string, seq: number): void {
    this.holes.set(shard, seq)
  }

  commitOf(actor: string, mark: string): Commit | 'unseen' | undefined {
    const known = this.actors.get(actor)
    return known?.unseen.has(mark) ? 'unseen' : known?.commits.get(mark)
  }

  /** Its end is in the log, and so everything before it was read. */
  isStopped(actor: string): boolean {
    return this.actors.get(actor)?.isStopped === true
  }

  forget(actor: string): void {
    this.actors.delete(actor)
  }

  private note(key: string, stored: StoredActor | null, commit: Commit): void {
    const actor = this.actors.get(key) ?? unknownActor()
    this.actors.set(key, actor)
    if (stored === null) actor.isStopped = true
    else {
      const { marks } = (decodeState(stored.state).machine as unknown as { readonly context: Journal }).context
      const isUnseen = (this.holes.get(commit.tenure.shard) ?? 0) > actor.lastSeq
      for (const mark of marks.slice(actor.length))
        if (isUnseen) actor.unseen.add(mark)
        else actor.commits.set(mark, commit)
      actor.length = marks.length
    }
    actor.lastSeq = commit.seq
  }
}
