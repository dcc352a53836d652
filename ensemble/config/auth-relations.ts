/**
 * What settings of authentication say together: which schemes there are, and what asks for one that is
 * not.
 *
 * Source: ProviderRegistry, AuthenticationHelper#validateConfiguredProperties, 3.9.5. Other than there: a class
 * that cannot be loaded is a problem, where Java logs it and leaves its scheme out.
 */
import type { Settings } from './zoo-cfg.ts'

const PACKAGE = 'org.apache.zookeeper.server.auth.'

/** Schemes by the Java class that `authProvider.<x>` names. */
const PROVIDERS: Readonly<Record<string, string>> = {
  [`${PACKAGE}SASLAuthenticationProvider`]: 'sasl',
  [`${PACKAGE}EnsembleAuthenticationProvider`]: 'ensemble',
  [`${PACKAGE}X509AuthenticationProvider`]: 'x509',
  [`${PACKAGE}DigestAuthenticationProvider`]: 'digest',
  [`${PACKAGE}IPAuthenticationProvider`]: 'ip',
}

type AuthKeys = Pick<
  Settings,
  | 'authProvider'
  | 'DigestAuthenticationProvider.enabled'
  | 'secureClientPort'
  | 'client.portUnification'
  | 'sessionRequireClientSASLAuth'
  | 'enforce.auth.enabled'
  | 'enforce.auth.schemes'
>

/** The schemes that a connection can be known by, or ACLs can name. */
export function schemesOf(settings: AuthKeys): ReadonlySet<string> {
  const schemes = new Set(['ip'])
  if (settings['DigestAuthenticationProvider.enabled']) schemes.add('digest')
  if (settings.secureClientPort !== null || settings['client.portUnification']) schemes.add('x509')
  for (const className of Object.values(settings.authProvider)) {
    const scheme = PROVIDERS[className]
    if (scheme !== undefined) schemes.add(scheme)
  }
  return schemes
}

/** Of these a connection must have an id; null: none is asked for. */
export function enforcedSchemesOf(settings: AuthKeys): readonly string[] | null {
  if (settings.sessionRequireClientSASLAuth) return ['sasl']
  return settings['enforce.auth.enabled'] ? (settings['enforce.auth.schemes'] ?? []) : null
}

export function checkAuth(
  settings: Settings,
  refuse: (key: string, what: string, expected?: string, got?: string) => void,
): void {
  for (const [name, className] of Object.entries(settings.authProvider)) {
    if (PROVIDERS[className] !== undefined) continue
    const what = 'a Java class that cannot be loaded here'
    refuse(`authProvider.${name}`, what, Object.keys(PROVIDERS).join(', '), className)
  }
  const isOwnKey = !settings.sessionRequireClientSASLAuth
  const enforced = enforcedSchemesOf(settings)
  const schemes = schemesOf(settings)
  if (enforced?.length === 0) {
    refuse('enforce.auth.enabled', 'enforce.auth.enabled without enforce.auth.schemes')
  }
  for (const scheme of enforced ?? []) {
    if (schemes.has(scheme)) continue
    const key = isOwnKey ? 'enforce.auth.schemes' : 'sessionRequireClientSASLAuth'
    const [className] = Object.entries(PROVIDERS).find(([, known]) => known === scheme) ?? []
    const expected =
      className === undefined ? [...schemes].join(', ') : `authProvider.${scheme}=${className}`
    refuse(key, `the scheme ${scheme} is not there`, expected)
  }
}
