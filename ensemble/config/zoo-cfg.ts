/**
 * zoo.cfg and `-D` flags into settings: every value typed, every problem with its place.
 *
 * Invariants:
 * 1. Unchanged files of Apache's are understood. What Apache would take silently for something else
 *    (a flag that is neither true nor false, a key with a typo) is a problem here.
 * 2. All problems are reported, not the first one. With problems, `settings` are complete but must
 *    not be used to serve: the caller refuses to start before it touches data.
 * 3. The settings are frozen, and derived ones are filled in: `minSessionTimeout` is never -1.
 * 4. A secret is in the settings only, in no problem or note.
 *
 * Source: QuorumPeerConfig#parse, #parseProperties, #setupQuorumPeerConfig, 3.9.5.
 */
import { dangersOf } from './dangers.ts'
import { nearest, type Problem } from './problem.ts'
import { parseProperties, type Property } from './properties.ts'
import { checkRelations, placeOf } from './relations.ts'
import { checkMembers, isMemberKey, noMembers, parseMembers, type Members } from './server-lines.ts'
import { text as nonEmptyText } from './values.ts'
import {
  clientTlsKeys,
  families,
  fileKeys,
  propertyKeys,
  quorumTlsKeys,
  type ClientTlsSettings,
  type FamilySettings,
  type FileSettings,
  type PropertySettings,
  type QuorumTlsSettings,
  type Setting,
} from './zoo-cfg-keys.ts'

/** Keys in their published spelling, and what is derived: directories, limits and time-outs. */
export interface Settings
  extends
    Omit<FileSettings, 'dataDir' | 'dataLogDir'>,
    Omit<PropertySettings, 'jute.maxbuffer.extrasize' | 'maxWriteQueuePollTime'>,
    FamilySettings {
  /** Empty only when there are problems. */
  readonly dataDir: string
  readonly dataLogDir: string
  readonly 'jute.maxbuffer.extrasize': number
  readonly maxWriteQueuePollTime: number
  readonly clientTls: ClientTlsSettings
  readonly quorumTls: QuorumTlsSettings
  readonly members: Members
}

/** Where the value of a key comes from. */
export type Origin = { readonly file: string; readonly line: number } | 'flag' | 'default'

export interface ParsedZooCfg {
  readonly settings: Settings
  readonly problems: readonly Problem[]
  /** What is worth knowing, but no reason to refuse. */
  readonly notes: readonly Problem[]
  readonly origins: ReadonlyMap<string, Origin>
}

export interface ZooCfgContext {
  /** `-D` flags: words, or as SERVER_JVMFLAGS has them, between blanks. The last one counts. */
  flags?: string | readonly string[]
  /** Contents of the file that `dynamicConfigFile` names, when there is one. */
  dynamic?: { text: string; file: string }
}

interface Known {
  readonly setting: Setting<unknown>
  /** Full name of the system property; null: the file only. */
  readonly property: string | null
  /** Whether the file can set it. */
  readonly isInFile: boolean
}

/** Every key by its name in the settings. */
export const knownKeys: ReadonlyMap<string, Known> = new Map([
  ...table(fileKeys, '', () => null),
  ...table(propertyKeys, '', (key, { flag }) => flag ?? `zookeeper.${key}`),
  ...table(clientTlsKeys, 'ssl.', (key) => `zookeeper.${key}`),
  ...table(quorumTlsKeys, 'ssl.quorum.', (key) => `zookeeper.${key}`, { isForEnsembles: true }),
])

function table(
  settings: Readonly<Record<string, Setting<unknown>>>,
  prefix: string,
  propertyOf: (key: string, setting: Setting<unknown>) => string | null,
  all: Partial<Setting<unknown>> = {},
): [string, Known][] {
  return Object.entries(settings).map(([name, setting]) => {
    const key = prefix + name
    const known = {
      setting: { ...setting, ...all },
      property: propertyOf(key, setting),
      isInFile: setting.flag === undefined || setting.isInFile === true,
    }
    return [key, known]
  })
}

const AUTOPURGE_RETAIN_MIN = 3
const COMMIT_LOG_COUNT_MIN = 500

export function parseZooCfg(text: string, file: string, context: ZooCfgContext = {}): ParsedZooCfg {
  const { entries, problems: misread } = parseProperties(text, file)
  const problems: Problem[] = [...misread]
  const notes: Problem[] = []
  if (text.startsWith('\uFEFF')) {
    notes.push({ file, line: 1, column: 1, what: 'a byte order mark, dropped' })
  }
  const values = new Map<string, unknown>()
  const origins = new Map<string, Origin>()
  const named = new Map<string, Map<string, string>>()

  readFlags(context.flags ?? '', values, origins, named, problems, notes)
  const lastOf = new Map(entries.map((entry) => [entry.key, entry]))
  for (const entry of entries) {
    const { key, line, column } = entry
    if (isMemberKey(key)) continue
    if (lastOf.get(key) !== entry) {
      const what = `${key} is given again in line ${lastOf.get(key)!.line}, which counts`
      notes.push({ file, line, column, what })
      continue
    }
    readEntry(entry, file, values, origins, named, problems, notes)
  }

  const statics = entries.filter(({ key }) => isMemberKey(key))
  const members = readMembers(statics, file, values, context, problems)
  const settings = derive(values, named, members, file, origins, problems, notes)
  const membersFile = values.has('dynamicConfigFile') ? (context.dynamic?.file ?? file) : file
  checkRelations(settings, { file, membersFile, origins }, problems, notes)
  notes.push(...dangersOf(settings, file, origins))
  return { settings, problems, notes, origins }
}

/** `port dataDir [tickTime] [maxClientCnxns]`, Apache's other way to start a single server. */
export function parseServerArguments(
  argv: readonly string[],
  flags: string | readonly string[] = '',
): ParsedZooCfg {
  const keys = ['clientPort', 'dataDir', 'tickTime', 'maxClientCnxns']
  const lines = argv.map((value, index) => `${keys[index] ?? ''}=${value.replaceAll('\\', '\\\\')}`)
  return parseZooCfg(lines.join('\n'), 'arguments', { flags })
}

/** The file `myid`: its first line is the number of this server. */
export function parseMyid(text: string, file: string): { sid: number | null; problems: Problem[] } {
  const [first = ''] = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
  const sid = /^\d{1,16}$/.test(first.trim()) ? Number(first) : Number.NaN
  if (Number.isSafeInteger(sid) && sid >= 1 && sid <= 255) return { sid, problems: [] }
  const expected = 'a whole number from 1 to 255 in the first line'
  const got = first.slice(0, 40)
  return { sid: null, problems: [{ file, line: 1, column: 1, what: 'myid', got, expected }] }
}

function readFlags(
  flags: string | readonly string[],
  values: Map<string, unknown>,
  origins: Map<string, Origin>,
  named: Map<string, Map<string, string>>,
  problems: Problem[],
  notes: Problem[],
): void {
  const byProperty = new Map<string, string>()
  for (const [key, { property }] of knownKeys) if (property !== null) byProperty.set(property, key)
  for (const word of typeof flags === 'string' ? flags.split(/\s+/) : flags) {
    const match = /^-D([^=]+)(?:=(.*))?$/s.exec(word)
    if (match === null) continue
    const [, name = '', value = ''] = match
    const place = { file: '-D', line: 0, column: 0 }
    const key = byProperty.get(name) ?? byProperty.get(`zookeeper.${name}`)
    // `fsync.warningthresholdms` and some others are read with and without the prefix.
    const isAlias = key !== undefined && byProperty.get(name) === undefined
    if (key !== undefined && (!isAlias || ALIASED.has(key))) {
      const { setting } = knownKeys.get(key)!
      assign(key, setting, value, place, values, problems)
      origins.set(key, 'flag')
      if (setting.isUnused === true) notes.push({ ...place, what: `-D${name} has no effect here` })
    } else if (name.startsWith(OUR_PREFIX)) {
      // No other program has such a property: it is one of ours, misspelt.
      const what = Object.hasOwn(fileKeys, name) ? 'is read from the file only' : 'is not known'
      const suggestion = nearest(name, byProperty.keys())
      problems.push({ ...place, what: `-D${name} ${what}`, suggestion })
    } else if (name.startsWith('zookeeper.')) {
      const rest = name.slice('zookeeper.'.length)
      if (assignNamed(rest, value, named)) {
        origins.set(rest, 'flag')
        continue
      }
      const what = Object.hasOwn(fileKeys, rest) ? 'is read from the file only' : 'is not known'
      const suggestion = nearest(name, byProperty.keys())
      notes.push({ ...place, what: `-D${name} ${what}, and has no effect`, suggestion })
    }
  }
}

const OUR_PREFIX = 'howdah.'

/** Properties of which Apache reads the name without `zookeeper.` as well. */
const ALIASED: ReadonlySet<string> = new Set([
  'fsync.warningthresholdms',
  'learner.asyncSending',
  'learner.closeSocketAsync',
  'leader.closeSocketAsync',
])

function readEntry(
  entry: Property,
  file: string,
  values: Map<string, unknown>,
  origins: Map<string, Origin>,
  named: Map<string, Map<string, string>>,
  problems: Problem[],
  notes: Problem[],
): void {
  const { key, value, line, column } = entry
  const known = knownKeys.get(key)
  if (known !== undefined && !known.isInFile) {
    const where = key.startsWith(OUR_PREFIX) ? '' : ', as with Apache'
    const what = `${key} has no effect in the file${where}: give it as -D${known.property}`
    notes.push({ file, line, column, what })
  } else if (known !== undefined) {
    const place = { file, line: entry.valueLine, column: entry.valueColumn }
    assign(key, known.setting, value, place, values, problems)
    origins.set(key, { file, line })
    if (known.setting.isUnused === true) {
      notes.push({ file, line, column, what: `${key} has no effect here` })
    }
  } else if (assignNamed(key, value, named)) {
    origins.set(key, { file, line })
  } else if (key === 'version') {
    const what = 'version belongs to dynamic configuration only'
    problems.push({ file, line, column, what, got: key })
  } else {
    const bare = key.replace(/^zookeeper\./, '')
    const inFile = [...knownKeys].filter(([, { isInFile }]) => isInFile).map(([name]) => name)
    const suggestion = bare !== key && knownKeys.has(bare) ? bare : nearest(key, inFile)
    const what = 'an unknown key'
    if (suggestion !== undefined) problems.push({ file, line, column, what, got: key, suggestion })
    else notes.push({ file, line, column, what: `${what}, without effect`, got: key })
  }
}

function assign(
  key: string,
  setting: Setting<unknown>,
  text: string,
  place: Pick<Problem, 'file' | 'line' | 'column'>,
  values: Map<string, unknown>,
  problems: Problem[],
): void {
  // `-Dzookeeper.KEY=` is how scripts say that they have nothing to say.
  if (text === '' && knownKeys.get(key)?.property !== null && setting.parse === nonEmptyText) return
  const outcome = setting.parse(text)
  if ('value' in outcome) values.set(key, outcome.value)
  else {
    const got = setting.isSecret === true ? undefined : text
    problems.push({ ...place, what: key, got, expected: outcome.expected })
  }
}

function assignNamed(key: string, value: string, named: Map<string, Map<string, string>>): boolean {
  for (const [family, { prefix }] of Object.entries(families)) {
    if (!key.startsWith(prefix) || key.length === prefix.length) continue
    const entries = named.get(family) ?? new Map<string, string>()
    named.set(family, entries.set(key.slice(prefix.length), value))
    return true
  }
  return false
}

function readMembers(
  statics: readonly Property[],
  file: string,
  values: ReadonlyMap<string, unknown>,
  { dynamic }: ZooCfgContext,
  problems: Problem[],
): Members {
  if (!values.has('dynamicConfigFile')) {
    const members = parseMembers(statics, file, problems)
    checkMembers(members, file, problems)
    return members
  }
  for (const { key, line, column } of statics) {
    const what = `${key} belongs into the dynamic file, as dynamicConfigFile is set`
    problems.push({ file, line, column, what, got: key })
  }
  if (dynamic === undefined) return noMembers
  const parsed = parseDynamicConfig(dynamic.text, dynamic.file)
  problems.push(...parsed.problems)
  return parsed.members
}

/**
 * The dynamic file: members and nothing else. In the file `version` is an error, since it is part
 * of the file's name; in the text of /zookeeper/config it is the last line.
 */
export function parseDynamicConfig(
  text: string,
  file: string,
  options: { allowVersion?: boolean } = {},
): { members: Members; version: bigint; problems: readonly Problem[] } {
  const { entries, problems: misread } = parseProperties(text, file)
  const problems: Problem[] = [...misread]
  let version = 0n
  for (const { key, value, line, column } of entries) {
    if (isMemberKey(key)) continue
    if (key === 'version' && options.allowVersion === true && /^[0-9a-fA-F]{1,16}$/.test(value)) {
      version = BigInt.asIntN(64, BigInt(`0x${value}`))
    } else {
      const what = 'a key that has no place in dynamic configuration'
      problems.push({ file, line, column, what, got: key, expected: 'server.N, group.N, weight.N' })
    }
  }
  const lines = entries.filter(({ key }) => isMemberKey(key))
  const members = parseMembers(lines, file, problems)
  checkMembers(members, file, problems)
  return { members, version, problems }
}

function derive(
  values: ReadonlyMap<string, unknown>,
  named: ReadonlyMap<string, ReadonlyMap<string, string>>,
  members: Members,
  file: string,
  origins: Map<string, Origin>,
  problems: Problem[],
  notes: Problem[],
): Settings {
  const valuesOf = (keys: Readonly<Record<string, Setting<unknown>>>, prefix = '') =>
    Object.fromEntries(
      Object.entries(keys).map(([name, { fallback }]) => {
        const key = prefix + name
        if (!origins.has(key)) origins.set(key, 'default')
        return [name, values.has(key) ? values.get(key) : fallback]
      }),
    )
  // The tables give each key the type of its parser or fallback, from which these types are made.
  const own = valuesOf(fileKeys) as unknown as FileSettings
  const properties = valuesOf(propertyKeys) as unknown as PropertySettings
  const clientTls = valuesOf(clientTlsKeys, 'ssl.') as unknown as ClientTlsSettings
  const quorumTls = valuesOf(quorumTlsKeys, 'ssl.quorum.') as unknown as QuorumTlsSettings
  const namedOf = (family: string) => Object.freeze(Object.fromEntries(named.get(family) ?? []))

  if (own.dataDir === null && !problems.some(({ what }) => what === 'dataDir')) {
    const what = 'dataDir is missing'
    problems.push({ file, line: 0, column: 0, what, expected: 'dataDir=DIRECTORY' })
  }
  const raise = (key: 'autopurge.snapRetainCount' | 'commitLogCount', least: number) => {
    const value = { ...own, ...properties }[key]
    if (value >= least) return value
    const what = `${key} is raised to ${least}, the least there is`
    notes.push({ ...placeOf(key, file, origins), what, got: String(value) })
    return least
  }
  const { tickTime } = own
  const flushDelay = properties.flushDelay
  return Object.freeze({
    ...own,
    ...properties,
    dataDir: own.dataDir ?? '',
    dataLogDir: own.dataLogDir ?? own.dataDir ?? '',
    minSessionTimeout: own.minSessionTimeout === -1 ? tickTime * 2 : own.minSessionTimeout,
    maxSessionTimeout: own.maxSessionTimeout === -1 ? tickTime * 20 : own.maxSessionTimeout,
    connectToLearnerMasterLimit: own.connectToLearnerMasterLimit || (own.initLimit ?? 0),
    'autopurge.snapRetainCount': raise('autopurge.snapRetainCount', AUTOPURGE_RETAIN_MIN),
    commitLogCount: raise('commitLogCount', COMMIT_LOG_COUNT_MIN),
    'jute.maxbuffer.extrasize':
      properties['jute.maxbuffer.extrasize'] ?? properties['jute.maxbuffer'],
    maxWriteQueuePollTime: properties.maxWriteQueuePollTime ?? Math.floor(flushDelay / 3),
    authProvider: namedOf('authProvider'),
    metricsProvider: namedOf('metricsProvider'),
    superUsers: namedOf('superUsers'),
    clientTls: Object.freeze(clientTls),
    quorumTls: Object.freeze(quorumTls),
    members: Object.freeze(members),
  })
}
