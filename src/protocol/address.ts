/** Address: how an actor is named, and in which shard of which group it lives. */

import { GodwitError } from '../base/errors.ts'
import { hash32 } from '../base/hash.ts'
import { limits } from '../base/limits.ts'

export interface Address {
  readonly type: string
  /** Any text of 1 to 512 bytes of UTF-8. */
  readonly id: string
}

/** `type/id`: types hold no slash, so the first one ends the type. */
export type ActorKey = string

/** `group.index`, for example `main.17`: the name of a shard in logs, frames and tables. */
export type ShardName = string

export const keyOf = (address: Address): ActorKey => `${address.type}/${address.id}`

export function addressOf(key: ActorKey): Address {
  const slash = key.indexOf('/')
  return { type: key.slice(0, slash), id: key.slice(slash + 1) }
}

/** The shard of an actor: a hash of its whole address, so that one id under two types does not meet itself. */
export const shardOf = (address: Address, group: string, shards: number): ShardName =>
  shardName(group, hash32(keyOf(address)) % shards)

export const shardName = (group: string, index: number): ShardName => `${group}.${index}`

/** Group and index of a shard's name. */
export function shardParts(name: ShardName): { readonly group: string; readonly index: number } {
  const dot = name.lastIndexOf('.')
  return { group: name.slice(0, dot), index: Number(name.slice(dot + 1)) }
}

const namePattern = /^[A-Za-z0-9_-]{1,64}$/

/** Refuses (`BAD_REQUEST`) what cannot be the name of a cluster, node, type or group. */
export function checkName(what: string, name: unknown): asserts name is string {
  if (typeof name === 'string' && namePattern.test(name)) return
  throw new GodwitError(
    'BAD_REQUEST',
    `${what} must be 1 to 64 of the characters A-Z a-z 0-9 _ - and is ${shown(name)}`,
  )
}

/** Refuses (`BAD_REQUEST`) what cannot be the id of an actor. */
export function checkId(id: unknown): asserts id is string {
  if (typeof id !== 'string' || id === '')
    throw new GodwitError('BAD_REQUEST', `an actor's id must be a text that is not empty and is ${shown(id)}`)
  if (!id.isWellFormed())
    throw new GodwitError('BAD_REQUEST', "an actor's id must be well-formed text: it holds half a surrogate pair")
  const bytes = Buffer.byteLength(id)
  if (bytes > limits.idBytesMax)
    throw new GodwitError('BAD_REQUEST', `an actor's id may have ${limits.idBytesMax} bytes and has ${bytes}`)
}

function shown(value: unknown): string {
  if (typeof value !== 'string') return value === null ? 'null' : typeof value
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
}
