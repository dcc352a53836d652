/** Relations that the schema alone cannot say, and the documents made from it. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { check, isAllLoopback } from '../../../toolkit/setup/check.ts'
import { entries, explain, jsonSchema, referencePage } from '../../../toolkit/setup/documents.ts'
import { didYouMean } from '../../../toolkit/setup/problem.ts'
import { read } from '../../../toolkit/setup/read.ts'
import { schema, type SetUp } from '../../../toolkit/setup/schema.ts'
import { groupSettings } from '../../../toolkit/setup/group-settings.ts'
import { formatMs, groupTimes } from '../../../toolkit/setup/times.ts'

const outside = { env: {}, readFile: () => '' }

function setUp(edit: (text: string) => string = (text) => text): SetUp {
  const text = edit(`howdah: 1
cluster: c
ensemble:
  servers:
    1: { host: 127.0.0.1, dataDir: d1, ports: { client: 12181 } }
  settings: { tickTime: 500 }
groups:
  orders:
    sessionTimeout: 4s
    lease: 3s
    members:
      a: { host: 127.0.0.1, port: 8001, http: { listen: '127.0.0.1:8101' } }
      b: { host: 127.0.0.1, port: 8002, http: { listen: '127.0.0.1:8102' } }
    service:
      health:
        - { http: 'http://{host}:{port}/health', every: 500ms, timeout: 300ms }
      activate: { http: { url: 'http://{host}:{port}/activate' }, timeout: 2s }
      deactivate: { http: { url: 'http://{host}:{port}/deactivate' }, timeout: 1s }
    protection: [lease]
    fencing:
      - { graceful: { timeout: 1s } }
`)
  const reading = read(Buffer.from(text), { file: 'f', shape: schema, outside })
  expect(reading.problems).toEqual([])
  if (reading.value === null) throw new Error('unreachable: there are no problems')
  return reading.value
}

const replace = (from: string, to: string) => setUp((text) => text.replace(from, to))

test('a sound set-up has no problems', () => {
  expect(check(setUp()).problems).toEqual([])
})

test.each([
  ['lease: 3s', 'lease: 5s', 'groups.orders.lease', /lease <= sessionTimeout/],
  ['lease: 3s', 'lease: 1900ms', 'groups.orders.lease', /lease >= 2/],
  ['timeout: 300ms', 'timeout: 2100ms', 'groups.orders.service.health', /probe must end/],
  ['sessionTimeout: 4s', 'sessionTimeout: 11s', 'groups.orders.sessionTimeout', /would not grant/],
  ['tickTime: 500', 'tickTime: 2001', 'groups.orders.sessionTimeout', /would not grant/],
  ['port: 8002', 'port: 8001', 'groups.orders.members.b', /one address/],
  ['8102', '8101', 'groups.orders.members.b.http.listen', /listen on one port/],
  ['client: 12181', 'client: 8001', 'groups.orders.members.a.port', /listen on one port/],
  ['tickTime: 500', 'clientPort: 1', 'ensemble.settings.clientPort', /does not belong/],
  ['tickTime: 500', 'server.1: x', 'ensemble.settings.server.1', /does not belong/],
])('%s changed to %s is a problem (H-10, H-12, X-11)', (from, to, path, what) => {
  expect(check(replace(from, to)).problems).toContainEqual(
    expect.objectContaining({ path, what: expect.stringMatching(what) as string }),
  )
})

test('without protection and fencing nobody could take over (H-1)', () => {
  const bare = setUp((text) => text.replace(/ {4}protection[^]*$/, ''))
  expect(check(bare).problems).toEqual([
    expect.objectContaining({
      path: 'groups.orders',
      what: expect.stringContaining('neither') as string,
    }),
  ])
})

test('a fencing command that can confirm nothing is noted (H-7)', () => {
  const doubtful = replace('- { graceful: { timeout: 1s } }', '- { command: [fence] }')
  expect(check(doubtful).notes.map((note) => note.what)).toContain(
    'this fencing command can confirm nothing',
  )
})

test('times are derived with their formula (H-10)', () => {
  const times = (given: SetUp) => {
    const group = given.groups?.['orders']
    if (group === undefined) throw new Error('unreachable: the group is declared above')
    return groupTimes(group, groupSettings({ setUp: given, directory: '/' }, 'orders', 'a'))
  }
  expect(times(setUp()).list.slice(0, 6)).toEqual([
    { name: 'sessionTimeout', ms: 4000, formula: 'as given, or 10s' },
    { name: 'lease', ms: 3000, formula: 'as given' },
    { name: 'stop', ms: 1200, formula: 'deactivate.timeout + 100ms to be noticed + 100ms margin' },
    { name: 'usable part of the lease', ms: 1800, formula: 'lease - stop' },
    { name: 'lease renewed every', ms: 600, formula: 'least of lease / 4, (lease - stop) / 3' },
    {
      name: 'hanging service noticed within',
      ms: 1800,
      formula: 'largest every × fall + timeout of service.health',
    },
  ])
  const derived = setUp((text) => text.replace('    lease: 3s\n', ''))
  expect(times(derived).list[1]).toEqual({
    name: 'lease',
    ms: 3000,
    formula: '3/4 × sessionTimeout',
  })
})

test('the digest of what matters for safety follows values, not their order (H-17)', () => {
  const digest = (edit: (text: string) => string): string =>
    groupSettings({ setUp: setUp(edit), directory: '/' }, 'orders', 'a').configDigest
  const same = digest((text) => text)
  const swap = (text: string): string =>
    text.replace(/( {6}a: .*\n)( {6}b: .*\n)/, (_, a: string, b: string) => b + a)
  expect(digest(swap)).toBe(same)
  expect(digest((text) => text.replace('priority: 1', 'priority: 2'))).toBe(same)
  expect(digest((text) => text.replace('lease: 3s', 'lease: 2500ms'))).not.toBe(same)
  expect(digest((text) => text.replace('port: 8002', 'port: 8003'))).not.toBe(same)
})

test('loopback is told from other hosts', () => {
  expect(isAllLoopback(setUp())).toBe(true)
  expect(isAllLoopback(replace('a: { host: 127.0.0.1', 'a: { host: h1.example'))).toBe(false)
})

test.each([
  [1, '1ms'],
  [1500, '1.5s'],
  [1234, '1234ms'],
  [120_000, '2m'],
])('%i ms is written %s', (ms, text) => {
  expect(formatMs(ms)).toBe(text)
})

test.each([
  ['leese', 'lease'],
  ['lsease', 'lease'],
  ['GROUPS', 'groups'],
  ['xyz', undefined],
])('%s means %s', (word, meant) => {
  expect(didYouMean(word, ['lease', 'groups', 'members'])).toBe(meant)
})

test('howdah.schema.json and docs/configuration.md are made from the schema', () => {
  const text = (name: string): string =>
    readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8')
  const hint = 'run `node scripts/documents.ts`'
  expect(text('howdah.schema.json'), hint).toBe(`${JSON.stringify(jsonSchema(), null, 2)}\n`)
  expect(text('docs/configuration.md'), hint).toBe(referencePage())
})

test('every key of the schema has a help text that is a sentence', () => {
  for (const { path, field } of entries()) expect(field.help, path).toMatch(/^[A-Za-z].*\.$/s)
})

test('a key is explained with its value and its place', () => {
  const origins = new Map([['groups.orders.lease', { line: 10, column: 12, written: '3s' }]])
  expect(explain('lease', origins, 'f.yaml')).toEqual({
    text: `groups.GROUP.lease
  The active may act for so long after the last renewal that was sent and confirmed.
  type: duration (a duration with its unit, such as 500ms, 5s or 2m)
  default: 3/4 of sessionTimeout
  groups.orders.lease = 3s   from f.yaml:10:12`,
  })
  expect(explain('leese', origins, 'f.yaml')).toEqual({ suggestion: 'lease' })
})
