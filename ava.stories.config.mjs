/** The stories take minutes and measure time: one after the other, with the machine to themselves. `npm run test:all` runs them after
 *  everything that `npm test` runs. */
import tests from './ava.config.mjs'

export default { ...tests, files: ['test/stories/**/*.test.ts'], concurrency: 1, timeout: '10m' }
