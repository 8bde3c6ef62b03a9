/** Requests (M2): a request of an actor, under one id, is in one commit only, whoever owned its shard meanwhile: what is in the store
 *  twice was processed twice. One that the machine keeps open may be there a second time, with its answer. */

import { limits } from '../../src/base/limits.ts'
import type { CommitRecord } from '../../src/protocol/records.ts'

interface Known {
  readonly seq: number
  readonly isOpen: boolean
}

export class Requests {
  readonly wrong: string[] = []
  count = 0
  private readonly known = new Map<string, Map<string, Known>>()
  /** Actors that were stopped, and when: a request to stop may be repeated for as long as it is remembered. */
  private readonly stopped: { readonly actor: string; readonly atMs: number }[] = []

  take(commit: CommitRecord, seq: number, atMs: number): void {
    while (this.stopped[0] !== undefined && this.stopped[0].atMs < atMs - limits.requestKeepMs)
      this.known.delete(this.stopped.shift()!.actor)
    for (const { actor, request, answer } of commit.requests) this.note(actor, request, answer === 'open', seq)
    for (const [actor, stored] of commit.actors) if (stored === null) this.stopped.push({ actor, atMs })
  }

  private note(actor: string, request: string, isOpen: boolean, seq: number): void {
    const requests = this.known.get(actor) ?? new Map<string, Known>()
    this.known.set(actor, requests)
    const before = requests.get(request)
    if (before === undefined) this.count++
    else if (!before.isOpen || isOpen)
      this.wrong.push(`M2: request ${request} of ${actor} is in the commit at ${before.seq} and in the one at ${seq}`)
    requests.set(request, { seq, isOpen })
  }
}
