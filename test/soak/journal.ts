/** Journal: what every actor of a soak remembers: the marks that it was sent, in the order in which it took them. Read at the end, it
 *  tells what happened, how often and in which order. */

export interface Journal extends Shown {
  readonly marks: readonly string[]
}

/** What an actor answers instead of its whole journal. */
export interface Shown {
  /** The mark of the spawn that began this life. */
  readonly life: string
  readonly length: number
  /** Of the marks so far. */
  readonly digest: number
}

export const emptyJournal = (life: string): Journal => ({ life, marks: [], length: 0, digest: 0 })

export const noted = ({ marks, length, digest }: Journal, mark: string): Omit<Journal, 'life'> => ({
  marks: [...marks, mark],
  length: length + 1,
  digest: digestOf(digest, mark),
})

/** FNV-1a, carried on from mark to mark: equal digests are equal beginnings of a history. */
export function digestOf(digest: number, mark: string): number {
  let mixed = digest
  for (let i = 0; i < mark.length; i++) mixed = Math.imul(mixed ^ mark.charCodeAt(i), 0x01000193)
  return mixed >>> 0
}
