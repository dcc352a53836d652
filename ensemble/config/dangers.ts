/**
 * Settings that open a server, or let it lose what it acknowledged: allowed, since Apache allows them, but
 * said loudly by `howdah check` and at every start (S-7). No value is shown: some are secrets.
 */
import type { Problem } from './problem.ts'
import { placeOf } from './relations.ts'
import type { Origin, Settings } from './zoo-cfg.ts'

export function dangersOf(
  settings: Settings,
  file: string,
  origins: ReadonlyMap<string, Origin>,
): Problem[] {
  const found: Problem[] = []
  const warn = (key: string, isSet: boolean, what: string): void => {
    if (!isSet) return
    found.push({ ...placeOf(key, file, origins), what: `${key}: ${what}`, isDanger: true })
  }
  warn('skipACL', settings.skipACL, 'no ACL is checked: every client may read and change all')
  const isSuper = 'whoever has its credentials may read and change all, whatever the ACLs say'
  const digest = 'DigestAuthenticationProvider.superDigest'
  warn(digest, settings[digest] !== null, isSuper)
  const x509 = 'X509AuthenticationProvider.superUser'
  warn(x509, settings[x509] !== null, isSuper)
  const sasl = 'SASLAuthenticationProvider.superPassword'
  warn(sasl, settings[sasl] !== null, isSuper)
  warn('superUser', settings.superUser !== null, isSuper)
  for (const name of Object.keys(settings.superUsers)) warn(`superUser.${name}`, true, isSuper)
  const anyone = 'letAnySaslUserDoX'
  warn(anyone, settings[anyone] !== null, 'any SASL user passes for every sasl ACL')
  warn('forceSync', !settings.forceSync, 'writes are acknowledged before they are on disk')
  const forwarded = 'IPAuthenticationProvider.usexforwardedfor'
  const isTold = 'whoever reaches the admin server may say which address it has'
  warn(forwarded, settings[forwarded], isTold)
  const failed = 'allowSaslFailedClients'
  warn(failed, settings[failed], 'clients stay though their SASL authentication failed')
  return found
}
