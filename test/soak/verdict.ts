/** Verdict: collects what is wrong, and writes down at once what helps to understand it. */

import type { Book } from './book.ts'
import type { Transcript } from './transcript.ts'

/** More of them say nothing new. */
const violationsMax = 200

export class Verdict {
  readonly violations: string[] = []
  count = 0
  private readonly transcript: Transcript
  private readonly hear: (violation: string) => void
  private readonly dumps = new Map<string, Promise<unknown>>()

  constructor(transcript: Transcript, hear: (violation: string) => void) {
    this.transcript = transcript
    this.hear = hear
  }

  /** `book`: of the actor that it concerns. */
  violation(text: string, book?: Book): void {
    this.count++
    if (this.count > violationsMax) return
    this.violations.push(text)
    this.transcript.say(`VIOLATION ${text}`)
    if (book !== undefined && !this.dumps.has(book.key)) this.dumps.set(book.key, this.transcript.dump(book))
    this.hear(text)
  }

  /** Takes over what judges of their own have collected. */
  drain(wrong: string[]): void {
    for (const text of wrong.splice(0)) this.violation(text)
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.dumps.values())
  }
}
