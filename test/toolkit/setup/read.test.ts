/** The reader of the YAML: places of problems, bounds, references, secrets (S-16, S-17, X-11). */
import { describe, expect, expectTypeOf, test } from 'vitest'
import { formatProblem } from '../../../toolkit/setup/problem.ts'
import { read } from '../../../toolkit/setup/read.ts'
import { schema, type SetUp } from '../../../toolkit/setup/schema.ts'

const outside = {
  env: { PORT: '8001', SECRET: 'canary-4711', HOST: 'not a host' },
  readFile(path: string): string {
    if (path === '/secret') return 'canary-4712\n'
    throw Object.assign(new Error(`ENOENT ${path}`), { code: 'ENOENT' })
  },
}

function problemsOf(text: string | Uint8Array): string[] {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  return read(bytes, { file: 'f.yaml', shape: schema, outside }).problems.map(formatProblem)
}

const head = 'howdah: 1\ncluster: c\nensemble: { connect: "127.0.0.1:2181" }\n'
const group = (extra: string): string => `${head}groups:
  orders:
    members:
      a: { host: 127.0.0.1, port: 8001 }
    service:
      health:
        - { http: 'http://{host}:{port}/health', every: 500ms }
      activate: { http: { url: 'http://{host}:{port}/activate' }, timeout: 2s }
      deactivate: { http: { url: 'http://{host}:{port}/deactivate' }, timeout: 1s }
${extra}`

test('a set-up becomes a typed value with its defaults', () => {
  const reading = read(Buffer.from(group('    lease: 3s\n')), { file: 'f', shape: schema, outside })
  expect(reading.problems).toEqual([])
  expect(reading.value?.groups?.['orders']).toMatchObject({
    adapter: 'generic',
    sessionTimeout: 10_000,
    lease: 3000,
    members: { a: { host: '127.0.0.1', port: 8001, priority: 0 } },
    service: { health: [{ every: 500, timeout: 1000, rise: 1, fall: 3 }] },
    protection: [],
  })
  expect(reading.origins.get('groups.orders.service.health[0].every')).toEqual({
    line: 10,
    column: 57,
    written: '500ms',
  })
  expectTypeOf<SetUp['stateDir']>().toEqualTypeOf<string>()
  expectTypeOf<NonNullable<SetUp['groups']>[string]['lease']>().toEqualTypeOf<number | undefined>()
})

test.each([
  [
    'an unknown key',
    `${head}cluser: d\n`,
    'f.yaml:4:1: unknown key "cluser"; did you mean "cluster"?',
  ],
  [
    'an unknown key below',
    group('    leese: 3s\n'),
    'f.yaml:13:5: unknown key "leese" in groups.orders; did you mean "lease"?',
  ],
  [
    'a key for later',
    `${head}registrations: {}\n`,
    'f.yaml:4:1: registrations is not available yet',
  ],
  [
    'an adapter for later',
    group('    adapter: hdfs\n'),
    'f.yaml:13:14: groups.orders.adapter: "hdfs" is not available yet: got hdfs, expected "generic"',
  ],
  [
    'a bare number as duration',
    group('    lease: 3\n'),
    'f.yaml:13:12: groups.orders.lease: got 3, expected a duration with its unit, such as 500ms, 5s or 2m',
  ],
  [
    'a zero duration',
    group('    lease: 0s\n'),
    'f.yaml:13:12: groups.orders.lease: a duration of zero: got 0s, expected at least 1ms',
  ],
  ['a duplicate key', `${head}cluster: d\n`, 'f.yaml:4:1: duplicate key'],
  [
    'a tag',
    `${head}stateDir: !!js/function x\n`,
    'f.yaml:4:11: Unresolved tag: tag:yaml.org,2002:js/function',
  ],
  ['nothing', '', 'f.yaml:1:1: the file is empty: expected "howdah: 1" as its first line'],
  [
    'a list',
    '- 1\n',
    'f.yaml:1:1: the file: got a list, expected an object with keys such as howdah, cluster, stateDir, ensemble, groups, registrations',
  ],
  [
    'another format',
    head.replace('howdah: 1', 'howdah: 2'),
    'f.yaml:1:9: howdah: got 2, expected "1"',
  ],
  [
    'a null',
    head.replace('cluster: c', 'cluster: ~'),
    'f.yaml:2:10: cluster: got nothing, expected a name of letters, digits, ".", "_" and "-" that starts with a letter or digit (at most 63)',
  ],
  [
    'no value',
    group('    lease:\n'),
    'f.yaml:13:11: groups.orders.lease: got nothing, expected a duration with its unit, such as 500ms, 5s or 2m',
  ],
  [
    'two of one',
    head.replace('ensemble: {', 'ensemble: { servers: { 1: { host: h, dataDir: d } },'),
    'f.yaml:3:11: ensemble: got connect and servers, expected exactly one of connect, servers',
  ],
  [
    'an unknown placeholder',
    group('').replace('{port}/health', '{prot}/health'),
    'f.yaml:10:19: groups.orders.service.health[0].http: unknown placeholder {prot}: got http://{host}:{prot}/health, expected {member} {host} {port} {pid} {role} {token} {reason}; did you mean "{port}"?',
  ],
  [
    'a plain host in fencing',
    group("    fencing: [{ command: [fence, '{host}'] }]\n"),
    'f.yaml:13:34: groups.orders.fencing[0].command[1]: {host} does not say whose: the fencer\'s or the target\'s: got {host}, expected {self.member} {self.host} {self.port} {target.member} {target.host} {target.port} {target.token} {token}; did you mean "{target.host}"?',
  ],
])('%s is refused with its place (X-11)', (_, text, expected) => {
  expect(problemsOf(text)).toEqual([expected])
})

test.each(['__proto__', 'constructor', 'prototype'])(
  'the key %s is refused everywhere (S-17)',
  (key) => {
    expect(problemsOf(`${head}${key}: {}\n`)).toHaveLength(1)
    expect(problemsOf(`${head}processes: { ${key}: { start: [x] } }\n`)).toHaveLength(1)
    expect(problemsOf(`${head.replace(' }\n', `, settings: { ${key}: x } }\n`)}`)).toHaveLength(1)
    expect(({} as Record<string, unknown>)['start']).toBeUndefined()
  },
)

test('aliases are bounded in number and in what they expand to (S-17)', () => {
  let text = `${head}processes:\n  base: &x { start: [a] }\n`
  for (let i = 0; i < 300; i++) text += `  p${i}: *x\n`
  expect(problemsOf(text)).toEqual(['f.yaml:206:9: too many aliases: expected at most 200'])

  const many = Array.from({ length: 500 }, () => 'a').join(', ')
  let large = `${head}processes:\n  base: &x { start: [${many}] }\n`
  for (let i = 0; i < 100; i++) large += `  p${i}: *x\n`
  expect(problemsOf(large)).toEqual([
    expect.stringContaining('the file is too large once its aliases are expanded'),
  ])
})

test('an alias within its own anchor ends (S-17)', () => {
  expect(problemsOf(`${head}processes: &p { a: *p }\n`).length).toBeGreaterThan(0)
})

test('tabs, CRLF and a byte order mark (X-11)', () => {
  expect(problemsOf(`\ufeff${head.replaceAll('\n', '\r\n')}`)).toEqual([])
  expect(problemsOf(`${head}groups:\n\tx: 1\n`)[0]).toMatch(/^f.yaml:5:1: /)
  expect(problemsOf(Uint8Array.of(0xff, 0xfe, 0x00))).toEqual([
    'f.yaml:1:1: the file is not UTF-8 text: expected YAML in UTF-8',
  ])
})

describe('references', () => {
  test('are replaced in values only', () => {
    const text = group('').replace('port: 8001', "port: '${PORT}'")
    expect(problemsOf(text)).toEqual([])
    expect(problemsOf(`${head}processes: { '\${PORT}': { start: [x] } }\n`)).toHaveLength(1)
  })

  test('$${ is a plain ${', () => {
    const text = `${head}processes: { p: { start: ['$\${PORT}'] } }\n`
    const reading = read(Buffer.from(text), { file: 'f', shape: schema, outside })
    expect(reading.value?.processes?.['p']?.start).toEqual(['${PORT}'])
  })

  test('a file loses one trailing newline', () => {
    const text = `${head}processes: { p: { start: ['\${file:/secret}'] } }\n`
    const reading = read(Buffer.from(text), { file: 'f', shape: schema, outside })
    expect(reading.value?.processes?.['p']?.start).toEqual(['canary-4712'])
  })

  test('what they stand for is never printed (S-16)', () => {
    const texts = ['${SECRET}', '${file:/secret}'].flatMap((reference) => [
      head.replace('howdah: 1', `howdah: '${reference}'`),
      `${head}groups: { orders: '${reference}' }\n`,
      group('').replace('port: 8001', `port: 'x${reference}'`),
      group('').replace("'http://{host}:{port}/health'", `'${reference}'`),
    ])
    for (const text of texts) {
      const problems = problemsOf(text)
      expect(problems.length).toBeGreaterThan(0)
      expect(problems.join('\n')).not.toContain('canary')
    }
  })

  test('what is missing is named', () => {
    expect(problemsOf(head.replace('cluster: c', "cluster: '${NOPE}'"))).toEqual([
      'f.yaml:2:10: cluster: the environment variable NOPE is not set: expected a value for it',
    ])
    expect(problemsOf(head.replace('cluster: c', "cluster: '${file:/nope}'"))).toEqual([
      'f.yaml:2:10: cluster: cannot read the file /nope (ENOENT): expected a readable file',
    ])
  })
})

test('a key with control characters is printed on one line (S-21)', () => {
  expect(problemsOf(`${head}"a\\nb\\e[31m": 1\n`)).toEqual([
    'f.yaml:4:1: unknown key "a\\nb\\u001b[31m"',
  ])
})
