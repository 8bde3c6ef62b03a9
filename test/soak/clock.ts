/** Clock: the monotonic clock of the machine, which all processes of a soak read alike: what a node says of its own doings can be
 *  held against what others saw. */

export const monotonicMs = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000
