/** JetStreamApi: JetStream's JSON requests for one stream, over a link that settles every one of them. Nothing here waits
 *  longer than it was told to, also when the connection breaks; so the library's own manager, which would, is not used. */

import { type ApiError, JetStreamApiCodes } from '@nats-io/jetstream'
import type { NatsLink } from '../transport/nats-link.ts'

export type ApiAnswer<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'refused'; readonly error: ApiError }
  /** Nobody listens to the API: the server runs without JetStream. */
  | { readonly kind: 'no jetstream' }
  | { readonly kind: 'forbidden'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string }

/** Codes of JetStream's refusals that Godwit acts on; https://github.com/nats-io/nats-server/blob/main/server/errors.json */
export const apiCodes = {
  ...JetStreamApiCodes,
  AccountResourcesExceeded: 10002,
  ClusterNoPeers: 10005,
  ClusterNotAvailable: 10008,
  InsufficientResources: 10023,
  MemoryResourcesExceeded: 10028,
  StorageResourcesExceeded: 10047,
  StreamMessageExceedsMaximum: 10054,
  StreamNameInUse: 10058,
  StreamSubjectOverlap: 10065,
  StreamReplicasNotSupported: 10074,
  JetStreamNotEnabled: 10076,
  StreamStoreFailed: 10077,
  StreamHeaderExceedsMaximum: 10097,
} as const

const decoder = new TextDecoder()
const encoder = new TextEncoder()

export class JetStreamApi {
  readonly link: NatsLink
  readonly stream: string

  constructor(link: NatsLink, stream: string) {
    this.link = link
    this.stream = stream
  }

  /** `verb` is the request's subject without prefix and stream, `STREAM.INFO`; `rest` what stands behind the stream. */
  async call<T>(verb: string, body: object | undefined, timeoutMs: number, rest?: string): Promise<ApiAnswer<T>> {
    const answer = await this.link.request(this.subjectOf(verb, rest), encodeBody(body), timeoutMs)
    if (answer.kind === 'reply') return parseAnswer<T>(answer.bytes)
    if (answer.kind === 'nobody') return { kind: 'no jetstream' }
    if (answer.kind === 'too large') return { kind: 'unknown', reason: 'too large' }
    return answer
  }

  /** Sends a request whose answers go to `reply`, or to nobody. */
  send(verb: string, body: object | undefined, rest?: string, reply?: string): void {
    this.link.publish(this.subjectOf(verb, rest), encodeBody(body), reply)
  }

  private subjectOf(verb: string, rest: string | undefined): string {
    return rest === undefined ? `$JS.API.${verb}.${this.stream}` : `$JS.API.${verb}.${this.stream}.${rest}`
  }
}

const encodeBody = (body: object | undefined): Uint8Array => encoder.encode(body ? JSON.stringify(body) : '')

/** Also for the acknowledgement of a publish, which has the same form. */
export function parseAnswer<T>(bytes: Uint8Array): ApiAnswer<T> {
  try {
    const value = JSON.parse(decoder.decode(bytes)) as T & { error?: ApiError }
    return value.error ? { kind: 'refused', error: value.error } : { kind: 'done', value }
  } catch {
    return { kind: 'unknown', reason: 'the answer is not JetStream’s' }
  }
}

/** Why an answer is none, in words. */
export function reasonOf(answer: Exclude<ApiAnswer<unknown>, { kind: 'done' }>): string {
  if (answer.kind === 'refused') return `${answer.error.description} (${answer.error.err_code})`
  return answer.kind === 'no jetstream' ? 'JetStream does not answer' : answer.reason
}
