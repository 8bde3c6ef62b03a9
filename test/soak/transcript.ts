/** Transcript: what befell the cluster and what its nodes told, line by line in a file as it happens; and, after a violation, all
 *  that was asked of the actor that it concerns. */

import { createWriteStream, type WriteStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Book } from './book.ts'
import { monotonicMs } from './clock.ts'

export class Transcript {
  readonly file: string
  private readonly folder: string
  private readonly out: WriteStream

  constructor(folder: string) {
    this.folder = folder
    this.file = join(folder, 'transcript.log')
    this.out = createWriteStream(this.file)
  }

  say(text: string): void {
    this.out.write(`${new Date().toISOString()} ${monotonicMs().toFixed(1).padStart(12)} ${text}\n`)
  }

  /** Returns the file's name. */
  async dump({ key, wishes }: Book): Promise<string> {
    const file = join(this.folder, `${key.replace('/', '-')}.jsonl`)
    await writeFile(file, wishes.map((wish) => `${JSON.stringify(wish)}\n`).join(''))
    return file
  }

  close(): Promise<void> {
    return new Promise((resolve) => void this.out.end(resolve))
  }
}
