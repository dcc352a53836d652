/**
 * The settings of one server, from a `zoo.cfg` or from arguments as Apache's server takes them; a
 * server of a YAML is written out as a zoo.cfg first (server-yaml.ts).
 */
import { readFileSync } from 'node:fs'
import {
  parseServerArguments,
  parseZooCfg,
  placeOf,
  type ParsedZooCfg,
  type Settings,
} from '../../ensemble/config/index.ts'
import type { GivenSettings, RetentionSettings } from '../../ensemble/server/index.ts'
import { SetUpError, type Problem } from './problem.ts'
import { authSettingsOf } from './server-auth.ts'
import { adminSettingsOf, metricsSettingsOf, systemPropertiesOf } from './server-http.ts'
import { limitSettingsOf } from './server-limits.ts'
import { clientTlsOf } from './server-tls.ts'

export interface ServerFileOptions {
  /** Which server of the YAML; null: its only one. */
  readonly sid: number | null
  readonly env: Readonly<Record<string, string | undefined>>
  /** -Dname=value */
  readonly properties: ReadonlyMap<string, string>
}

export type { GivenSettings }

export interface ServerFile {
  readonly settings: GivenSettings
  readonly notes: readonly Problem[]
  /** Where a key was said, for what is found out later. */
  readonly placeOf: (key: string) => Place
}

export type Place = Pick<Problem, 'file' | 'line' | 'column'>

export function isYaml(path: string): boolean {
  return /\.ya?ml$/i.test(path)
}

/**
 * @param words a `zoo.cfg`, or `PORT DATADIR [TICKTIME] [MAXCLIENTCNXNS]`
 * @throws SetUpError with every problem; the system's error when a file cannot be read
 */
export function readServerFile(words: readonly string[], options: ServerFileOptions): ServerFile {
  const [first = ''] = words
  const flags = flagsOf(options)
  if (words.length > 1) return finished(parseServerArguments(words, flags), 'arguments')
  const text = readFileSync(first, 'utf8')
  const parsed = parseZooCfg(text, first, { flags })
  const { dynamicConfigFile } = parsed.settings
  if (dynamicConfigFile === null) return finished(parsed, first, text)
  const dynamic = { text: readDynamicFile(parsed, first), file: dynamicConfigFile }
  return finished(parseZooCfg(text, first, { flags, dynamic }), first, text)
}

/** @throws SetUpError which names the line that names the file */
function readDynamicFile({ settings, origins }: ParsedZooCfg, file: string): string {
  const got = settings.dynamicConfigFile ?? ''
  try {
    return readFileSync(got, 'utf8')
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException
    const place = placeOf('dynamicConfigFile', file, origins)
    throw new SetUpError([{ ...place, what: `dynamicConfigFile cannot be read (${code})`, got }])
  }
}

/**
 * @param file named where something is missing
 * @throws SetUpError with every problem
 */
export function finished(
  parsed: ParsedZooCfg,
  file: string,
  text: string | null = null,
): ServerFile {
  const problems = [...parsed.problems, ...unavailable(parsed, file)]
  const notes = [...parsed.notes]
  const auth = authSettingsOf(parsed, problems, notes)
  const tls = clientTlsOf(parsed, problems, notes)
  const metrics = metricsSettingsOf(parsed, file, problems, notes)
  const isReachable = [parsed.settings, ...parsed.settings.members.servers].some(
    ({ clientPort }) => clientPort !== null,
  )
  if (!isReachable && parsed.settings.secureClientPort === null) {
    const what = 'neither clientPort nor secureClientPort: no client can connect'
    notes.push({ file, line: 0, column: 0, what })
  }
  if (problems.length > 0) throw new SetUpError(problems)
  return {
    settings: {
      ...serverSettingsOf(parsed.settings, (key) => parsed.origins.get(key) !== 'default'),
      auth,
      tls,
      admin: adminSettingsOf(parsed),
      metrics,
      systemProperties: systemPropertiesOf(parsed),
      initialConfiguration: text,
    },
    notes,
    placeOf: (key) => placeOf(key, file, parsed.origins),
  }
}

/** What a file may ask for that nothing is behind yet, where serving without it would mislead. */
function unavailable({ settings, origins }: ParsedZooCfg, file: string): Problem[] {
  const problems: Problem[] = []
  const refuse = (key: string, what: string): void => {
    problems.push({
      ...placeOf(key, file, origins),
      what: `${what} is not available yet`,
      got: key,
    })
  }
  const { servers } = settings.members
  if (servers.length > 1) {
    const { sid, line, column } = servers[1]!
    const what = 'an ensemble of several servers is not available yet'
    const place = { file: settings.dynamicConfigFile ?? file, line, column }
    problems.push({ ...place, what, got: `server.${sid}` })
  } else if (!settings.standaloneEnabled) {
    refuse('standaloneEnabled', 'an ensemble, which standaloneEnabled=false asks for,')
  }
  if (settings.emulate353TTLNodes) refuse('emulate353TTLNodes', 'what 3.5.3 took for TTL nodes')
  if (adminSettingsOf({ settings, origins, problems, notes: [] }) !== null) {
    if (settings['admin.forceHttps']) refuse('admin.forceHttps', 'HTTPS of the admin server')
    if (settings['admin.needClientAuth'])
      refuse('admin.needClientAuth', 'HTTPS of the admin server')
  }
  return problems
}

/** From Apache's names and units to ours. */
export function serverSettingsOf(
  settings: Settings,
  isGiven: (key: string) => boolean = () => false,
): GivenSettings {
  const [own] = settings.members.servers
  const clientPort = settings.clientPort ?? own?.clientPort ?? null
  const clientPortAddress = settings.clientPortAddress ?? own?.clientHost ?? '0.0.0.0'
  return {
    dataDir: settings.dataDir,
    dataLogDir: settings.dataLogDir,
    clientPort,
    clientPortAddress,
    clientPortListenBacklog: settings.clientPortListenBacklog,
    secureClientPort: settings.secureClientPort,
    secureClientPortAddress: settings.secureClientPortAddress ?? '0.0.0.0',
    tickTimeMs: settings.tickTime,
    minSessionTimeoutMs: settings.minSessionTimeout,
    maxSessionTimeoutMs: settings.maxSessionTimeout,
    maxClientCnxns: settings.maxClientCnxns,
    maxCnxns: settings.maxCnxns,
    frameBytesMax: settings['jute.maxbuffer'],
    globalOutstandingLimit: settings.globalOutstandingLimit,
    sessionlessCnxnTimeoutMs: settings['nio.sessionlessCnxnTimeout'],
    snapCount: settings.snapCount,
    snapSizeLimitBytes: settings.snapSizeLimitInKb * 1024,
    snapshotStream: settings['snapshot.compression.method'] || 'plain',
    preallocBytes: settings.preAllocSize * 1024,
    forceSync: settings.forceSync,
    digestEnabled: settings['digest.enabled'],
    extendedTypesEnabled: settings.extendedTypesEnabled,
    trustEmptySnapshot: settings['snapshot.trust.empty'],
    fourLetterWords: settings['readonlymode.enabled']
      ? [...settings['4lw.commands.whitelist'], 'isro']
      : settings['4lw.commands.whitelist'],
    superDigest: settings['DigestAuthenticationProvider.superDigest'],
    skipAcl: settings.skipACL,
    reconfigEnabled: settings.reconfigEnabled,
    enforceQuota: settings.enforceQuota,
    limits: limitSettingsOf(settings),
    containerCheckIntervalMs: settings['znode.container.checkIntervalMs'],
    containersPerMinute: settings['znode.container.maxPerMinute'],
    containerNeverUsedMs: settings['znode.container.maxNeverUsedIntervalMs'],
    logSizeLimitBytes: settings.txnLogSizeLimitInKb * 1024,
    slowSyncMs: settings['fsync.warningthresholdms'],
    autocreateDirectories: settings['datadir.autocreate'],
    autocreate: settings['db.autocreate'],
    serializeLastZxid: settings['serializeLastProcessedZxid.enabled'],
    pauses: settings['jvm.pause.monitor']
      ? {
          sleepMs: settings['jvm.pause.sleep.time.ms'],
          infoMs: settings['jvm.pause.info-threshold.ms'],
          warnMs: settings['jvm.pause.warn-threshold.ms'],
        }
      : null,
    clientKeepAlive: settings.clientTcpKeepAlive,
    retention: retentionOf(settings, isGiven),
    acceptDamagedLog: settings['howdah.acceptDamagedLog'],
    sessionPasswords: settings['howdah.sessionPasswords'],
  }
}

/** What the file says counts; without a word, directories that we created are kept small. */
function retentionOf(settings: Settings, isGiven: (key: string) => boolean): RetentionSettings {
  const snapshots = settings['autopurge.snapRetainCount']
  const cron = settings['autopurge.schedule']
  const hours = settings['autopurge.purgeInterval']
  if (cron !== null) return { kind: 'cron', cron, snapshots }
  if (hours > 0) return { kind: 'hours', hours, snapshots }
  if (isGiven('autopurge.purgeInterval')) return { kind: 'never' }
  return { kind: 'own-directory', snapshots }
}

/** As zkServer.sh hands them to the JVM; what the command line says comes last, and counts. */
export function flagsOf({
  env,
  properties,
}: Pick<ServerFileOptions, 'env' | 'properties'>): string[] {
  const ofScripts = [env['SERVER_JVMFLAGS'], env['JVMFLAGS']].flatMap((words) =>
    (words ?? '').split(/\s+/),
  )
  // Words of the command line are whole: a password may hold a blank.
  return [...ofScripts, ...[...properties].map(([name, value]) => `-D${name}=${value}`)]
}
