/** Refresh: when a sender asks for the view. Many things can want it in one moment, and a cluster that is in trouble must not be
 *  asked by every client at every turn: so questions keep a distance, which grows while the answers bring nothing new. */

export interface Refresh {
  wanted: boolean
  askedMs: number
  spacingMs: number
}

/** The longest distance is also what a take-over by another node waits for a sender to notice. */
const spacingMsMin = 20
const spacingMsMax = 250

export const createRefresh = (): Refresh => ({ wanted: false, askedMs: -Infinity, spacingMs: spacingMsMin })

export function wantView(refresh: Refresh): void {
  refresh.wanted = true
}

/** True: ask now. It stays wanted until a view was seen. */
export function takeRefresh(refresh: Refresh, nowMs: number): boolean {
  if (nowMs < nextRefreshMs(refresh)) return false
  refresh.askedMs = nowMs
  refresh.spacingMs = Math.min(2 * refresh.spacingMs, spacingMsMax)
  return true
}

export function onViewSeen(refresh: Refresh, seen: 'new' | 'known'): void {
  refresh.wanted = false
  if (seen === 'new') refresh.spacingMs = spacingMsMin
}

export const nextRefreshMs = (refresh: Refresh): number =>
  refresh.wanted ? refresh.askedMs + refresh.spacingMs : Infinity
