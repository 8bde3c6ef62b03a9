/** Flags: how options look and read, the same in every command: each is a `GODWIT_*` variable as well, and the flag wins. */

import { InvalidArgumentError, Option } from 'commander'

/** `--health-port <PORT>` is also `GODWIT_HEALTH_PORT`. */
export function flag(flags: string, description: string): Option {
  const option = new Option(flags, description)
  return option.env(`GODWIT_${option.name().toUpperCase().replaceAll('-', '_')}`)
}

/** For `argParser`: a whole number in these bounds. */
export const wholeNumber =
  (min: number, max: number = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= min && number <= max) return number
    const upTo = max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`
    throw new InvalidArgumentError(`It must be a whole number from ${min}${upTo}.`)
  }

/** For `argParser`: `a,b` is two. */
export const commaSeparated = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
