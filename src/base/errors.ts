/** Errors: the closed list of refusals that reach a user, and the one class that carries them.
 *  Each code says whether the request may have run and whether the same request may be sent again (the README's table
 *  repeats it in words; a test compares the two). */

export const errorCodes = {
  BAD_REQUEST: { retryable: false, mayHaveRun: false },
  TYPE_UNKNOWN: { retryable: false, mayHaveRun: false },
  ACTOR_NOT_FOUND: { retryable: false, mayHaveRun: false },
  EVENT_REJECTED: { retryable: false, mayHaveRun: false },
  ACTOR_FAILED: { retryable: false, mayHaveRun: false },
  ACTOR_DONE: { retryable: false, mayHaveRun: false },
  OVERLOADED: { retryable: true, mayHaveRun: false },
  NOT_OWNER: { retryable: true, mayHaveRun: false },
  UNAVAILABLE: { retryable: true, mayHaveRun: false },
  DEADLINE: { retryable: true, mayHaveRun: true },
  TOO_LARGE: { retryable: false, mayHaveRun: false },
  STORAGE_FULL: { retryable: true, mayHaveRun: true },
  FORBIDDEN: { retryable: false, mayHaveRun: false },
  INTERNAL: { retryable: false, mayHaveRun: true },
} as const

export type ErrorCode = keyof typeof errorCodes

/** An error as it travels: what `{ok: false, error}` holds on the public subjects. */
export interface Refusal {
  readonly code: ErrorCode
  /** A sentence that says what happened and what to do. */
  readonly message: string
  readonly retryable: boolean
}

/** What every call of the public API rejects with. */
export class GodwitError extends Error {
  override readonly name = 'GodwitError'
  readonly code: ErrorCode
  /** The same request (same request id) may be sent again and may then succeed. */
  readonly retryable: boolean
  /** False: the event was certainly not processed. True: it may have been. */
  readonly mayHaveRun: boolean

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = errorCodes[code].retryable
    this.mayHaveRun = errorCodes[code].mayHaveRun
  }
}

export const refuse = (code: ErrorCode, message: string): Refusal => ({
  code,
  message,
  retryable: errorCodes[code].retryable,
})

export const errorOf = (refusal: Refusal): GodwitError => new GodwitError(refusal.code, refusal.message)

/** The message of anything that was thrown. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))
