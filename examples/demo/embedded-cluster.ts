/** Embedded cluster: nodes, client and broker in this process, on the in-memory twin. Needs nothing but Node. A kill is a node that
 *  stops without a word: the others learn of it as they would of a crash, by its silence. */

import { counter } from '../../actors/counter.ts'
import { reminder } from '../../actors/reminder.ts'
import { websocket } from '../../actors/websocket.ts'
import { connectClient, type GodwitNode, startNode } from '../../src/index.ts'
import { createCaller } from './caller.ts'
import { type Cluster, clusterName } from './cluster.ts'

export async function startEmbeddedCluster(): Promise<Cluster> {
  const client = await connectClient({ cluster: clusterName })
  const load = await connectClient({ cluster: clusterName })
  const nodes = new Map<string, GodwitNode>()

  return {
    ground: 'everything in this process, on the in-memory twin',
    client,
    async startNode(nodeId) {
      const node = await startNode({ cluster: clusterName, nodeId, actors: [counter, reminder, websocket] })
      nodes.set(nodeId, node)
      return node.durability
    },
    killNode: async (nodeId) => nodes.get(nodeId)!.close(),
    startCaller: async (cast) => createCaller(load, cast),
    async close() {
      await Promise.all([client.close(), load.close()])
      await Promise.all([...nodes.values()].map(async (node) => node.close()))
    },
  }
}
