/**
 * From settings to what a handshake needs: stores are read, passwords found, names translated.
 *
 * Invariants:
 *  1. Everything that is wrong is reported at once, with key and file; no secret is in a message.
 *  2. Equal files give equal material: `read` hands out their contents beside it, for whoever looks
 *     whether they have changed.
 */
import type { TlsClientMaterial, TlsMaterial, TlsServerMaterial } from '../sys/tls.ts'
import { offeredVersions, openSslSuite } from './cipher-suites.ts'
import { StoreProblem } from './store-problem.ts'
import { expiries, readIdentity, readTrusted, storeType } from './stores.ts'
import {
  TlsError,
  type StoreSettings,
  type TlsProblem,
  type TlsServerSettings,
  type TlsSettings,
} from './tls-settings.ts'

export interface Files {
  readFile(path: string): Promise<Buffer>
}

/** Paths of all files that the settings name. */
export function tlsFiles({ keyStore, trustStore }: TlsSettings): string[] {
  const paths = [keyStore, trustStore].flatMap((store) =>
    store === null ? [] : [store.location, store.keyLocation, store.passwordPath],
  )
  return [...new Set(paths.filter((path) => typeof path === 'string'))]
}

/** @throws TlsError */
export async function serverMaterial(
  settings: TlsServerSettings,
  files: Files,
): Promise<TlsServerMaterial> {
  const { name, keyStore, trustStore, clientAuth, clientHostnameVerification } = settings
  const problems: TlsProblem[] = []
  if (keyStore === null) {
    const what = 'is missing: a server needs a key and its certificate'
    problems.push({ key: `${name}keyStore.location`, what })
  }
  if (trustStore === null && clientAuth === 'need') {
    const what = `is missing: who signs the certificates of clients? (or ${name}clientAuth=none)`
    problems.push({ key: `${name}trustStore.location`, what })
  }
  const checksClientAddress = settings.hostnameVerification && clientHostnameVerification
  const material = await commonMaterial(settings, files, problems)
  return { ...material, clientAuth, checksClientAddress }
}

/** @throws TlsError */
export async function clientMaterial(
  settings: TlsSettings,
  files: Files,
): Promise<TlsClientMaterial> {
  const material = await commonMaterial(settings, files, [])
  return { ...material, checksHost: settings.hostnameVerification }
}

/** What is worth a warning: certificates that have ended. */
export function expired({ identity, trusted }: TlsMaterial, nowMs: number): string[] {
  return expiries([identity?.chain ?? '', ...(trusted ?? [])].join('\n'))
    .filter(({ endMs }) => endMs <= nowMs)
    .map(
      ({ subject, endMs }) =>
        `the certificate of ${subject} ended on ${new Date(endMs).toISOString()}`,
    )
}

async function commonMaterial(
  settings: TlsSettings,
  files: Files,
  problems: TlsProblem[],
): Promise<TlsMaterial> {
  const { name, protocols, cipherSuites, keyStore, trustStore } = settings
  const versions = offeredVersions(protocols)
  const [minVersion = 'TLSv1.2'] = versions
  if (versions.length === 0) {
    const what = `${protocols?.join(',')}: none of them is safe; TLSv1.2 and TLSv1.3 are offered`
    problems.push({ key: `${name}enabledProtocols`, what })
  }
  const suites = cipherSuites?.map((suite) => openSslSuite(suite) ?? suite) ?? null
  const unknown = cipherSuites?.filter((suite) => openSslSuite(suite) === null) ?? []
  if (unknown.length > 0) {
    const what = `${unknown.join(', ')}: no cipher suites that are offered here`
    problems.push({ key: `${name}ciphersuites`, what })
  }
  const identity = await attempt(keyStore, files, problems, async (store, type, password) => {
    const bytes = await read(store.location, files)
    const { keyLocation } = store
    const keyBytes = keyLocation === undefined ? bytes : await read(keyLocation, files)
    return readIdentity(bytes, keyBytes, type, password)
  })
  const trusted = await attempt(trustStore, files, problems, async (store, type, password) =>
    readTrusted(await read(store.location, files), type, password),
  )
  if (problems.length > 0) throw new TlsError(problems)
  const maxVersion = versions.at(-1) ?? minVersion
  return { identity, trusted, minVersion, maxVersion, ciphers: suites?.join(':') ?? null }
}

type Type = ReturnType<typeof storeType>

async function attempt<T>(
  store: StoreSettings | null,
  files: Files,
  problems: TlsProblem[],
  load: (store: StoreSettings, type: Type, password: string) => Promise<T>,
): Promise<T | null> {
  if (store === null) return null
  const { name, location, passwordPath } = store
  try {
    const type = storeType(location, store.type)
    let password = store.password ?? ''
    if (passwordPath !== null) {
      try {
        // Java drops one end of line.
        password = (await read(passwordPath, files)).toString('utf8').replace(/\r?\n$/, '')
      } catch (error) {
        if (!(error instanceof StoreProblem)) throw error
        problems.push({ key: `${name}.passwordPath`, what: error.message })
        return null
      }
    }
    return await load(store, type, password)
  } catch (error) {
    if (!(error instanceof StoreProblem)) throw error
    const key = `${name}.${error.part}`
    const what = error.part === 'location' ? `${location} ${error.message}` : error.message
    const where = error.part === 'password' ? ` (${location})` : ''
    problems.push({ key, what: what.replace(`${location} cannot read`, 'cannot read') + where })
    return null
  }
}

async function read(path: string, files: Files): Promise<Buffer> {
  try {
    return await files.readFile(path)
  } catch (error) {
    const { code = '' } = error as { code?: string }
    const why = code === 'ENOENT' ? 'there is no such file' : code
    throw new StoreProblem('location', `cannot read ${path}: ${why}`, { cause: error })
  }
}
