import test from 'ava'
import { assign, setup } from 'xstate'
import { connectClient, defineActor, sendToActor, spawnActor, startNode, stopActor } from '../../src/index.ts'
import { until } from '../support/until.ts'

const child = defineActor({ type: 'child', machine: setup({}).createMachine({ on: { HELLO: {} } }) })

const parent = defineActor({
  type: 'parent',
  machine: setup({
    types: {
      context: {} as { refused: readonly string[] },
      events: {} as { type: 'BEAR' | 'END' | 'GREET' } | { type: 'REFUSED'; error: { code: string } },
    },
  }).createMachine({
    context: { refused: [] },
    on: {
      BEAR: { actions: spawnActor({ type: 'child', id: 'c' }) },
      END: { actions: stopActor({ type: 'child', id: 'c' }) },
      GREET: { actions: sendToActor({ type: 'child', id: 'nobody' }, { type: 'HELLO' }, { onError: 'REFUSED' }) },
      REFUSED: { actions: assign({ refused: ({ context, event }) => [...context.refused, event.error.code] }) },
    },
  }),
})

test('an actor spawns and stops another, and hears once that a message was refused', async (t) => {
  const cluster = 'family'
  const node = await startNode({ cluster, nodeId: 'n1', actors: [child, parent] })
  t.teardown(() => node.close())
  const client = await connectClient({ cluster })
  t.teardown(() => client.close())
  const told: string[] = []
  node.on('undeliverable', ({ target, why }) => told.push(`${target} ${why.code}`))
  const ref = client.actor(parent, 'p')
  await ref.spawn()

  await ref.tell({ type: 'BEAR' })
  const isThere = (): Promise<boolean> =>
    client
      .actor(child, 'c')
      .get()
      .then(
        () => true,
        () => false,
      )
  await until('the child is there', isThere)
  await ref.tell({ type: 'END' })
  await until('the child is gone', async () => !(await isThere()))

  await ref.tell({ type: 'GREET' })
  await until('the refusal is told', async () => (await ref.get()).context.refused.length > 0)
  t.deepEqual((await ref.get()).context.refused, ['ACTOR_NOT_FOUND'])
  t.deepEqual(told, ['child/nobody ACTOR_NOT_FOUND'])
})

test('a request id that would be taken for a message is refused', async (t) => {
  const client = await connectClient({ cluster: 'ids' })
  t.teardown(() => client.close())
  await t.throwsAsync(client.actor(child, 'c').tell({ type: 'HELLO' }, { requestId: '\u0000s.1' }), {
    code: 'BAD_REQUEST',
  })
})
