import test from 'ava'
import { seededRandom } from '../../src/base/random.ts'
import { restoreActor } from '../../src/core/activation.ts'
import { armDue, takeDue } from '../../src/core/due.ts'
import { owned } from './support/driver.ts'

/** A shard with actors that have no delayed transitions, and its node's clock at 0. */
function shardWith(...actors: readonly string[]) {
  const { state: node } = owned()
  const shard = node.shards.get('main.0')!
  for (const actor of actors)
    restoreActor(
      node,
      shard,
      actor,
      { status: 'active', durability: 'durable', state: new Uint8Array(0), live: false },
      0,
    )
  const arm = (actor: string, atMs: number): void => armDue(node, shard, actor, shard.actors.get(actor)!, atMs)
  const due = (nowMs: number): readonly string[] => {
    node.nowMs = nowMs
    const taken: string[] = []
    for (let actor = takeDue(node, shard); actor !== undefined; actor = takeDue(node, shard)) taken.push(actor)
    return taken
  }
  return { shard, arm, due }
}

test('T1: actors become due in the order of their transitions, and not before', (t) => {
  const { arm, due } = shardWith('a', 'b', 'c')
  arm('a', 300)
  arm('b', 100)
  arm('c', 200)

  t.deepEqual(due(99), [])
  t.deepEqual(due(200), ['b', 'c'])
  t.deepEqual(due(300), ['a'])
  t.deepEqual(due(1_000), [])
})

test('T1: a transition that moved later, or was disarmed, does not fire at its old time', (t) => {
  const { arm, due } = shardWith('later', 'never')
  arm('later', 100)
  arm('never', 100)

  arm('later', 500)
  arm('never', Infinity)

  t.deepEqual(due(499), [])
  t.deepEqual(due(500), ['later'])
})

test('T1: a transition that moved earlier fires once, at its new time', (t) => {
  const { arm, due } = shardWith('a')
  arm('a', 500)
  arm('a', 100)

  t.deepEqual(due(100), ['a'])
  arm('a', Infinity)
  t.deepEqual(due(500), [])
})

test('an actor that is gone is not due', (t) => {
  const { shard, arm, due } = shardWith('a')
  arm('a', 100)

  shard.actors.delete('a')

  t.deepEqual(due(100), [])
})

test('the heap agrees with a slow, obvious twin', (t) => {
  const random = seededRandom(7)
  const names = Array.from({ length: 20 }, (_, n) => `a${n}`)
  const { arm, due } = shardWith(...names)
  const armed = new Map<string, number>()

  for (let round = 0; round < 2_000; round++) {
    const actor = names[Math.floor(random.next() * names.length)]!
    const atMs = random.next() < 0.2 ? Infinity : round + Math.floor(random.next() * 50)
    arm(actor, atMs)
    if (atMs === Infinity) armed.delete(actor)
    else armed.set(actor, atMs)

    const expected = [...armed].filter(([, at]) => at <= round).map(([name]) => name)
    t.deepEqual(due(round).toSorted(), expected.toSorted())
    for (const name of expected) {
      armed.delete(name)
      arm(name, Infinity)
    }
  }
})
