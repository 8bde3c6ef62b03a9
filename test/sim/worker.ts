/** Worker: a process that runs the trials it is sent, one after the other, and answers each with its verdict. It is the other end
 *  of `crew.ts`. */

import { judge, type Trial } from './trial.ts'

let last = Promise.resolve()

process.on('message', (trial: Trial) => {
  last = last.then(async () => void process.send!(await judge(trial)))
})
process.on('disconnect', () => process.exit())
// The terminal tells everybody; the crew decides.
process.on('SIGINT', () => {})
