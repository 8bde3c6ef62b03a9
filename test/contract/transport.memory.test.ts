import test from 'ava'
import { memoryTransport } from '../../src/transport/memory.ts'
import { MemoryBroker, memoryBroker } from '../../src/transport/memory-broker.ts'
import { transportContract } from './transport.ts'

const broker = new MemoryBroker('contract')

transportContract(test, () => ({
  connect: async (report) => memoryTransport(broker, report && { report }),
}))

test('brokers of different names do not hear each other, those of one name are one', async (t) => {
  const [a, again, other] = [memoryBroker('a'), memoryBroker('a'), memoryBroker('other')]
  const heard: string[] = []
  memoryTransport(a).subscribe('x', () => heard.push('a'))
  memoryTransport(other).subscribe('x', () => heard.push('other'))

  const publisher = memoryTransport(again)
  publisher.publish('x', new Uint8Array())
  await publisher.flush()

  t.is(a, again)
  t.deepEqual(heard, ['a'])
})
