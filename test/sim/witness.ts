/** Witness: what is seen of a run from outside of the product: by the wrappers around its ports and its host, by the store, by the
 *  machines under test and by the callers. Checkers judge these observations and nothing else. */

import type { ErrorCode } from '../../src/base/errors.ts'
import type { NodeEvent } from '../../src/core/effects.ts'
import type { ActorKey, ShardName } from '../../src/protocol/address.ts'
import type { ControlRecord, LogRecord, Row } from '../../src/protocol/records.ts'

/** One life of a process. */
export interface Life {
  readonly node: string
  readonly boot: string
}

export interface Hold {
  readonly life: Life
  readonly actor: string
  readonly what: 'grip' | 'work'
  readonly id: number
  readonly epoch: number
}

export type Observation =
  /** A record was stored; seen inside the append, so in the very order of the store. */
  | { readonly kind: 'stored'; readonly name: string; readonly seq: number; readonly record: LogRecord | ControlRecord }
  /** The broker started again without its newest records; `tailOf` tells where each name ends now. */
  | { readonly kind: 'forgotten'; readonly tailOf: (name: string) => number }
  /** A turn, a committed effect or the waking of an actor begins. */
  | {
      readonly kind: 'act'
      readonly what: 'turn' | 'perform' | 'wake'
      readonly life: Life
      readonly shard: ShardName
      readonly actor: ActorKey
      readonly epoch: number
      readonly cause: string
      /** It stands still in the middle of a turn of its event loop. */
      readonly frozen: boolean
    }
  /** Something outside is taken hold of, or let go. `id` names the hold. */
  | ({ readonly kind: 'held' } & Hold)
  | ({ readonly kind: 'let go' } & Hold)
  /** A delayed transition is armed or fires, in a turn that may still be undone. */
  | {
      readonly kind: 'armed'
      readonly life: Life
      readonly actor: string
      readonly mark: string
      readonly delayMs: number
      /** By the clock of the process, which stands in the middle of a turn, it is that much later. */
      readonly heldMs: number
    }
  | {
      readonly kind: 'fired'
      readonly life: Life
      readonly actor: string
      readonly mark: string
      readonly heldMs: number
    }
  | { readonly kind: 'cancelled'; readonly life: Life; readonly actor: string; readonly mark: string }
  /** A plain action was performed. */
  | {
      readonly kind: 'acted'
      readonly life: Life
      readonly actor: string
      readonly mark: string
      readonly epoch: number
    }
  | {
      readonly kind: 'process'
      readonly life: Life
      readonly what: 'starts' | 'crashes' | 'ends' | 'stands' | 'sleeps' | 'resumes' | 'is cut' | 'is back'
    }
  | { readonly kind: 'heard'; readonly life: Life; readonly event: NodeEvent }
  /** A process declares another node dead, over its row with that beat: its append leaves; by its clock that is `heldMs` later. */
  | {
      readonly kind: 'declares'
      readonly life: Life
      readonly node: string
      readonly row: Pick<Row, 'boot' | 'inc' | 'beat'>
      readonly heldMs: number
    }
  /** A process sends a row of its own; by its clock, which stands in the middle of a turn, that is `heldMs` later. */
  | {
      readonly kind: 'beats'
      readonly life: Life
      readonly row: Pick<Row, 'token' | 'beat'>
      readonly heldMs: number
    }
  /** A process appends to the log of a shard, perhaps once more. */
  | {
      readonly kind: 'appends'
      readonly life: Life
      readonly name: string
      readonly record: LogRecord['kind']
      readonly token: string
    }
  /** A process reads a whole log. */
  | { readonly kind: 'reads'; readonly life: Life; readonly name: string }
  /** Something that must never be said: an error with nobody to hear it. */
  | { readonly kind: 'broken'; readonly life: Life | undefined; readonly text: string }
  /** A node refuses a frame, as it came under the number `lane`. */
  | {
      readonly kind: 'refused'
      readonly life: Life
      readonly frame: string
      readonly lane: number | undefined
      readonly code: ErrorCode
    }
  | { readonly kind: 'called'; readonly text: string }
  | { readonly kind: 'settled'; readonly text: string }
  | { readonly kind: 'world'; readonly text: string }

export interface Checker {
  saw(observation: Observation, atMs: number): void
}

/** Hands each observation to all who judge or write it down, and collects what is wrong. */
export class Witness {
  readonly violations: string[] = []
  private readonly checkers: Checker[] = []
  private readonly now: () => number

  constructor(now: () => number) {
    this.now = now
  }

  add(checker: Checker): void {
    this.checkers.push(checker)
  }

  saw(observation: Observation): void {
    const atMs = this.now()
    for (const checker of this.checkers) checker.saw(observation, atMs)
  }

  /** A rule of the protocol is broken. */
  violation(text: string): void {
    this.violations.push(`${this.now().toFixed(1)} ms: ${text}`)
  }
}
