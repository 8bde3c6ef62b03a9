/** NatsSource: a place to fetch a nats-server from. `nats-binary.ts` asks one after the other, looks whether what it got
 *  runs, and keeps it; a source only fetches, and throws a sentence that says why it could not. */

export interface NatsSource {
  /** As it reads in "fetching nats-server from …". */
  readonly name: string
  /** Puts a binary somewhere below `scratchDir`, which is empty and goes away afterwards, and returns its path. */
  fetch(scratchDir: string): Promise<string>
}
