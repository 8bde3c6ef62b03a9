/** Report: where a failure goes that no caller is there to hear: what a handler threw, what a broker refused to a
 *  subscription. The runtime passes its own; by default Node prints a warning. */

export type Report = (error: Error) => void

export const reportWarning: Report = (error) => process.emitWarning(error)

/** Calls `handler` so that what it throws reaches `report` and nobody else: an exception in a handler must end neither a
 *  connection's reader nor the broker's turn. */
export function guarded<T>(handler: (value: T) => void, report: Report): (value: T) => void {
  return (value) => {
    try {
      handler(value)
    } catch (thrown) {
      report(thrown instanceof Error ? thrown : new Error(String(thrown)))
    }
  }
}
