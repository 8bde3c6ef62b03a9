/** Charter: what the first node of a cluster decides for all later ones. It is written once, by compare-and-set; whoever comes
 *  later takes it over, or is refused with the difference. */

import { GodwitError } from '../base/errors.ts'
import { hashVersion } from '../base/hash.ts'
import { limits } from '../base/limits.ts'
import { ringVersion } from '../core/ring.ts'
import type { Log } from '../log/port.ts'
import { type Charter, encodeRecord, logNames } from '../protocol/records.ts'
import { readLast } from './records.ts'

const triesMax = 10

/** The cluster's charter, written now if there is none. Rejects with BAD_REQUEST where `shards` is given and differs, or this
 *  release counts otherwise than the cluster; with STORAGE_FULL where the log has no room for it, and with UNAVAILABLE where it does
 *  not answer. */
export async function agreeOnCharter(control: Log, shards: number | undefined, token: string): Promise<Charter> {
  const proposed: Charter = { kind: 'charter', shards: shards ?? limits.shardsDefault, ringVersion, hashVersion, token }
  for (let tries = 0; tries < triesMax; tries++) {
    const known = await readLast<Charter>(control, logNames.charter, limits.handoffStepMs)
    if (known !== 'empty' && known !== 'unknown') return compared(known.record, shards)
    if (known !== 'empty') continue
    const written = await control.append(logNames.charter, encodeRecord(proposed), 0, {
      timeoutMs: limits.handoffStepMs,
    })
    if (written.kind === 'full')
      throw new GodwitError('STORAGE_FULL', `the broker has no room for the record of the cluster: ${written.reason}`)
  }
  throw new GodwitError('UNAVAILABLE', 'the record of the cluster cannot be read: the broker does not answer in time')
}

function compared(charter: Charter, shards: number | undefined): Charter {
  const differences: string[] = []
  if (shards !== undefined && shards !== charter.shards)
    differences.push(`shards: ${charter.shards} in the cluster, ${shards} here`)
  if (charter.ringVersion !== ringVersion)
    differences.push(`ring version: ${charter.ringVersion} in the cluster, ${ringVersion} here`)
  if (charter.hashVersion !== hashVersion)
    differences.push(`hash version: ${charter.hashVersion} in the cluster, ${hashVersion} here`)
  if (differences.length === 0) return charter
  throw new GodwitError(
    'BAD_REQUEST',
    `this node does not fit its cluster: ${differences.join('; ')}. Leave the setting out to take the cluster's over`,
  )
}
