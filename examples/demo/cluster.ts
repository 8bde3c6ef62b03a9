/** Cluster: what the story is played on: real processes around a real nats-server, or everything in this process on the
 *  in-memory twin. The story cannot tell them apart. */

import type { Client, Durability } from '../../src/index.ts'
import type { Caller, Cast } from './caller.ts'

export interface Cluster {
  /** What it stands on, in a few words. */
  readonly ground: string
  /** The demo's own access, to look at nodes and to drain one; the load has its own. */
  readonly client: Client
  /** Resolves once the node serves. */
  startNode(nodeId: string): Promise<Durability>
  /** Takes the node away without a word to it. */
  killNode(nodeId: string): Promise<void>
  startCaller(cast: Cast): Promise<Caller>
  /** Ends everything that this cluster started, and nothing else. */
  close(): Promise<void>
}

export const clusterName = 'demo'
