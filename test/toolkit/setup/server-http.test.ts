/** What a configuration opens over HTTP, and what of it administration shows. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { parseZooCfg } from '../../../ensemble/config/index.ts'
import { readServerFile, type GivenSettings } from '../../../toolkit/setup/server-file.ts'
import { readYamlServerFile } from '../../../toolkit/setup/server-yaml.ts'

const directory = mkdtempSync(join(tmpdir(), 'howdah-http-'))
afterAll(() => rmSync(directory, { recursive: true }))

function read(
  lines: string,
  properties: Readonly<Record<string, string>> = {},
  env: Readonly<Record<string, string>> = {},
): GivenSettings {
  const isYaml = lines.startsWith('howdah:')
  const file = join(directory, isYaml ? 'howdah.yaml' : 'zoo.cfg')
  writeFileSync(file, isYaml ? lines : `dataDir=/data\nclientPort=2181\n${lines}`)
  const options = { sid: null, env, properties: new Map(Object.entries(properties)) }
  const { settings } = isYaml ? readYamlServerFile(file, options) : readServerFile([file], options)
  return settings
}

test('there is no admin server unless a key or property asks for it (S-18)', () => {
  expect(read('').admin).toBeNull()
  expect(read('admin.enableServer=false\nadmin.serverPort=1\n').admin).toBeNull()
  expect(read('admin.serverPort=8081\n').admin).toMatchObject({ address: '127.0.0.1', port: 8081 })
  expect(read('admin.enableServer=true\n').admin).toMatchObject({
    address: '127.0.0.1',
    port: 8080,
    commandUrl: '/commands',
    idleTimeoutMs: 30_000,
    snapshotEnabled: true,
    snapshotIntervalMs: 300,
  })
  expect(read('', { 'zookeeper.admin.serverAddress': '0.0.0.0' }).admin?.address).toBe('0.0.0.0')
})

test.each(['forceHttps', 'needClientAuth'])(
  'TLS of the admin server is refused rather than left out: %s',
  (key) => {
    expect(() => read(`admin.${key}=true\n`)).toThrow(/:\d+:1: HTTPS of the admin server/)
  },
)

test('an audit log and statistics of paths, which are not there, are not left out without a word', () => {
  const { notes } = parseZooCfg('dataDir=/d\naudit.enable=true\npathStats.enabled=true\n', 'f')
  expect(notes.map(({ line, what }) => `${line} ${what}`)).toEqual([
    '2 audit.enable has no effect here',
    '3 pathStats.enabled has no effect here',
  ])
})

test("metrics are shown to Prometheus when its provider's class is named", () => {
  expect(read('').metrics).toBeNull()
  const lines =
    'metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n'
  expect(read(lines).metrics).toEqual({ host: '0.0.0.0', port: 7000, exportRuntimeInfo: true })
  const own = 'metricsProvider.httpHost=127.0.0.1\nmetricsProvider.httpPort=7070\n'
  expect(read(`${lines}${own}metricsProvider.exportJvmInfo=false\n`).metrics).toEqual({
    host: '127.0.0.1',
    port: 7070,
    exportRuntimeInfo: false,
  })
})

test('administration is given the text of the file, and the properties that were set', () => {
  const lines = '4lw.commands.whitelist=a,b\n'
  const given = read(lines, { 'zookeeper.snapCount': '500', 'jute.maxbuffer': '5000' })
  expect(given.initialConfiguration).toContain(lines)
  expect(given.systemProperties).toEqual([
    ['zookeeper.snapCount', '500'],
    ['jute.maxbuffer', '5000'],
    ['zookeeper.4lw.commands.whitelist', 'a,b'],
  ])
})

test('what came into the YAML from elsewhere is hidden, under whatever key (S-16)', () => {
  const given = read(
    `howdah: 1
cluster: c
ensemble:
  servers: { 1: { host: 127.0.0.1, dataDir: data } }
  settings: { 'sasl.serverconfig': '\${PRINCIPAL}' }
`,
    {},
    { PRINCIPAL: 'canary-principal' },
  )
  expect(JSON.stringify([given.initialConfiguration, given.systemProperties])).not.toContain(
    'canary',
  )
})
