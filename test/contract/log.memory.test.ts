import test from 'ava'
import { memoryLog } from '../../src/log/memory.ts'
import { MemoryBroker } from '../../src/transport/memory-broker.ts'
import { logContract } from './log.ts'

const broker = new MemoryBroker('contract')

logContract(test, () => ({
  open: async (stream, report) => memoryLog(broker, { stream, ...(report && { report }) }),
}))
