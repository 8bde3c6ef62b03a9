/** Bundle: the code of a worker as one file of plain JavaScript. Through tsx every function that is made is given its name by a call, and
 *  a run makes very many; without that a tenth more runs fit into the same time, and a worker begins at once. What throws
 *  still names the lines of the source. */

import { buildSync } from 'esbuild'

/** Flags of a process that runs a bundle. Garbage is collected on a worker's own thread: with helpers on other cores, which run trials
 *  too, all together are slower. */
export const workerFlags = ['--enable-source-maps', '--single-threaded-gc', '--max-semi-space-size=32']

/** `file` is to lie where packages are found. */
export function bundle(worker: string, file: string): void {
  buildSync({
    entryPoints: [worker],
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
  })
}
