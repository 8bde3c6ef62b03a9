#!/usr/bin/env node
/** The executable: the command line on the streams of this process. */

import { run } from './program.ts'
import { outputOf } from './terminal.ts'

// A variable that is set to nothing, as compose files do, says nothing.
for (const [name, value] of Object.entries(process.env)) {
  if (name.startsWith('GODWIT_') && value === '') delete process.env[name]
}

// `godwit ps | head`: whoever has read enough is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

const stdout = outputOf(process.stdout)
const exitCode = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout,
  stderr: outputOf(process.stderr),
  exitCode: 0,
})
await stdout.write('')
// An actor module may have left timers and sockets behind; they must not keep a node that has left.
process.exit(exitCode)
