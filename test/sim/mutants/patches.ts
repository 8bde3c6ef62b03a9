/** Patches: the planted bugs, one file each. Its first line says the mistake in a sentence, its second names the rule that it breaks,
 *  and what follows is a diff of `src`, with little context so that edits nearby do not hurt it. */

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Patch {
  readonly name: string
  readonly path: string
  readonly sentence: string
  readonly rule: string
}

const folder = dirname(fileURLToPath(import.meta.url))
const ending = '.patch'

export function readPatches(): readonly Patch[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(ending))
  return files.toSorted().map((file) => {
    const path = join(folder, file)
    const [sentence = '', rule = ''] = readFileSync(path, 'utf8').split('\n')
    return { name: file.slice(0, -ending.length), path, sentence, rule }
  })
}

/** Applies the patch to the `src` in `root`, or with 'check' only looks. Returns why it does not apply. */
export function applyPatch({ path }: Patch, root: string, how: 'apply' | 'check'): string | undefined {
  try {
    // A folder inside of a repository is not its root, and git would skip what lies outside of its own place there.
    const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(root) }
    execFileSync('git', ['apply', '-p1', ...(how === 'check' ? ['--check'] : []), path], {
      cwd: root,
      env,
      encoding: 'utf8',
      stdio: 'pipe',
    })
    return undefined
  } catch (thrown) {
    return (thrown as { stderr?: string }).stderr?.trim() || String(thrown)
  }
}
