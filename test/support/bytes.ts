/** Bytes in tests: texts that stand for records and messages. */

const [encoder, decoder] = [new TextEncoder(), new TextDecoder()]

export const bytesOf = (text: string): Uint8Array => encoder.encode(text)
export const textOf = (bytes: Uint8Array): string => decoder.decode(bytes)

/** The assertions of ava look at each byte for itself, which takes seconds for a large record. */
export const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
