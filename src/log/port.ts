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

export interface LogEntry {
  readonly name: string
  readonly seq: number
  /** The broker's clock when it stored the record, in milliseconds since 1970. */
  readonly timeMs: number
  readonly bytes: Uint8Array
}

export type AppendResult =
  | { readonly kind: 'stored'; readonly seq: number }
  /** The expected sequence was not the last one. In doubt all the same: an earlier sending may have been stored. */
  | { readonly kind: 'refused' }
  /** No acknowledgement: connection lost, time out, no leader. */
  | { readonly kind: 'unknown'; readonly reason: string }
  /** The store has no room, or the record is over `bytesMax`: it was not stored by this sending. */
  | { readonly kind: 'full'; readonly reason: string }
  | { readonly kind: 'too large' }

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

/** Identity of the store behind the log (rule R1): another one, or a lower `lastSeq`, means that history broke. */
export interface LogIdentity {
  /** The broker process that answered; another id after a reconnect means it was restarted or we moved. */
  readonly server: string
  /** When the store was created, as the broker says it. */
  readonly created: string
  readonly lastSeq: number
  readonly replicas: number
}

export interface Log {
  /** The largest record that `append` takes, in bytes. */
  readonly bytesMax: number
  append(name: string, record: Uint8Array, expected: number, options: AppendOptions): Promise<AppendResult>
  /** The last record of `name`. */
  tail(name: string, timeoutMs: number): Promise<TailResult>
  /** Every record of `name` with a sequence of `from` or higher, in order, up to the last one stored when it was called. */
  read(name: string, from: number, timeoutMs: number): Promise<ReadResult>
  /** Removes the records of `name` with sequences below `before`; all of them where it is left out. */
  purge(name: string, before: number | undefined, timeoutMs: number): Promise<'done' | 'unknown'>
  /** The last record of each name under `prefix` (`prefix.…`), then every later one, in order of sequence; after a reconnect
   *  the last ones again. An entry may come twice, none is left out for ever. Returns what ends it. */
  watch(prefix: string, listener: (entry: LogEntry) => void): () => void
  identity(timeoutMs: number): Promise<LogIdentity | 'unknown'>
  /** Ends all watches. Calls under way settle as 'unknown'. */
  close(): Promise<void>
}
