/** NatsStream: the JetStream stream behind a log, opened or created, and held to the settings that the protocol rests on.
 *  A stream that forgets by age, answers reads from followers or evicts old records would break the chain without a word,
 *  so one with other settings is refused, and the refusal names them. */

import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig, type StreamInfo } from '@nats-io/jetstream'
import { compare, nanos, parseSemVer } from '@nats-io/transport-node'
import { sleep, systemClock } from '../base/clock.ts'
import { GodwitError } from '../base/errors.ts'
import { type ApiAnswer, apiCodes, type JetStreamApi, reasonOf } from './jetstream-api.ts'

export interface NatsStreamOptions {
  readonly stream: string
  /** The name of a record's log stands behind it: `${prefix}.${name}`. */
  readonly prefix: string
  /** Left out: 1 for a new stream, and whatever an existing one has. */
  readonly replicas?: number
  /** Left out: 'file' for a new stream, and whatever an existing one has. */
  readonly storage?: 'file' | 'memory'
}

/** An election of a stream leader takes 6 to 8 s; an opening rides it out. */
const openMsMax = 15_000
const stepMsMax = 2_000
const retryMs = 200

/** Before it, a compare-and-set on a replicated stream has more than one winner (nats-server #4320). */
const replicasSince = parseSemVer('2.9.21')

/** The stream's state once it exists with the right settings; throws a `GodwitError` that says what is in the way. */
export async function openStream(api: JetStreamApi, options: NatsStreamOptions): Promise<StreamInfo> {
  const deadline = systemClock.now().monoMs + openMsMax
  for (;;) {
    const answer = await infoOrCreate(api, options)
    if (answer.kind === 'done') {
      refuseDifferences(answer.value.config, options)
      refuseReplicasOfOldServer(api, answer.value.config.num_replicas)
      return answer.value
    }
    if (!mayPass(answer) || systemClock.now().monoMs + retryMs > deadline) throw refusalOf(answer, options)
    await sleep(systemClock, retryMs)
  }
}

async function infoOrCreate(api: JetStreamApi, options: NatsStreamOptions): Promise<ApiAnswer<StreamInfo>> {
  const look = () => api.call<StreamInfo>('STREAM.INFO', undefined, stepMsMax)
  const info = await look()
  if (!isRefusedWith(info, apiCodes.StreamNotFound)) return info
  refuseReplicasOfOldServer(api, options.replicas ?? 1)
  const created = await api.call<StreamInfo>('STREAM.CREATE', newConfig(options), stepMsMax)
  if (!isRefusedWith(created, apiCodes.StreamSubjectOverlap)) return created
  // The other stream may be this very one, which another node created in the same moment.
  const other = await look()
  return other.kind === 'done' ? other : created
}

const isRefusedWith = (answer: ApiAnswer<unknown>, code: number): boolean =>
  answer.kind === 'refused' && answer.error.err_code === code

const newConfig = (options: NatsStreamOptions): Partial<StreamConfig> => ({
  ...fixedSettings(options),
  name: options.stream,
  storage: options.storage === 'memory' ? StorageType.Memory : StorageType.File,
  num_replicas: options.replicas ?? 1,
  // Message ids are never sent, so the table of recent ones is kept as small as the server permits.
  duplicate_window: nanos(100),
})

/** What must be so in every stream. Bounds of the whole stream may be set: they refuse new records, they evict none. */
const fixedSettings = (options: NatsStreamOptions) => ({
  subjects: [`${options.prefix}.>`],
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.New,
  max_age: 0,
  max_msgs_per_subject: -1,
  // Reads must come from the leader: a follower may be behind.
  allow_direct: false,
  allow_rollup_hdrs: true,
  deny_delete: false,
  deny_purge: false,
})

function refuseDifferences(config: StreamConfig, options: NatsStreamOptions): void {
  const wanted: Record<string, unknown> = {
    ...fixedSettings(options),
    ...(options.storage !== undefined && { storage: options.storage }),
    ...(options.replicas !== undefined && { num_replicas: options.replicas }),
    // Servers that know it may acknowledge before the record is written.
    ...('persist_mode' in config && { persist_mode: 'default' }),
  }
  const actual = config as unknown as Record<string, unknown>
  const differences = Object.entries(wanted)
    .filter(([setting, value]) => JSON.stringify(actual[setting] ?? unset(value)) !== JSON.stringify(value))
    .map(([setting, value]) => `${setting} is ${JSON.stringify(actual[setting])}, must be ${JSON.stringify(value)}`)
  if (config.mirror || config.sources?.length) differences.push('it copies from another stream')
  if (differences.length === 0) return
  throw new GodwitError('BAD_REQUEST', `stream ${options.stream} has other settings: ${differences.join('; ')}`)
}

/** A setting that the server leaves out of its answer has its zero value. */
const unset = (like: unknown): unknown => (typeof like === 'boolean' ? false : typeof like === 'number' ? 0 : undefined)

function refuseReplicasOfOldServer(api: JetStreamApi, replicas: number): void {
  const version = api.link.connection.info?.version
  if (replicas === 1 || version === undefined || compare(parseSemVer(version), replicasSince) >= 0) return
  const message = `nats-server ${version} lets two writers win on a replicated stream: use 2.9.21 or later, or one replica`
  throw new GodwitError('BAD_REQUEST', message)
}

/** Whether the same request may find other circumstances shortly. */
function mayPass(answer: ApiAnswer<unknown>): boolean {
  if (answer.kind === 'unknown') return true
  if (answer.kind !== 'refused') return false
  // 'in use': another node has created it since we looked.
  const passing: number[] = [apiCodes.ClusterNotAvailable, apiCodes.StreamNameInUse]
  return passing.includes(answer.error.err_code)
}

function refusalOf(answer: Exclude<ApiAnswer<unknown>, { kind: 'done' }>, options: NatsStreamOptions): GodwitError {
  const reason = reasonOf(answer)
  const code = answer.kind === 'refused' ? answer.error.err_code : 0
  if (answer.kind === 'forbidden') {
    const message = `the NATS user may not use stream ${options.stream}: ${reason}`
    return new GodwitError('FORBIDDEN', message)
  }
  if (
    answer.kind === 'no jetstream' ||
    code === apiCodes.JetStreamNotEnabled ||
    code === apiCodes.JetStreamNotEnabledForAccount
  ) {
    const message =
      'NATS answers without JetStream: start it with `nats-server -js -sd FOLDER`, or add `jetstream {}` to its configuration' +
      ' (with accounts: `jetstream: enabled` in the account)'
    return new GodwitError('UNAVAILABLE', message)
  }
  if (code === apiCodes.StreamReplicasNotSupported || (answer.kind === 'refused' && !isShortage(code))) {
    return new GodwitError('BAD_REQUEST', `stream ${options.stream} cannot be created: ${reason}`)
  }
  return new GodwitError('UNAVAILABLE', `stream ${options.stream} cannot be opened: ${reason}`)
}

const isShortage = (code: number): boolean =>
  fullCodes.has(code) || code === apiCodes.ClusterNoPeers || code === apiCodes.ClusterNotAvailable

/** The store has no room. */
export const fullCodes: ReadonlySet<number> = new Set([
  apiCodes.AccountResourcesExceeded,
  apiCodes.InsufficientResources,
  apiCodes.MemoryResourcesExceeded,
  apiCodes.StorageResourcesExceeded,
])
