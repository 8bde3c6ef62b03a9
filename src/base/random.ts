/** Random: where chance enters. The runtime draws from the system, tests and the simulator from a seed. */

export interface Random {
  /** A number in [0, 1). */
  next(): number
}

export const systemRandom: Random = { next: () => Math.random() }

/** A repeatable source: sfc32 (Chris Doty-Humphrey, PractRand), seeded from one number. */
export function seededRandom(seed: number): Random {
  let a = seed | 0
  let b = 0x9e3779b9
  let c = 0x243f6a88
  let counter = 1
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return (t >>> 0) / 2 ** 32
  }
  for (let i = 0; i < 12; i++) next()
  return { next }
}

const digits = '0123456789abcdefghijklmnopqrstuvwxyz'

/** An unguessable-enough name of 16 characters (82 bits): tokens of records, message ids, incarnations. */
export function drawToken(random: Random): string {
  let token = ''
  for (let i = 0; i < 16; i++) token += digits[Math.floor(random.next() * 36)]
  return token
}

/** Uniform in [low, high). */
export const between = (random: Random, low: number, high: number): number => low + random.next() * (high - low)
