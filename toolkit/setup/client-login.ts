/**
 * Who `howdah cli` logs in as through SASL: the JAAS file that Java's flags name, as for zkCli.sh. What
 * `-client-configuration` says of SASL counts before the flags; the JAAS file is named by a flag only.
 *
 * Source: ZooKeeperSaslClient, ZKClientConfig, DigestLoginModule, 3.9.5. Other than there: FIPS mode, on by default,
 * does not keep our client from DIGEST-MD5; and a section that is missing is refused, where Java's
 * client goes on as nobody.
 */
import { readFileSync } from 'node:fs'
import { DIGEST_LOGIN_MODULE, parseProperties } from '../../ensemble/config/index.ts'
import { jaasPath, readJaasSection } from './jaas-file.ts'
import { SetUpError, type Problem } from './problem.ts'

/**
 * @param flags `-D` words of CLIENT_JVMFLAGS and JVMFLAGS
 * @param configuration path of `-client-configuration`; null without
 * @returns `user:password`; null without a JAAS file
 * @throws SetUpError
 */
export function clientLogin(flags: string, configuration: string | null = null): string | null {
  const properties = new Map<string, string>()
  for (const word of flags.split(/\s+/)) {
    const [, name, value] = /^-D([^=]+)=(.*)$/s.exec(word) ?? []
    if (name !== undefined) properties.set(name, value ?? '')
  }
  const { entries } = parseProperties(
    configuration === null ? '' : readFileSync(configuration, 'utf8'),
    configuration ?? '',
  )
  for (const { key, value } of entries) {
    if (key.startsWith('zookeeper.sasl.')) properties.set(key, value)
  }
  const path = jaasPath(properties.get('java.security.auth.login.config'))
  if (path === null || properties.get('zookeeper.sasl.client') === 'false') return null
  const section = properties.get('zookeeper.sasl.clientconfig') ?? 'Client'
  const problems: Problem[] = []
  const [entry] = readJaasSection(path, section, problems) ?? []
  if (problems.length > 0) throw new SetUpError(problems)
  const place = { file: path, line: entry?.line ?? 0, column: 1 }
  if (entry === undefined) {
    const expected = `${section} { ${DIGEST_LOGIN_MODULE} required username="…" password="…"; };`
    throw new SetUpError([{ ...place, what: `no section ${section}`, expected }])
  }
  const user = entry.options.get('username')
  const password = entry.options.get('password')
  if (user === undefined || password === undefined) {
    const expected = 'username="…" password="…"'
    throw new SetUpError([{ ...place, what: `no user in the section ${section}`, expected }])
  }
  if (user === '' || user.includes(':')) {
    throw new SetUpError([{ ...place, what: 'a user name that is empty or has a colon' }])
  }
  return `${user}:${password}`
}
