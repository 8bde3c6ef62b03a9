/** Lanes: the receiver's side of rule O1, at the owner of a shard. A lane is all that one sender sends to one actor; this
 *  module says which of the frames that arrive may be processed now, so that they are processed in the order of their calls.
 *
 *  What a sender does (`router.ts`): it numbers the frames of a lane without gaps, and each time it sends the unsettled ones
 *  again it numbers them anew, above every number it used before. `base` is the lowest number that was unsettled when the
 *  frame was sent. So the highest `base` heard in a lane, and the number that is next, divide its frames:
 *
 *        ... settled or renumbered ...   base ... admitted ...   next ... held back ...
 *        dropped: nobody waits for it    given out again         until `next` comes, or a base beyond it
 *
 *  - A lane heard for the first time begins at the `base` of the frame. Hence it is always safe to forget a lane: at worst a
 *    frame is held until its sender has sent the earlier ones again.
 *  - A frame below `base` must not run any more: its caller has an answer, or it comes again under a higher number.
 *  - A frame from `base` to `next` was admitted before. The shard's memory of request ids answers it (rule M2).
 *  - `first`, the number of its first sending, grows from call to call. A request whose `first` is not above the highest one opened
 *    was opened before, however late it comes and under whatever number: if the shard has forgotten it meanwhile (rule M2),
 *    nobody waits for it, and it must not run again.
 *  - A refusal is as final as a reply. A frame that was sent twice, and refused the first time ("did not run"), would otherwise
 *    run after all, and after later ones. The memory of refusals is bounded; when it is full it forgets the oldest.
 *
 *  What the owner does: of all that `admit` returns, in order, it answers `refusalOf` where there is one and processes the
 *  rest. It calls `noteRefusal` for each refusal that it gives to an admitted frame, answers with DEADLINE what `sweep`
 *  returns and with `moved` what `clear` returns when it leaves the shard. */

import { refuse, type Refusal } from '../base/errors.ts'
import { limits } from '../base/limits.ts'
import { type Frame, frameBytes } from '../protocol/frames.ts'

/** `F`: a frame with whatever else the owner needs in order to answer it. */
export interface Lanes<F extends Frame = Frame> {
  /** What is used is kept in the young generation; the old one is dropped as a whole. */
  young: Generation<F>
  old: Generation<F>
  bornMs: number | undefined
  /** The lanes in which frames are held back, and how much that is. */
  readonly holding: Set<Lane<F>>
  heldFrames: number
  heldBytes: number
}

interface Generation<F extends Frame> {
  readonly lanes: Map<string, Lane<F>>
  /** By the ids of frames. */
  readonly refusals: Map<string, Refusal>
}

interface Lane<F extends Frame> {
  base: number
  next: number
  /** The highest `first` of its requests that were opened. */
  opened: number
  /** Frames by their numbers, all above `next`. */
  readonly held: Map<number, { readonly frame: F; readonly untilMs: number }>
}

/** No call waits longer, so what a generation remembers is of use to no frame any more when it is dropped. */
const generationMs = limits.timeoutMsMax

export const createLanes = <F extends Frame = Frame>(): Lanes<F> => ({
  young: createGeneration(),
  old: createGeneration(),
  bornMs: undefined,
  holding: new Set(),
  heldFrames: 0,
  heldBytes: 0,
})

/** Takes in a frame of the sender `from`. Returns the frames to process, or to answer again, now and in this order. */
export function admit<F extends Frame>(lanes: Lanes<F>, from: string, frame: F, nowMs: number): readonly F[] {
  const lane = laneOf(lanes, laneName(from, frame), frame.base)
  const due = frame.base > lane.base ? raiseBase(lanes, lane, frame.base) : []
  if (frame.lane < lane.base) return due
  if (frame.lane > lane.next) {
    if (holdBack(lanes, lane, frame, nowMs)) return due
    noteRefusal(lanes, frame, noRoom)
    return [...due, frame]
  }
  if (frame.lane === lane.next) lane.next++
  return [...due, frame, ...takeDue(lanes, lane)]
}

/** A request is opened that the shard does not remember. 'again': it ran, and was forgotten. */
export function noteOpening<F extends Frame>(lanes: Lanes<F>, from: string, frame: F): 'first' | 'again' {
  const name = laneName(from, frame)
  const lane = lanes.young.lanes.get(name) ?? lanes.old.lanes.get(name)
  if (lane === undefined) return 'first'
  if (frame.first <= lane.opened) return 'again'
  lane.opened = frame.first
  return 'first'
}

/** The refusal that the frame of this id was given before. */
export const refusalOf = (lanes: Lanes, { id }: { readonly id: string }): Refusal | undefined =>
  lanes.young.refusals.get(id) ?? lanes.old.refusals.get(id)

/** Remembers that the admitted frame of this id was refused. */
export function noteRefusal(lanes: Lanes, { id }: { readonly id: string }, why: Refusal): void {
  const { refusals } = lanes.young
  if (refusals.size >= limits.parkedFramesMax) refusals.delete(refusals.keys().next().value!)
  refusals.set(id, why)
}

/** Returns the frames held back whose time is over, and forgets what was not used for long. To be called now and then. */
export function sweep<F extends Frame>(lanes: Lanes<F>, nowMs: number): readonly F[] {
  const spent: F[] = []
  for (const lane of lanes.holding)
    for (const [number, { frame, untilMs }] of lane.held)
      if (untilMs <= nowMs) {
        letGo(lanes, lane, number)
        spent.push(frame)
      }
  lanes.bornMs ??= nowMs
  if (nowMs - lanes.bornMs >= generationMs) becomeOld(lanes, nowMs)
  return spent
}

/** Forgets everything. Returns the frames that were held back, in the order of each lane. */
export function clear<F extends Frame>(lanes: Lanes<F>): readonly F[] {
  const held = [...lanes.holding].flatMap((lane) => [...lane.held].toSorted(([a], [b]) => a - b))
  Object.assign(lanes, createLanes())
  return held.map(([, { frame }]) => frame)
}

const laneName = (from: string, { type, actor }: Frame): string => `${from}/${type}/${actor}`

const noRoom = refuse('OVERLOADED', 'too many requests wait here for earlier ones that have not arrived')

const createGeneration = <F extends Frame>(): Generation<F> => ({ lanes: new Map(), refusals: new Map() })

/** The generation that is dropped here was not used for as long as any frame may wait, so none is held back in it. */
function becomeOld<F extends Frame>(lanes: Lanes<F>, nowMs: number): void {
  lanes.old = lanes.young
  lanes.young = createGeneration()
  lanes.bornMs = nowMs
}

function laneOf<F extends Frame>(lanes: Lanes<F>, name: string, base: number): Lane<F> {
  const known = lanes.young.lanes.get(name)
  if (known !== undefined) return known
  const lane = lanes.old.lanes.get(name) ?? { base, next: base, opened: -1, held: new Map() }
  lanes.old.lanes.delete(name)
  lanes.young.lanes.set(name, lane)
  return lane
}

/** Nobody waits any more for the numbers below `base`, held back or missing. Returns what that sets free. */
function raiseBase<F extends Frame>(lanes: Lanes<F>, lane: Lane<F>, base: number): readonly F[] {
  lane.base = base
  if (lane.next >= base) return []
  lane.next = base
  for (const number of lane.held.keys()) if (number < base) letGo(lanes, lane, number)
  return takeDue(lanes, lane)
}

/** False: there is no room. */
function holdBack<F extends Frame>(lanes: Lanes<F>, lane: Lane<F>, frame: F, nowMs: number): boolean {
  letGo(lanes, lane, frame.lane)
  const bytes = frameBytes(frame)
  if (lanes.heldFrames >= limits.parkedFramesMax || lanes.heldBytes + bytes > limits.parkedBytesMax) return false
  lanes.heldFrames++
  lanes.heldBytes += bytes
  lanes.holding.add(lane)
  lane.held.set(frame.lane, { frame, untilMs: nowMs + Math.min(frame.leftMs, generationMs) })
  return true
}

/** Takes the frames held back that follow without a gap, and moves `next` beyond them. */
function takeDue<F extends Frame>(lanes: Lanes<F>, lane: Lane<F>): readonly F[] {
  if (lane.held.size === 0) return []
  const due: F[] = []
  for (let frame = letGo(lanes, lane, lane.next); frame !== undefined; frame = letGo(lanes, lane, lane.next)) {
    due.push(frame)
    lane.next++
  }
  return due
}

function letGo<F extends Frame>(lanes: Lanes<F>, lane: Lane<F>, number: number): F | undefined {
  const frame = lane.held.get(number)?.frame
  if (frame === undefined) return undefined
  lane.held.delete(number)
  if (lane.held.size === 0) lanes.holding.delete(lane)
  lanes.heldFrames--
  lanes.heldBytes -= frameBytes(frame)
  return frame
}
