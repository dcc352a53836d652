/**
 * How a server's clients authenticate, from Apache's keys: schemes, what is enforced, and the SASL users
 * of the JAAS file and of our own.
 *
 * Passwords go into the settings and nowhere else: no problem or note shows one (S-16). Files that hold
 * them should be their owner's alone; ours must be, and a JAAS file that is not gets a note.
 */
import {
  enforcedSchemesOf,
  parseSaslUsers,
  schemesOf,
  usersOf,
  type ParsedZooCfg,
  type Problem,
  type Settings,
} from '../../ensemble/config/index.ts'
import type { AuthSettings } from '../../ensemble/server/index.ts'
import { isOpenToOthers, jaasPath, readJaasSection, readText } from './jaas-file.ts'

const JAAS_KEY = 'java.security.auth.login.config'
const USERS_KEY = 'howdah.saslUsersFile'

/** @param parsed its problems and notes grow by what the files have */
export function authSettingsOf(
  { settings, origins }: ParsedZooCfg,
  problems: Problem[],
  notes: Problem[],
): AuthSettings {
  const isSectionGiven = origins.get('sasl.serverconfig') !== 'default'
  const inJaas = jaasUsers(settings, isSectionGiven, problems, notes)
  const inFile = fileUsers(settings, problems)
  const schemes = schemesOf(settings)
  if (schemes.has('sasl') && inJaas === null && inFile === null) {
    const what = `the scheme sasl without users: ${JAAS_KEY} and ${USERS_KEY} name none`
    notes.push({ file: 'SASL', line: 0, column: 0, what })
  }
  for (const name of inFile?.keys() ?? []) {
    if (inJaas?.has(name) !== true) continue
    const file = settings[USERS_KEY] ?? ''
    problems.push({
      file,
      line: 0,
      column: 0,
      what: `the SASL user ${name} is in the JAAS file too`,
    })
  }
  return {
    digestAlgorithm: schemes.has('digest')
      ? settings['DigestAuthenticationProvider.digestAlg']
      : null,
    hasSaslScheme: schemes.has('sasl'),
    sasl:
      inJaas === null && inFile === null
        ? null
        : {
            users: withSuper(new Map([...(inJaas ?? []), ...(inFile ?? [])]), settings),
            superUsers: [
              ...(settings.superUser === null ? [] : [settings.superUser]),
              ...Object.values(settings.superUsers),
            ],
            removeHost: settings['kerberos.removeHostFromPrincipal'],
            removeRealm: settings['kerberos.removeRealmFromPrincipal'],
          },
    openSaslName: settings.letAnySaslUserDoX,
    allowSaslFailedClients: settings.allowSaslFailedClients,
    enforcedSchemes: enforcedSchemesOf(settings),
    ensembleNames: schemes.has('ensemble') ? (settings.ensembleAuthName ?? 'any') : null,
    hasX509Scheme: schemes.has('x509'),
    x509SuperUser: settings['X509AuthenticationProvider.superUser'],
  }
}

/** `superPassword` replaces the password of a user `super`, and makes none, as with Apache. */
function withSuper(users: Map<string, string>, settings: Settings): Map<string, string> {
  const password = settings['SASLAuthenticationProvider.superPassword']
  if (password !== null && users.has('super')) users.set('super', password)
  return users
}

/** null: the file has no section for a server, and so there is no SASL. */
function jaasUsers(
  settings: Settings,
  isSectionGiven: boolean,
  problems: Problem[],
  notes: Problem[],
): Map<string, string> | null {
  const path = jaasPath(settings[JAAS_KEY])
  if (path === null) return null
  const section = settings['sasl.serverconfig']
  const entries = readJaasSection(path, section, problems)
  if (entries === null) {
    if (isSectionGiven) {
      const what = `no section ${section}: clients are told that there is no SASL`
      notes.push({ file: path, line: 0, column: 0, what })
    }
    return null
  }
  if (isOpenToOthers(path)) {
    const what = 'a file with passwords that others than its owner may read'
    notes.push({ file: path, line: 0, column: 0, what, expected: 'mode 0600' })
  }
  return usersOf(entries)
}

function fileUsers(settings: Settings, problems: Problem[]): Map<string, string> | null {
  const path = settings[USERS_KEY]
  if (path === null) return null
  const text = readText(path, problems)
  if (text === null) return null
  if (isOpenToOthers(path)) {
    const what = 'a file with passwords that others than its owner may read'
    problems.push({ file: path, line: 0, column: 0, what, expected: 'mode 0600' })
  }
  const parsed = parseSaslUsers(text, path)
  problems.push(...parsed.problems)
  return parsed.users
}
