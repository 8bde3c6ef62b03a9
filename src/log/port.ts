/** Log: named chains of records in a place that survives nodes. Each append carries the sequence that its writer
 *  believes to be the last of the name, so the records of a name form one chain and a stale writer is refused. The shard
 *  logs, the rows of nodes and the view are all such names.
 *
 *  What an implementation promises:
 *  - `append` stores the record only if the last sequence of the name is `expected` (0: the name is empty).
 *  - sequences grow over all names of a log; those of one name are in the order of its appends.
 *  - `tail` and `read` come from the leader: they show every append that was acknowledged before they were called.
 *  - 'unknown' means that the record may be stored, now or later. A caller must not conclude from absence (rule S2).
 *  - every call settles; none throws.
 *  - bytes handed over are not kept or changed afterwards by either side. */

import type { AppendResult, LogIdentity } from '../protocol/log-results.ts'

export type { AppendResult, LogIdentity }

export interface LogEntry {
  readonly name: string
  readonly seq: number
  /** The broker's clock when it stored the record, in milliseconds since 1970. */
  readonly timeMs: number
  readonly bytes: Uint8Array
}

export type TailResult =
  | { readonly kind: 'entry'; readonly entry: LogEntry }
  | { readonly kind: 'empty' }
  | { readonly kind: 'unknown'; readonly reason: string }

export type ReadResult =
  | { readonly kind: 'entries'; readonly entries: readonly LogEntry[] }
  | { readonly kind: 'unknown'; readonly reason: string }

export interface AppendOptions {
  /** The record takes the place of all earlier ones of its name (`Nats-Rollup: sub`). */
  readonly replace?: boolean
  readonly timeoutMs: number
}

export interface Log {
  /** The largest record that `append` takes, in bytes. */
  readonly bytesMax: number
  append(name: string, record: Uint8Array, expected: number, options: AppendOptions): Promise<AppendResult>
  /** The last record of `name`. */
  tail(name: string, timeoutMs: number): Promise<TailResult>
  /** Every record of `name` with a sequence of `from` or higher, in order, up to the last one stored when it was called. Of
   *  what is replaced or purged meanwhile it shows all or nothing: the chain it gives has no hole. Unknown after `timeoutMs`, and
   *  after 2 s without an answer of the leader. */
  read(name: string, from: number, timeoutMs: number): Promise<ReadResult>
  /** Removes the records of `name` with sequences below `before`; all of them where it is left out. `name` may end in `.>`, for
   *  all names under it. */
  purge(name: string, before: number | undefined, timeoutMs: number): Promise<'done' | 'unknown'>
  /** The last record of each name under `prefix` (`prefix.…`; empty: all names), then every later one, in order of sequence;
   *  after a reconnect, or when something was lost, the last ones again. So an entry may come twice, and one that was
   *  followed by another of its name may be left out, but never the last of a name. Returns what ends it. */
  watch(prefix: string, listener: (entry: LogEntry) => void): () => void
  identity(timeoutMs: number): Promise<LogIdentity | 'unknown'>
  /** Ends all watches. Calls under way settle as 'unknown'. */
  close(): Promise<void>
}
