/** Maps: MessagePack has one kind of map, and the codec reads it back as an object. A machine's context may hold JavaScript Maps and
 *  must find them after a move, so they travel as lists of entries under a name that nobody else uses. */

const tag = '~map'

/** The same value with its Maps written out; itself if it holds none. */
export function withoutMaps(value: unknown): unknown {
  if (value instanceof Map) return { [tag]: [...value].map(([key, item]) => [withoutMaps(key), withoutMaps(item)]) }
  if (Array.isArray(value)) return copyWith(value, (copy) => [...copy])
  return isPlain(value) ? copyWith(value, (copy) => ({ ...copy })) : value
}

/** Copies on the first difference: most states hold no Map. */
function copyWith<T extends object>(value: T, copyOf: (value: T) => T): T {
  let copy: Record<string, unknown> | undefined
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key]
    if (typeof item !== 'object' || item === null) continue
    const without = withoutMaps(item)
    if (without !== item) (copy ??= copyOf(value) as Record<string, unknown>)[key] = without
  }
  return (copy as T | undefined) ?? value
}

/** The inverse, in place. */
export function withMaps(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  const entries = (value as { [tag]?: [unknown, unknown][] })[tag]
  if (entries !== undefined) return new Map(entries.map(([key, item]) => [withMaps(key), withMaps(item)]))
  const fields = value as Record<string, unknown>
  for (const key of Object.keys(fields)) fields[key] = withMaps(fields[key])
  return value
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
