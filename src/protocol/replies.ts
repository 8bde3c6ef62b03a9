/** Replies: the form of every answer on the public subjects: `{ok: true, …}`, or `{ok: false, error: {code, message, retryable}}`. */

import { errorCodes, errorOf, GodwitError, messageOf, type Refusal, refuse } from '../base/errors.ts'
import { encodeAs, type Parsed, parsePayload } from './codec.ts'

export const encodeReply = (result: object, encoding: Parsed['encoding']): Uint8Array =>
  encodeAs({ ok: true, ...result }, encoding)

export const encodeRefusal = (error: Refusal, encoding: Parsed['encoding']): Uint8Array =>
  encodeAs({ ok: false, error }, encoding)

/** What was thrown, as it may be shown to a caller. Only our own errors say what happened; others are bugs. */
export const refusalOf = (thrown: unknown): Refusal =>
  thrown instanceof GodwitError ? refuse(thrown.code, thrown.message) : refuse('INTERNAL', messageOf(thrown))

/** The result without `ok`. Throws the refusal that it was instead, or INTERNAL for what is no reply of ours. */
export function parseReply(bytes: Uint8Array): Record<string, unknown> {
  const { value } = parsePayload(bytes)
  if (typeof value !== 'object' || value === null) throw new GodwitError('INTERNAL', 'the reply is no object')
  const { ok, error, ...result } = value as { ok?: unknown; error?: Refusal }
  if (ok === true) return result
  if (error === undefined || !(error.code in errorCodes))
    throw new GodwitError('INTERNAL', 'the reply is not of Godwit')
  throw errorOf(error)
}
