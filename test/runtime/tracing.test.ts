import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import test from 'ava'
import { counter } from '../../actors/counter.ts'
import { connectClient, startNode } from '../../src/index.ts'

test('the turn of a request is a child of its caller’s span, and a refusal is told by its code', async (t) => {
  const exporter = new InMemorySpanExporter()
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  provider.register()
  const node = await startNode({ servers: 'memory:tracing', cluster: 'traced', nodeId: 'n1', actors: [counter] })
  const client = await connectClient({ servers: 'memory:tracing', cluster: 'traced' })
  t.teardown(async () => {
    await client.close()
    await node.close()
  })
  const c1 = client.actor(counter, 'c1')
  await c1.spawn()
  exporter.reset()

  await provider.getTracer('user').startActiveSpan('checkout', async (span) => {
    await c1.ask({ type: 'INC' })
    span.end()
  })
  await t.throwsAsync(client.actor(counter, 'nobody').ask({ type: 'INC' }))

  const spans = exporter.getFinishedSpans()
  const find = (name: string) => spans.find((span) => span.name === name)!
  t.is(find('ask counter').parentSpanContext?.spanId, find('checkout').spanContext().spanId)
  t.is(find('process counter').parentSpanContext?.spanId, find('ask counter').spanContext().spanId)
  t.is(find('process counter').attributes['godwit.actor.id'], 'c1')
  t.deepEqual(
    spans.flatMap((span) => span.attributes['error.type'] ?? []),
    ['ACTOR_NOT_FOUND'],
  )
})
