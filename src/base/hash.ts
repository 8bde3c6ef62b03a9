/** Hash: MurmurHash3 (x86, 32 bits; Austin Appleby, public domain) over UTF-8.
 *  It decides in which shard an actor lives and which node owns the shard: changing one bit of it moves every actor,
 *  so `hashVersion` in the view must change with it. */

export const hashVersion = 1

const encoder = new TextEncoder()

/** A 32-bit unsigned hash of `text`. */
export const hash32 = (text: string, seed = 0): number => hashBytes(encoder.encode(text), seed)

/** A 32-bit unsigned hash of `bytes`. */
export function hashBytes(bytes: Uint8Array, seed = 0): number {
  const blockEnd = bytes.length & ~3
  let h = seed | 0
  for (let i = 0; i < blockEnd; i += 4) {
    const block = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    h ^= scramble(block)
    h = (h << 13) | (h >>> 19)
    h = (Math.imul(h, 5) + 0xe6546b64) | 0
  }
  let tail = 0
  for (let i = bytes.length - 1; i >= blockEnd; i--) tail = (tail << 8) | bytes[i]!
  h ^= scramble(tail)
  return mix32(h ^ bytes.length)
}

/** Murmur's finaliser: every bit of the input reaches every bit of the output. */
export function mix32(value: number): number {
  let h = value | 0
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  h ^= h >>> 16
  return h >>> 0
}

function scramble(block: number): number {
  const k = Math.imul(block, 0xcc9e2d51)
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593)
}
