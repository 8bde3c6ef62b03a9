/** Draft: what a turn has said and wants done, none of which is true before its commit. A transition that throws leaves no trace
 *  in it. */

import { limits } from '../base/limits.ts'
import { encode } from '../protocol/codec.ts'
import type { Asked } from '../protocol/results.ts'
import type { TurnResult } from '../protocol/turn.ts'

export interface Effect {
  readonly run: () => unknown
  /** It starts, stops or feeds a child: nothing is left to do once the machine is gone. */
  readonly needsMachine: boolean
}

export type Posted = NonNullable<TurnResult['posts']>[number]

export interface Answer {
  readonly request: string
  readonly answer: Uint8Array
}

export interface Mark {
  readonly effects: number
  readonly answers: number
  readonly reply: Uint8Array | undefined
  readonly kept: boolean
  readonly posts: number
}

export class Draft {
  readonly effects: Effect[] = []
  readonly answers: Answer[] = []
  /** Messages to other actors. */
  readonly posts: Posted[] = []
  /** The encoded answer to the present request. */
  reply: Uint8Array | undefined
  kept = false
  /** What the first transition of the root threw. */
  failure: { readonly thrown: unknown } | undefined
  /** The request that the turn answers, if it came from outside. */
  readonly request: string | undefined
  /** Undoes the naming (`systemId`) of children by the transition under way. */
  readonly unname: (() => void)[] = []
  #steps = 0

  constructor(request?: string) {
    this.request = request
  }

  /** A machine and its child machines may send each other events for ever; one turn may not. */
  step(): void {
    if (++this.#steps > limits.machineStepsMax)
      throw new Error(
        `the machine and its children sent one another more than ${limits.machineStepsMax} events in one turn`,
      )
  }

  /** It is the turn's own event that is being processed, not one that followed from it. */
  get first(): boolean {
    return this.#steps <= 1
  }

  /** Answers the present request, or one that was kept. Throws for a value that cannot be encoded. The last word counts. */
  say(value: unknown, to: string | undefined): void {
    const answer = encode({ handled: true, reply: value } satisfies Asked)
    if (to !== undefined && to !== this.request) {
      if (to !== '') this.answers.push({ request: to, answer })
      return
    }
    this.reply = answer
    if (to !== undefined) this.kept = false
  }

  /** Keeps the present request open; its name is the token. Nobody asked: an empty one. */
  keep(): string {
    if (this.request === undefined) return ''
    this.kept = true
    return this.request
  }

  /** The turn did something besides changing state. */
  get spoke(): boolean {
    return (
      this.effects.length > 0 ||
      this.posts.length > 0 ||
      this.reply !== undefined ||
      this.kept ||
      this.answers.length > 0
    )
  }

  mark(): Mark {
    return {
      effects: this.effects.length,
      answers: this.answers.length,
      reply: this.reply,
      kept: this.kept,
      posts: this.posts.length,
    }
  }

  revert(mark: Mark): void {
    this.effects.length = mark.effects
    this.answers.length = mark.answers
    this.posts.length = mark.posts
    this.reply = mark.reply
    this.kept = mark.kept
    while (this.unname.length > 0) this.unname.pop()!()
  }
}
