/**
 * Every key of the reference (client-protocol 9.2, 9.3) is known here, with its default, and either has
 * an effect, or matters in ensembles only, or is said to have none.
 *
 * Skips aloud where the reference is not at hand (../shared, or HOWDAH_SPEC).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { families, knownKeys, parseZooCfg } from '../../../ensemble/config/index.ts'
import { blankOut } from '../../support/source-text.ts'

const ROOT = join(import.meta.dirname, '../../..')
const SPEC = process.env['HOWDAH_SPEC'] ?? join(ROOT, '../shared/spec')
const FILE = join(SPEC, 'client-protocol.md')
const isMissing = !existsSync(FILE)
if (isMissing) process.stderr.write(`SKIPPED test/ensemble/config/reference.test.ts: no ${FILE}\n`)

/** Rows of the tables between two headings: the cells of each. */
function rows(from: string, to: string): string[][] {
  const text = isMissing ? '' : readFileSync(FILE, 'utf8')
  const part = text.slice(text.indexOf(from), text.indexOf(to))
  return part
    .split('\n')
    .filter((line) => /^\| (?!---|key \||property \|)/.test(line))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

/** `a, .b.c, _d` in one cell: later names repeat the beginning of the first, up to the part they replace. */
function namesOf(cell: string): string[] {
  const plain = cell.replaceAll('`', '').replace(/\(no prefix\)|\(with or without prefix\)/g, '')
  const braces = /^([^{]*)\{([^}]*)\}$/
  const names: string[] = []
  for (const word of plain.split(/,(?![^{]*\})/).map((part) => part.trim())) {
    if (word === '' || word.includes('<')) continue
    const inside = braces.exec(word)
    if (inside !== null) {
      const own = inside[2]!.split(',').map((part) => part.trim().split(' ')[0]!)
      names.push(...own.map((name) => `${inside[1]}${name}`))
      continue
    }
    const name = word.split(' ')[0]!
    const first = names[0] ?? ''
    if (/^[._]/.test(name) && first !== '') {
      const separator = name[0]!
      // The longest beginning under which it is known.
      let head = first
      let found: string | null = null
      while (head.includes(separator) && found === null) {
        head = head.slice(0, head.lastIndexOf(separator))
        if (isKnown(head + name)) found = head + name
      }
      names.push(found ?? first.slice(0, first.indexOf(separator)) + name)
    } else names.push(name)
  }
  return names
}

function isKnown(name: string): boolean {
  if (knownKeys.has(name)) return true
  return Object.values(families).some(({ prefix }) => name.startsWith(prefix))
}

/** Keys of clients alone: no server reads them. */
const OF_CLIENTS = ['clientCnxnSocket', 'client.secure', 'request.timeout', 'disableAutoWatchReset']
/** Not keys of the file: lines of members, and what only dynamic configuration holds. */
const OF_MEMBERS = /^(server|group|weight)\.|^version$/

const parserRows = rows('### 9.2 Keys', '### 9.3 System')
const propertyRows = rows('### 9.3 System', '### 9.4 Server').filter(
  ([first]) => !/TLS property/.test(first!),
)
const tlsNames =
  'protocol enabledProtocols ciphersuites keyStore.location keyStore.password keyStore.passwordPath keyStore.type ' +
  'trustStore.location trustStore.password trustStore.passwordPath trustStore.type context.supplier.class ' +
  'sslProvider hostnameVerification clientHostnameVerification allowReverseDnsLookup crl ocsp clientAuth ' +
  'handshakeDetectionTimeoutMillis'

describe.skipIf(isMissing)('the reference', () => {
  test('has as many rows as when this was written, or more', () => {
    expect(parserRows.length).toBeGreaterThan(30)
    expect(propertyRows.length).toBeGreaterThan(60)
  })

  test('9.2: every key of the parser is known', () => {
    const names = parserRows.flatMap(([cell]) => namesOf(cell!))
    expect(names.length).toBeGreaterThan(40)
    expect(names.filter((name) => !isKnown(name) && !OF_MEMBERS.test(name))).toEqual([])
  })

  test('9.3: every system property is known, those of TLS for clients and between servers', () => {
    const tlsStart = propertyRows.findIndex(([first]) => first!.startsWith('protocol,'))
    const names = propertyRows
      .slice(0, tlsStart)
      .flatMap(([cell]) => namesOf(cell!.replace(/^client only: /, '')))
    expect(names.length).toBeGreaterThan(120)
    const unknown = names.filter((name) => !isKnown(name) && !OF_CLIENTS.includes(name))
    expect(unknown).toEqual([])
    for (const name of tlsNames.split(' ')) {
      expect([name, knownKeys.has(`ssl.${name}`), knownKeys.has(`ssl.quorum.${name}`)]).toEqual([
        name,
        true,
        true,
      ])
    }
    expect(knownKeys.has('ssl.authProvider')).toBe(true)
  })

  test('defaults are those of the reference, wherever it gives a plain value', () => {
    const { settings } = parseZooCfg('dataDir=/d\n', 'zoo.cfg')
    const values = settings as unknown as Record<string, unknown>
    const wrong: string[] = []
    let compared = 0
    const tlsStart = propertyRows.findIndex(([first]) => first!.startsWith('protocol,'))
    for (const [cell = '', given = ''] of [...parserRows, ...propertyRows.slice(0, tlsStart)]) {
      const names = namesOf(cell)
      const defaults = given.split(',').map((text) => text.trim())
      if (cell.includes('{') || cell.startsWith('client only')) continue
      if (defaults.length !== names.length && defaults.length !== 1) continue
      for (const [index, name] of names.entries()) {
        const text = (defaults[defaults.length === 1 ? 0 : index] ?? '').replace('−', '-')
        const plain = /^(-?\d+(?:\.\d+)?|true|false|yes|no)$/.exec(text)?.[1]
        if (plain === undefined || !knownKeys.has(name) || DERIVED.has(name)) continue
        compared += 1
        const expected = plain === 'yes' ? 'true' : plain === 'no' ? 'false' : plain
        if (String(values[name]) !== expected)
          wrong.push(`${name}: ${String(values[name])}, not ${plain}`)
      }
    }
    expect(wrong).toEqual([])
    expect(compared).toBeGreaterThan(90)
  })
})

/** Filled in from others where they are not given. */
const DERIVED: ReadonlySet<string> = new Set(['connectToLearnerMasterLimit'])

test('every key is read by something, or marked as without effect, or as for ensembles', () => {
  const text = ['ensemble', 'toolkit']
    .flatMap((folder) => sourcesIn(join(ROOT, folder)))
    .filter((path) => !path.endsWith('zoo-cfg-keys.ts'))
    .map((path) => readFileSync(path, 'utf8'))
    .map((source) => ({ source, code: blankOut(source) }))
  // The keys of TLS are read without their prefix, those of both stores by the same lines.
  const nameRead = (key: string): string => key.replace(/^ssl\.((key|trust)Store\.)?/, '')
  const isRead = (key: string): boolean =>
    text.some(({ source, code }) => {
      const name = nameRead(key)
      return source.includes(`'${name}'`) || new RegExp(`\\b${name}\\b`).test(code)
    })
  const idle = [...knownKeys]
    .filter(
      ([key, { setting }]) =>
        setting.isUnused !== true &&
        setting.isForEnsembles !== true &&
        !key.startsWith('ssl.quorum.'),
    )
    .filter(([key]) => !isRead(key))
  expect(idle.map(([key]) => key)).toEqual([])
})

test('a key that is marked as without effect is not read after all', () => {
  const text = ['toolkit/setup', 'ensemble/server', 'ensemble/admin']
    .flatMap((folder) => sourcesIn(join(ROOT, folder)))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n')
  const read = [...knownKeys]
    .filter(([, { setting }]) => setting.isUnused === true)
    .map(([key]) => key)
    .filter((key) => text.includes(`settings['${key}']`) || text.includes(`settings.${key},`))
  expect(read).toEqual([])
})

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return sourcesIn(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}
