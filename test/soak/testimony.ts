/** Testimony: what the actors of a soak tell the outside, one JSON line each. Every process has a line of its own for what it
 *  does, and one more for each thing that an actor of it holds. All times are of the machine's monotonic clock. */

export type Testimony =
  /** First on the line of a process. */
  | { readonly what: 'process'; readonly pid: number }
  /** The process takes turns of its event loop. */
  | { readonly what: 'pulse'; readonly atMs: number }
  /** A plain action is performed. */
  | {
      readonly what: 'acted'
      readonly actor: string
      readonly mark: string
      readonly epoch: number
      readonly atMs: number
    }
  /** First on the line of what is held; answered with one word. */
  | {
      readonly what: 'hello'
      readonly actor: string
      readonly epoch: number
      readonly pid: number
      readonly atMs: number
    }
  /** Last on it: from now on it is not held. */
  | { readonly what: 'bye'; readonly atMs: number }

export const welcome = 'welcome\n'
export const refused = 'a newer owner was here\n'

/** How often a process says that it is alive. */
export const pulseMs = 250

/** Where the outside listens, for the processes of the nodes. */
export const portVariable = 'GODWIT_SOAK_OUTSIDE'

export const lineOf = (said: Testimony): string => `${JSON.stringify(said)}\n`
