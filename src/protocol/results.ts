/** Results: what each operation answers, as it travels in the body of a 'done' answer and, with `ok: true` before it,
 *  on the public subjects. */

import type { Refusal } from '../base/errors.ts'

export interface Spawned {
  readonly created: boolean
  readonly type: string
  readonly id: string
  readonly shard: string
  readonly node: string
  readonly epoch: number
}

export interface Located {
  readonly shard: string
  readonly node: string
  readonly epoch: number
}

export interface Stopped {
  /** False: there was no such actor. */
  readonly stopped: boolean
}

export interface Asked {
  /** False: the machine has no transition for the event in its present state; `reply` is the view. */
  readonly handled: boolean
  readonly reply: unknown
}

export type Told = Record<never, never>

/** What the owner of its target says of a message between actors (rule M3). That it is refused for good is a result like any other. */
export interface Delivered {
  readonly refused?: Refusal
}

/** What anybody may see of an actor: always of a committed state. */
export interface ActorView {
  readonly status: 'active' | 'done' | 'error'
  readonly value: unknown
  readonly context: unknown
  readonly tags: readonly string[]
  readonly output?: unknown
  readonly error?: unknown
}

export interface NodeRow {
  readonly id: string
  readonly state: 'up' | 'leaving' | 'left' | 'dead'
  readonly zone?: string
  readonly region?: string
  readonly shards: number
  readonly actors: number
}

export interface Nodes {
  readonly view: number
  readonly nodes: readonly NodeRow[]
}

export interface ListRow {
  readonly type: string
  readonly id: string
  readonly status: ActorView['status']
  readonly shard: string
  readonly node: string
}
