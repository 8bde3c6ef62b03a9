import test from 'ava'
import { archiveEntry, parseLines, parseStanzas } from '../../src/workers/nats-package.ts'

const lines: Record<string, [line: string, entry: Record<string, string>[]]> = {
  'a plain line': [
    'deb http://archive.invalid/debian bookworm main contrib',
    [{ types: 'deb', uris: 'http://archive.invalid/debian', suites: 'bookworm', components: 'main contrib' }],
  ],
  'a line with options': [
    'deb [ arch=amd64,arm64 signed-by=/a.gpg ] https://archive.invalid noble main # ours',
    [
      {
        architectures: 'amd64 arm64',
        'signed-by': '/a.gpg',
        types: 'deb',
        uris: 'https://archive.invalid',
        suites: 'noble',
        components: 'main',
      },
    ],
  ],
  'comments, sources and nonsense': ['# deb http://old.invalid a main\ndeb-src http://a.invalid b main\n\ndeb\n', []],
}

for (const [name, [text, entries]] of Object.entries(lines)) {
  test(`one-line style: ${name}`, (t) => t.deepEqual(parseLines(text).map(Object.fromEntries), entries))
}

const stanzas: Record<string, [text: string, entries: Record<string, string>[]]> = {
  'two paragraphs with comments': [
    '# first\nTypes: deb\n# http://old.invalid\nURIs: http://a.invalid\n\n\nTypes: deb deb-src\nURIs: http://b.invalid\n',
    [
      { types: 'deb', uris: 'http://a.invalid' },
      { types: 'deb deb-src', uris: 'http://b.invalid' },
    ],
  ],
  'a key written out over several lines': [
    'Types: deb\nSigned-By:\n -----BEGIN-----\n .\n mQ==\nSuites: noble\n',
    [{ types: 'deb', 'signed-by': '-----BEGIN-----\n .\n mQ==', suites: 'noble' }],
  ],
  'nothing but comments': ['# Types: deb\n\n#\n', []],
}

for (const [name, [text, entries]] of Object.entries(stanzas)) {
  test(`deb822: ${name}`, (t) => t.deepEqual(parseStanzas(text).map(Object.fromEntries), entries))
}

test("the distribution's own archive is chosen over vendors that come first", (t) => {
  const entries = parseLines(
    [
      'deb http://docker.invalid/debian bookworm stable',
      'deb http://database.invalid bookworm-vendor main',
      'deb http://archive.invalid/debian bookworm main',
      'deb http://archive.invalid/debian bookworm-updates main',
    ].join('\n'),
  )
  t.is(archiveEntry(entries, 'bookworm')?.get('uris'), 'http://archive.invalid/debian')
  t.is(archiveEntry(entries, undefined)?.get('uris'), 'http://docker.invalid/debian', 'without a name, the first')
  t.is(archiveEntry([], 'bookworm'), undefined)
})
