/**
 * Relations between settings, checked once all of them are known: what each alone cannot show.
 *
 * Source: QuorumPeerConfig#parseProperties and #parseDynamicConfig, 3.9.5, and X-11.
 */
import { checkAuth } from './auth-relations.ts'
import type { Problem } from './problem.ts'
import type { Origin, Settings } from './zoo-cfg.ts'

interface Where {
  readonly file: string
  /** The file that names the members: the dynamic one, where there is one. */
  readonly membersFile: string
  readonly origins: ReadonlyMap<string, Origin>
}

export function checkRelations(
  settings: Settings,
  where: Where,
  problems: Problem[],
  notes: Problem[],
): void {
  const at = (key: string) => placeOf(key, where.file, where.origins)
  const refuse = (key: string, what: string, expected?: string) =>
    void problems.push({ ...at(key), what, expected })
  // What follows from another key is not reported beside it.
  const isGiven = (key: string): boolean => (where.origins.get(key) ?? 'default') !== 'default'
  const { membersFile } = where
  const { minSessionTimeout, maxSessionTimeout, members } = settings

  if (minSessionTimeout > maxSessionTimeout) {
    const got = `${minSessionTimeout} > ${maxSessionTimeout}`
    const what = 'minSessionTimeout is above maxSessionTimeout'
    problems.push({ ...at('minSessionTimeout'), what, got })
  }
  for (const kind of ['clientPort', 'secureClientPort'] as const) {
    if (settings[`${kind}Address`] !== null && settings[kind] === null) {
      refuse(`${kind}Address`, `${kind}Address without ${kind}`, `${kind}=PORT`)
    }
  }
  if (settings.clientPort !== null && settings.clientPort === settings.secureClientPort) {
    refuse('secureClientPort', 'clientPort and secureClientPort are the same')
  }
  for (const kind of ['clientPort', 'secureClientPort'] as const) {
    if (settings[kind] === null || !isAdminPort(settings, settings[`${kind}Address`], kind))
      continue
    // By its default the admin server may be off.
    if (isGiven('admin.serverPort')) {
      refuse('admin.serverPort', `${kind} and admin.serverPort are the same`)
    }
  }
  for (const key of ['dataDir', 'dataLogDir'] as const) {
    if (isGiven(key) && settings[key].includes('\0')) refuse(key, `${key} holds a NUL character`)
  }
  checkTimers(settings, isGiven, refuse)
  const sasl = 'quorum.auth.enableSasl'
  for (const side of ['server', 'learner'] as const) {
    const key = `quorum.auth.${side}RequireSasl` as const
    if (settings[key] && !settings[sasl]) refuse(key, `${key} without ${sasl}`, `${sasl}=true`)
  }
  const learner = 'quorum.auth.learnerRequireSasl'
  if (settings['quorum.auth.serverRequireSasl'] && !settings[learner]) {
    refuse(
      'quorum.auth.serverRequireSasl',
      `serverRequireSasl without ${learner}`,
      `${learner}=true`,
    )
  }
  checkAuth(
    settings,
    (key, what, expected, got) => void problems.push({ ...at(key), what, expected, got }),
  )
  checkEnsemble(settings, where, problems, notes, refuse)
  for (const { sid, line, column } of members.servers) {
    const most = settings.extendedTypesEnabled ? 254 : 255
    if (sid >= 1 && sid <= most) continue
    const what = `server ${sid}: session ids hold the low byte of the number only`
    notes.push({ file: membersFile, line, column, what, expected: `a number from 1 to ${most}` })
  }
}

/** Milliseconds that a protocol field and a timer can hold. */
const MS_MAX = 0x7fff_ffff

/** Apache multiplies as it comes, and waits for a negative time. */
function checkTimers(
  settings: Settings,
  isGiven: (key: string) => boolean,
  refuse: (key: string, what: string, expected?: string) => void,
): void {
  const { tickTime, minSessionTimeout } = settings
  if (minSessionTimeout > MS_MAX) {
    refuse('tickTime', 'two ticks are longer than any session', `at most ${MS_MAX >> 1}`)
  }
  for (const key of ['initLimit', 'syncLimit', 'connectToLearnerMasterLimit'] as const) {
    if (isGiven(key) && (settings[key] ?? 0) * tickTime > MS_MAX) {
      const expected = `at most ${Math.floor(MS_MAX / tickTime)} ticks of ${tickTime} ms`
      refuse(key, `${key} is longer than any timer`, expected)
    }
  }
}

/** Whether a client port is that of the admin server too, at an address that both have. */
function isAdminPort(
  settings: Settings,
  address: string | null,
  kind: 'clientPort' | 'secureClientPort',
): boolean {
  if (!settings['admin.enableServer'] || settings['admin.serverPort'] !== settings[kind])
    return false
  const isEverywhere = (host: string | null): boolean => {
    return host === null || host === '0.0.0.0' || host === '::'
  }
  const admin = settings['admin.serverAddress']
  return isEverywhere(address) || isEverywhere(admin) || address === admin
}

function checkEnsemble(
  settings: Settings,
  { file, membersFile }: Where,
  problems: Problem[],
  notes: Problem[],
  refuse: (key: string, what: string, expected?: string) => void,
): void {
  const { servers } = settings.members
  const voters = servers.filter(({ role }) => role === 'participant')
  const isDynamic = settings.dynamicConfigFile !== null
  if (voters.length === 0) {
    if (servers.length > 0) {
      const { line, column } = servers[0]!
      problems.push({ file: membersFile, line, column, what: 'observers without any participant' })
    } else if (!settings.standaloneEnabled && !isDynamic) {
      refuse('standaloneEnabled', 'standaloneEnabled=false without a server line', 'server.N=…')
    }
    return
  }
  if (voters.length === 1 && settings.standaloneEnabled) {
    if (servers.length > 1) {
      refuse('standaloneEnabled', 'observers of a server on its own', 'standaloneEnabled=false')
    }
    return
  }
  for (const key of ['initLimit', 'syncLimit'] as const) {
    if (settings[key] === null && !problems.some(({ what }) => what === key)) {
      const what = `${key} is missing, which an ensemble needs`
      problems.push({ file, line: 0, column: 0, what, expected: `${key}=TICKS` })
    }
  }
  for (const { key, sid, line, column } of servers.flatMap(({ addresses, ...server }) =>
    addresses.length > 1 ? [{ key: 'multiAddress.enabled', ...server }] : [],
  )) {
    if (settings['multiAddress.enabled']) break
    const what = `server ${sid} has several addresses`
    problems.push({ file: membersFile, line, column, what, expected: `${key}=true` })
  }
  if (settings.members.groups.size === 0 && voters.length % 2 === 0) {
    const { line, column } = voters[0]!
    const survives = Math.ceil(voters.length / 2) - 1
    const what = `${voters.length} participants survive the loss of ${survives}, as ${voters.length - 1} would`
    notes.push({ file: membersFile, line, column, what, expected: 'an odd number' })
  }
}

/** Where a setting was said; line 0 when it was not. */
export function placeOf(
  key: string,
  file: string,
  origins: ReadonlyMap<string, Origin>,
): Pick<Problem, 'file' | 'line' | 'column'> {
  const origin = origins.get(key)
  if (origin === 'flag') return { file: '-D', line: 0, column: 0 }
  const line = typeof origin === 'object' ? origin.line : 0
  return { file, line, column: line === 0 ? 0 : 1 }
}
