/** Worker: runs seeds in the copy that it lies in, one after the other, as its parent names them; or a plan in the place of a seed.
 *  What breaks the process itself is told as well: a planted bug may do that. */

import type { Plan } from '../plan.ts'
import { simulate } from '../simulation.ts'

export type Told = { readonly kind: 'ready' } | { readonly kind: 'over'; readonly found: string | undefined }

const tell = (told: Told): void => void process.send!(told)

process.on('uncaughtException', (thrown: unknown) => {
  process.send!({ kind: 'over', found: `it throws: ${textOf(thrown)}` } satisfies Told, () => process.exit(1))
})

process.on('message', (given: number | Plan) => {
  const run =
    typeof given === 'number'
      ? simulate(given, { isUnread: true })
      : simulate(given.seed, { plan: given, isUnread: true })
  run.then(
    ({ violations }) => tell({ kind: 'over', found: violations[0] }),
    (thrown: unknown) => tell({ kind: 'over', found: `the run throws: ${textOf(thrown)}` }),
  )
})

const textOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

tell({ kind: 'ready' })
