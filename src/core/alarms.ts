/** Alarms: many moments to come back at, with one wake-up time for all of them. An item has at most one alarm; setting another
 *  replaces it. Moments are rounded up to a step, so an alarm may be late by that much and is never early.
 *
 *  A heap would keep the items whose alarm was cleared until their time comes: at 100,000 calls a second, each with five
 *  seconds of patience, half a million of them. Here a cleared alarm is gone at once. */

/** What can have an alarm keeps its place among the alarms itself. */
export interface Alarmed {
  /** Index of the step; changed by this module alone. */
  alarm: number | undefined
}

export interface Alarms<T extends Alarmed> {
  readonly steps: Map<number, Set<T>>
  /** No alarm lies before this step. */
  first: number
}

const stepMs = 5

export const createAlarms = <T extends Alarmed>(): Alarms<T> => ({ steps: new Map(), first: Infinity })

export function setAlarm<T extends Alarmed>(alarms: Alarms<T>, item: T, atMs: number): void {
  clearAlarm(alarms, item)
  const step = Math.ceil(atMs / stepMs)
  const items = alarms.steps.get(step)
  if (items === undefined) alarms.steps.set(step, new Set([item]))
  else items.add(item)
  item.alarm = step
  alarms.first = Math.min(alarms.first, step)
}

export function clearAlarm<T extends Alarmed>(alarms: Alarms<T>, item: T): void {
  if (item.alarm === undefined) return
  const items = alarms.steps.get(item.alarm)!
  items.delete(item)
  if (items.size === 0) alarms.steps.delete(item.alarm)
  if (alarms.steps.size === 0) alarms.first = Infinity
  item.alarm = undefined
}

/** Takes the items whose moment has come, the earliest first. */
export function takeAlarms<T extends Alarmed>(alarms: Alarms<T>, nowMs: number): readonly T[] {
  if (nowMs < alarms.first * stepMs) return []
  const due: T[] = []
  alarms.first = Infinity
  for (const step of [...alarms.steps.keys()].toSorted((a, b) => a - b)) {
    if (step * stepMs > nowMs) {
      alarms.first = step
      break
    }
    due.push(...alarms.steps.get(step)!)
  }
  for (const item of due) clearAlarm(alarms, item)
  return due
}

/** When to look again; infinite when there is nothing to look for. May be too early by alarms cleared meanwhile. */
export const nextAlarmMs = ({ first }: { readonly first: number }): number => first * stepMs
