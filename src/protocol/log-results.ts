/** Log results: the outcomes of the log that the core must judge. The port in `log/` speaks the same words. */

export type AppendResult =
  | { readonly kind: 'stored'; readonly seq: number }
  /** The expected sequence was not the last one. In doubt all the same: an earlier sending may have been stored. */
  | { readonly kind: 'refused' }
  /** No acknowledgement: connection lost, time out, no leader. */
  | { readonly kind: 'unknown'; readonly reason: string }
  /** The store has no room, or the record is over `bytesMax`: it was not stored by this sending. */
  | { readonly kind: 'full'; readonly reason: string }
  | { readonly kind: 'too large' }

/** Identity of the store behind the log (rule R1): another one, or a lower `lastSeq`, means that history broke. */
export interface LogIdentity {
  /** The broker process that answered; another id after a reconnect means it was restarted or we moved. */
  readonly server: string
  /** When the store was created, as the broker says it. */
  readonly created: string
  readonly lastSeq: number
  /** One copy, acknowledged before it is on a disk: a restart may lose the newest records. */
  readonly mayForget: boolean
}

/** Of both logs of a cluster. */
export interface Identities {
  readonly control: LogIdentity
  readonly shards: LogIdentity
}
