/** What `npm test` runs: everything but the stories. Tests run as TypeScript through tsx. The hooks of `--import=tsx` do not
 *  reach worker threads on Node 20 (ERR_UNKNOWN_FILE_EXTENSION), so every test file is a process of its own. */
export default {
  files: ['test/**/*.test.ts', '!test/stories/**'],
  extensions: { ts: 'module' },
  nodeArguments: ['--import=tsx'],
  workerThreads: false,
  timeout: '2m',
}
