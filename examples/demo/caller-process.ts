/** Caller process: the caller on its own, with its own connection and its own ledger, so that whatever the nodes or the demo
 *  believe cannot leak into it. It does as its parent says, one order after the other, and tells its figures meanwhile. */

import { connectClient } from '../../src/index.ts'
import { createCaller, type Cast } from './caller.ts'
import type { Order, Report } from './caller-remote.ts'

const figuresMs = 200

const [servers = '', cluster = '', cast = ''] = process.argv.slice(2)
const tell = (report: Report): void => void process.send?.(report)

process.on('SIGINT', () => {})
process.once('disconnect', () => process.exit(1))

const client = await connectClient({ servers, cluster })
const caller = createCaller(client, JSON.parse(cast) as Cast)
setInterval(() => tell({ kind: 'figures', figures: caller.figures() }), figuresMs)

process.on('message', (order: Order) => {
  caller[order]().then(
    (result) => tell({ kind: 'done', order, result, figures: caller.figures() }),
    (thrown: unknown) => tell({ kind: 'failed', order, why: String(thrown) }),
  )
})
tell({ kind: 'ready', figures: caller.figures() })
