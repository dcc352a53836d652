/**
 * What a server shows over HTTP, from Apache's keys: administration, metrics, and the configuration
 * as administration shows it.
 *
 * Apache's admin server is on, at all addresses. Ours is on once a key `admin.*` is given, and on
 * loopback unless `admin.serverAddress` is (S-18, docs/decisions/0012-admin-off-or-loopback.md).
 */
import { knownKeys, placeOf, type ParsedZooCfg, type Problem } from '../../ensemble/config/index.ts'
import type { AdminSettings, MetricsSettings } from '../../ensemble/server/index.ts'

const LOOPBACK = '127.0.0.1'
const PROMETHEUS = 'org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider'
const IN_MEMORY = 'org.apache.zookeeper.metrics.impl.DefaultMetricsProvider'
const PROMETHEUS_PORT = 7000
const MICROSECONDS = 1000

type Value = string | number | boolean | bigint | readonly string[] | undefined | null

export function adminSettingsOf({ settings, origins }: ParsedZooCfg): AdminSettings | null {
  const isWanted = givenKeys(origins).some((key) => key.startsWith('admin.'))
  if (!isWanted || !settings['admin.enableServer']) return null
  return {
    address:
      origins.get('admin.serverAddress') === 'default' ? LOOPBACK : settings['admin.serverAddress'],
    port: settings['admin.serverPort'],
    commandUrl: settings['admin.commandURL'].replace(/\/+$/, ''),
    idleTimeoutMs: settings['admin.idleTimeout'],
    trustsForwardedFor: settings['IPAuthenticationProvider.usexforwardedfor'],
    snapshotEnabled: settings['admin.snapshot.enabled'],
    // Apache takes the milliseconds of the key as microseconds here; scripts have come to rely on it.
    snapshotIntervalMs: settings['admin.rateLimiterIntervalInMS'] / MICROSECONDS,
    restoreEnabled: settings['admin.restore.enabled'],
    restoreIntervalMs: settings['admin.rateLimiterIntervalInMS'],
  }
}

/** null: metrics are for `mntr` and administration only. */
export function metricsSettingsOf(
  { settings, origins }: ParsedZooCfg,
  file: string,
  problems: Problem[],
  notes: Problem[],
): MetricsSettings | null {
  const className = settings['metricsProvider.className']
  if (className !== PROMETHEUS) {
    const what =
      'a Java class that cannot be loaded here: metrics are in mntr and at the admin server'
    const place = placeOf('metricsProvider.className', file, origins)
    if (className !== IN_MEMORY)
      notes.push({ ...place, what, got: className, expected: PROMETHEUS })
    return null
  }
  const { httpHost, httpPort, exportJvmInfo } = settings.metricsProvider
  if (httpPort !== undefined && !(/^\d{1,5}$/.test(httpPort) && Number(httpPort) <= 65_535)) {
    const place = placeOf('metricsProvider.httpPort', file, origins)
    const expected = 'a whole number from 0 to 65535'
    problems.push({ ...place, what: 'metricsProvider.httpPort', got: httpPort, expected })
  }
  return {
    host: httpHost ?? '0.0.0.0',
    port: httpPort === undefined ? PROMETHEUS_PORT : Number(httpPort),
    exportRuntimeInfo: exportJvmInfo?.trim().toLowerCase() !== 'false',
  }
}

/** The system properties that were given, in the file or by `-D`. What is a secret is not shown. */
export function systemPropertiesOf({ settings, origins }: ParsedZooCfg): [string, string][] {
  const given: [string, string][] = []
  for (const key of givenKeys(origins)) {
    const property = knownKeys.get(key)?.property
    // Every key of the table is a key of the settings; its type depends on which.
    const value = (settings as unknown as Readonly<Record<string, Value>>)[key]
    // Keys of TLS are kept in tables of their own, and are not shown.
    if (property === undefined || property === null || value === undefined || value === null)
      continue
    given.push([property, Array.isArray(value) ? value.join(',') : String(value)])
  }
  return given
}

function givenKeys(origins: ParsedZooCfg['origins']): string[] {
  return [...origins].filter(([, origin]) => origin !== 'default').map(([key]) => key)
}
