/** Codec: values as bytes and back. MessagePack inside Godwit, MessagePack or JSON on the public subjects. Whatever comes from
 *  outside is checked here, once: size, depth, form. Nothing else in the house parses bytes. */

import { Packr } from 'msgpackr'
import { GodwitError, messageOf } from '../base/errors.ts'
import { limits } from '../base/limits.ts'

/** Plain MessagePack (no record extension, so that any client can read it); sets, errors and big integers survive. 64-bit
 *  integers of other writers become numbers where they fit ('auto' is missing from the package's types). */
const packr = new Packr({ useRecords: false, moreTypes: true, mapsAsObjects: true, int64AsType: 'auto' as 'number' })

const nothing = new Uint8Array(0)

/** `undefined` is no bytes at all. Throws `BAD_REQUEST` for what cannot be encoded (functions vanish, symbols and cycles throw). */
export function encode(value: unknown): Uint8Array {
  if (value === undefined) return nothing
  try {
    // The packer hands out slices of a pooled buffer: a copy lets the pool go and can be kept for long.
    return Uint8Array.prototype.slice.call(packr.pack(value))
  } catch (thrown) {
    throw new GodwitError('BAD_REQUEST', `the value cannot be encoded: ${messageOf(thrown)}`, { cause: thrown })
  }
}

/** The inverse of `encode` for bytes that Godwit wrote itself: logs, packages, frames of the house. */
export const decode = (bytes: Uint8Array): unknown => (bytes.length === 0 ? undefined : packr.unpack(bytes))

/** A value from outside, with the encoding it came in, so that the answer can be in kind. */
export interface Parsed {
  readonly value: unknown
  readonly encoding: 'json' | 'msgpack'
}

/** Parses a payload of the public subjects. Throws `BAD_REQUEST` or `TOO_LARGE`. An empty payload is JSON's `{}`. */
export function parsePayload(bytes: Uint8Array): Parsed {
  if (bytes.length > limits.payloadBytesMax)
    throw new GodwitError('TOO_LARGE', `the payload may have ${limits.payloadBytesMax} bytes and has ${bytes.length}`)
  if (bytes.length === 0) return { value: {}, encoding: 'json' }
  const parsed = looksLikeJson(bytes) ? parseJson(bytes) : parseMsgpack(bytes)
  checkDepth(parsed.value)
  return parsed
}

export const encodeAs = (value: unknown, encoding: Parsed['encoding']): Uint8Array =>
  encoding === 'json' ? Buffer.from(JSON.stringify(value, jsonSafe) ?? 'null') : encode(value)

/** Throws `BAD_REQUEST` when a value is nested too deeply to be walked safely. */
export function checkDepth(value: unknown): void {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limits.payloadDepthMax)
      throw new GodwitError('BAD_REQUEST', `the payload may be nested ${limits.payloadDepthMax} deep and is deeper`)
    const next: unknown[] = []
    for (const item of level) {
      if (typeof item !== 'object' || item === null || ArrayBuffer.isView(item)) continue
      for (const child of item instanceof Map || item instanceof Set ? item.values() : Object.values(item))
        if (typeof child === 'object' && child !== null) next.push(child)
    }
    level = next
  }
}

/** JSON text begins with one of these, MessagePack maps never do. A number or `true` alone is no request either way. */
function looksLikeJson(bytes: Uint8Array): boolean {
  for (const byte of bytes) {
    if (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) continue
    return byte === 0x7b || byte === 0x5b || byte === 0x22
  }
  return true
}

function parseJson(bytes: Uint8Array): Parsed {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return { value: JSON.parse(text), encoding: 'json' }
  } catch (thrown) {
    throw new GodwitError('BAD_REQUEST', `the payload begins like JSON and is not: ${messageOf(thrown)}`)
  }
}

function parseMsgpack(bytes: Uint8Array): Parsed {
  try {
    return { value: packr.unpack(bytes), encoding: 'msgpack' }
  } catch (thrown) {
    throw new GodwitError('BAD_REQUEST', `the payload is neither JSON nor MessagePack: ${messageOf(thrown)}`)
  }
}

/** What JSON cannot say, in the form that other JSON writers use. */
function jsonSafe(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  if (value instanceof Error) return { name: value.name, message: value.message }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return value
}
