/**
 * TLS of a server's clients and of our own client, from Apache's keys `ssl.*`.
 *
 * What Apache can do and we cannot is refused where going on without it would be less safe than asked
 * for (revocation), and a note elsewhere. Stores are read when they are needed, not here.
 */
import type { ParsedZooCfg, Problem, Settings } from '../../ensemble/config/index.ts'
import type { ClientTls } from '../../ensemble/server/index.ts'
import type { StoreSettings, TlsError, TlsSettings } from '../../ensemble/tls/index.ts'
import { SetUpError } from './problem.ts'
import type { Place, ServerFile } from './server-file.ts'

type TlsKeys = Settings['clientTls']

/** null: no port of this server speaks TLS. */
export function clientTlsOf(
  { settings, origins }: ParsedZooCfg,
  problems: Problem[],
  notes: Problem[],
): ClientTls | null {
  const { clientTls: keys } = settings
  const portUnification = settings['client.portUnification']
  if (settings.secureClientPort === null && !portUnification) return null
  const placed = (key: string): Pick<Problem, 'file' | 'line' | 'column' | 'got'> => {
    const origin = origins.get(key)
    const isPlaced = typeof origin === 'object'
    const file = isPlaced ? origin.file : 'the configuration'
    return { file, line: isPlaced ? origin.line : 0, column: isPlaced ? 1 : 0, got: key }
  }
  for (const key of ['crl', 'ocsp'] as const) {
    if (!keys[key]) continue
    const what = 'certificates are not looked up for revocation here: leave it out to go on without'
    problems.push({ ...placed(`ssl.${key}`), what })
  }
  if (keys.authProvider !== 'x509') {
    const what = `there is no provider ${keys.authProvider} for certificates`
    problems.push({ ...placed('ssl.authProvider'), what, expected: 'x509' })
  }
  if (keys.clientHostnameVerification && keys.allowReverseDnsLookup) {
    const what = 'names of addresses are never looked up: certificates of clients need the address'
    notes.push({ ...placed('ssl.allowReverseDnsLookup'), what })
  }
  return {
    ...tlsSettingsOf(keys),
    clientAuth: keys.clientAuth,
    clientHostnameVerification: keys.clientHostnameVerification,
    portUnification,
    handshakesMax: Math.max(0, settings['netty.server.outstandingHandshake.limit']),
  }
}

/** Both sides' part. */
export function tlsSettingsOf(keys: TlsKeys): TlsSettings {
  const { protocol, enabledProtocols, ciphersuites, hostnameVerification } = keys
  return {
    name: 'ssl.',
    keyStore: storeOf(keys, 'keyStore'),
    trustStore: storeOf(keys, 'trustStore'),
    protocols: enabledProtocols ?? (protocol === null ? null : [protocol]),
    cipherSuites: ciphersuites,
    hostnameVerification,
  }
}

function storeOf(keys: TlsKeys, name: 'keyStore' | 'trustStore'): StoreSettings | null {
  const location = keys[`${name}.location`]
  if (location === null) return null
  return {
    name: `ssl.${name}`,
    location,
    type: keys[`${name}.type`],
    password: keys[`${name}.password`],
    passwordPath: keys[`${name}.passwordPath`],
  }
}

/** Reads the stores of a server as its start would. @throws SetUpError */
export async function checkStores({ settings, placeOf }: ServerFile): Promise<Problem[]> {
  const { tls } = settings
  if (tls === undefined || tls === null) return []
  // Loaded where there is something to check.
  const { expired, serverMaterial } = await import('../../ensemble/tls/index.ts')
  const { nodeFileSystem } = await import('../../ensemble/sys/node-file-system.ts')
  try {
    const material = await serverMaterial(tls, nodeFileSystem)
    const place = placeOf('ssl.keyStore.location')
    return expired(material, Date.now()).map((what) => ({ ...place, what }))
  } catch (error) {
    throw storeProblems(error, placeOf)
  }
}

/** What a start said of the stores, with the places of the keys. */
export function storeProblems(error: unknown, placeOf: (key: string) => Place): unknown {
  if (!(error instanceof Error) || error.name !== 'TlsError') return error
  // The name is that of this class alone.
  const { problems } = error as TlsError
  return new SetUpError(
    problems.map(({ key, what }) => ({ ...placeOf(key), what: `${key} ${what}` })),
  )
}
