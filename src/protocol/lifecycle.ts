/** Lifecycle: what nodes say to each other on their lifecycle subjects: handoff of shards, drain, listing. Requests are
 *  answered at once; what takes time is told by a message of its own, and every step may be asked again (rule 7). */

import { limits } from '../base/limits.ts'
import type { ShardName } from './address.ts'
import { decode, encode } from './codec.ts'
import type { ListRow } from './results.ts'

export type LifecycleRequest =
  /** B -> A: the ring of view `view` gives me `shard`, whose tail names you. */
  | { readonly kind: 'handoff'; readonly shard: ShardName; readonly to: string; readonly view: number }
  /** A -> B: a piece of the package; `pieces` is their number. */
  | {
      readonly kind: 'package'
      readonly shard: ShardName
      readonly token: string
      readonly index: number
      readonly pieces: number
      readonly bytes: Uint8Array
    }
  /** A -> B: the release is in the log. */
  | { readonly kind: 'released'; readonly shard: ShardName }
  /** A node -> itself: what comes after it has been under way for no longer. Has no reply. */
  | ({ readonly kind: 'mark' } & Mark)
  /** Anybody -> the node: hand everything over, then leave. */
  | { readonly kind: 'drain'; readonly timeoutMs: number }
  /** Anybody -> a node: the actors it holds, in order of key, after `after`. */
  | { readonly kind: 'list'; readonly type?: string; readonly after?: string; readonly count: number }

/** `atMs`: on the sender's own clock. */
export interface Mark {
  readonly boot: string
  readonly atMs: number
}

export type LifecycleReply =
  | { readonly kind: 'ok' }
  /** Not now: I draw my view anew, or have too much under way. */
  | { readonly kind: 'later' }
  /** The shard's log must be read again: I do not hold it. */
  | { readonly kind: 'not mine' }
  | { readonly kind: 'listed'; readonly rows: readonly ListRow[]; readonly next?: string }

export const encodeLifecycle = (message: LifecycleRequest | LifecycleReply): Uint8Array => encode(message)

const requestKinds: ReadonlySet<string> = new Set(['handoff', 'package', 'released', 'mark', 'drain', 'list'])

/** `undefined` for bytes that are no request. */
export function decodeLifecycleRequest(bytes: Uint8Array): LifecycleRequest | undefined {
  try {
    const message = decode(bytes) as LifecycleRequest
    if (!requestKinds.has(message.kind) || (message.kind === 'package' && !isPiece(message))) return undefined
    return message
  } catch {
    return undefined
  }
}

const isPiece = ({ index, pieces }: { readonly index: number; readonly pieces: number }): boolean =>
  Number.isInteger(index) &&
  Number.isInteger(pieces) &&
  index >= 0 &&
  index < pieces &&
  pieces <= limits.packagePiecesMax

export function decodeLifecycleReply(bytes: Uint8Array): LifecycleReply | undefined {
  try {
    return decode(bytes) as LifecycleReply
  } catch {
    return undefined
  }
}
