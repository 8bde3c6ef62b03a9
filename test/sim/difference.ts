/** Difference: what one value changes about another, as a merge patch (RFC 7396): objects are patched field by field, null takes a
 *  field away, and everything else, arrays too, takes the place of what was there. So a plan can be written as what it
 *  changes about the drawn one. */

export type Patch = { readonly [key: string]: unknown }

export function differenceOf(from: object, to: object): Patch {
  const [before, after] = [from as Patch, to as Patch]
  const patch: Record<string, unknown> = {}
  for (const key of Object.keys(before)) if (after[key] === undefined) patch[key] = null
  for (const [key, value] of Object.entries(after)) {
    const old = before[key]
    if (value === undefined || JSON.stringify(value) === JSON.stringify(old)) continue
    patch[key] = isObject(value) && isObject(old) ? differenceOf(old, value) : value
  }
  return patch
}

export function merge<T extends object>(target: T, patch: Patch): T {
  const merged: Record<string, unknown> = { ...(target as Patch) }
  for (const [key, value] of Object.entries(patch)) {
    const old = merged[key]
    if (value === null) delete merged[key]
    else merged[key] = isObject(value) ? merge(isObject(old) ? old : {}, value) : value
  }
  return merged as T
}

/** The patches of one field each that make up `patch`. */
export const fieldsOf = (patch: Patch): readonly Patch[] =>
  Object.entries(patch).flatMap(([key, value]) =>
    isObject(value) ? fieldsOf(value).map((field) => ({ [key]: field })) : [{ [key]: value }],
  )

const isObject = (value: unknown): value is Patch =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
