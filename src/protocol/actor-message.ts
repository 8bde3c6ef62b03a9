/** Messages between actors, as they lie in commits, checkpoints and packages (rule M3). */

/** What one actor sends to another (rule M3). It lies in the commit of the turn that sent it. */
export interface ActorMessage {
  readonly source: string
  readonly target: string
  /** All that one actor sends to one other is a stream, numbered from 1 on without gaps. Its name is never used again. */
  readonly stream: string
  readonly number: number
  /** 'end': nothing more comes in this stream. */
  readonly op: 'tell' | 'ask' | 'spawn' | 'stop' | 'end'
  /** An encoded event or input. */
  readonly body: Uint8Array
  /** Type of the event that brings the source the reply, and of the one that tells it that the message was refused for good. */
  readonly onReply?: string
  readonly onError?: string
}

/** A stream at its source. */
export interface StreamEntry {
  readonly stream: string
  readonly source: string
  readonly target: string
  /** The number of its next message. */
  readonly next: number
  /** What is not settled, in order. */
  readonly messages: readonly ActorMessage[]
}
