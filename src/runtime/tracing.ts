/** Tracing: one span at the sender of a call and one around its turn at the owner, joined by the W3C `traceparent` that the frame
 *  carries. Without an OpenTelemetry SDK in the process all of it is a few empty calls. Names follow the semantic conventions
 *  for messaging; an actor's id stands on spans only, never on metrics. */

import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { ShardName } from '../protocol/address.ts'
import type { Call } from '../protocol/call.ts'
import type { Turn, TurnResult } from '../protocol/turn.ts'

const tracer = trace.getTracer('godwit')

/** A call with the context it is made in, and the span that lasts until it is settled. */
export function traceCall(call: Call): { readonly call: Call; readonly span: Span } {
  const { type, id } = call.address
  const span = tracer.startSpan(`${call.op} ${type}`, { kind: SpanKind.CLIENT })
  if (span.isRecording())
    span.setAttributes({ ...common(call.op, type), 'godwit.actor.id': id, 'messaging.operation.type': 'send' })
  const carrier: { traceparent?: string } = {}
  propagation.inject(trace.setSpan(context.active(), span), carrier)
  const { traceparent } = carrier
  return { call: traceparent === undefined || call.trace !== undefined ? call : { ...call, trace: traceparent }, span }
}

/** Ends the span of a call; `error` is the code of its refusal. */
export function endSpan(span: Span, error?: string): void {
  if (error !== undefined) span.setAttribute('error.type', error).setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}

/** Takes the turn inside a span, if its request came with a trace. */
export function traceTurn(shard: ShardName, turn: Turn, take: () => TurnResult): TurnResult {
  if (turn.trace === undefined) return take()
  const parent = propagation.extract(context.active(), { traceparent: turn.trace })
  const type = turn.actor.slice(0, turn.actor.indexOf('/'))
  const span = tracer.startSpan(`process ${type}`, { kind: SpanKind.CONSUMER }, parent)
  if (span.isRecording())
    span.setAttributes({
      ...common('process', type),
      'messaging.operation.type': 'process',
      'messaging.destination.partition.id': shard,
      'godwit.actor.id': turn.actor.slice(type.length + 1),
      'godwit.epoch': turn.epoch,
    })
  const result = context.with(trace.setSpan(parent, span), take)
  endSpan(span, result.outcome.kind === 'failed' ? result.outcome.why.code : undefined)
  return result
}

const common = (operation: string, type: string) => ({
  'messaging.system': 'nats',
  'messaging.operation.name': operation,
  'messaging.destination.name': type,
})
