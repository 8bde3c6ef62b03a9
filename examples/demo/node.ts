/** Node: one member of the demo's cluster, in a process of its own. It ends with its parent, however that one ends; Ctrl-C is the
 *  parent's business. */

import { counter } from '../../actors/counter.ts'
import { reminder } from '../../actors/reminder.ts'
import { websocket } from '../../actors/websocket.ts'
import { startNode } from '../../src/index.ts'

const [servers = '', cluster = '', nodeId = ''] = process.argv.slice(2)

process.on('SIGINT', () => {})
process.once('disconnect', () => process.exit(1))

const node = await startNode({ servers, cluster, nodeId, actors: [counter, reminder, websocket] })
process.send!({ ready: node.durability })

await node.closed
process.exit(0)
