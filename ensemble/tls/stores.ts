/**
 * Key stores and trust stores, from the bytes of their files to PEM.
 *
 * Java reads a PKCS#12 file that is called JKS and the other way round, and so do we: keytool has
 * written PKCS#12 into files of any name since Java 9. One difference: Java trusts those certificates
 * of a PKCS#12 file alone that keytool has marked; here all count that are not a key's own or its
 * issuers', so that files of openssl can be used.
 * Source: PEMFileLoader, PemReader, JKSFileLoader, PKCS12FileLoader, 3.9.5.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { StoreProblem, type Identity } from './store-problem.ts'
import type { StoreType } from './tls-settings.ts'

const ENDINGS: Readonly<Record<string, StoreType>> = {
  jks: 'JKS',
  pem: 'PEM',
  p12: 'PKCS12',
  pfx: 'PKCS12',
  bcfks: 'BCFKS',
}

/** @throws StoreProblem */
export function storeType(location: string, type: StoreType | null): StoreType {
  const found = type ?? ENDINGS[/\.(\w+)$/.exec(location)?.[1] ?? '']
  if (found === undefined) {
    const what = `cannot tell the type of ${location} from its name: set it to PEM, JKS or PKCS12`
    throw new StoreProblem('type', what)
  }
  if (found === 'BCFKS') {
    const what =
      'BCFKS is a format of one Java library and cannot be read here: convert the store to PEM or ' +
      'PKCS12 (keytool -importkeystore -deststoretype PKCS12)'
    throw new StoreProblem('type', what)
  }
  return found
}

/** @param keyBytes PEM that holds the key @throws StoreProblem */
export async function readIdentity(
  bytes: Buffer,
  keyBytes: Buffer,
  type: StoreType,
  password: string,
): Promise<Identity> {
  if (type !== 'PEM') {
    const { readJavaStore } = await import('./java-stores.ts')
    const [identity, ...more] = readJavaStore(bytes, password).identities
    if (identity === undefined) throw new StoreProblem('location', 'holds no private key')
    if (more.length > 0) {
      throw new StoreProblem('location', 'holds several private keys: leave one in it')
    }
    return checked(identity)
  }
  const certificates = blocks(bytes.toString('latin1'), CERTIFICATE)
  if (certificates.length === 0) throw new StoreProblem('location', 'holds no certificate')
  const [key] = blocks(keyBytes.toString('latin1'), PRIVATE_KEY)
  if (key === undefined) throw new StoreProblem('location', 'holds no private key')
  const opened = openKey(key, password).export({ type: 'pkcs8', format: 'pem' }).toString()
  return checked({ key: opened, chain: `${certificates.join('\n')}\n` })
}

/** @returns PEM of each @throws StoreProblem */
export async function readTrusted(
  bytes: Buffer,
  type: StoreType,
  password: string,
): Promise<string[]> {
  const certificates =
    type === 'PEM'
      ? blocks(bytes.toString('latin1'), CERTIFICATE)
      : (await import('./java-stores.ts')).readJavaStore(bytes, password).trusted
  if (certificates.length === 0) throw new StoreProblem('location', 'holds no trusted certificate')
  for (const certificate of certificates) parsed(certificate)
  return [...certificates]
}

/** When a certificate ends, of the ones in PEM. */
export function expiries(pem: string): { readonly subject: string; readonly endMs: number }[] {
  return blocks(pem, CERTIFICATE).map((block) => {
    const { subject, validTo } = parsed(block)
    return { subject: subject.replaceAll('\n', ', '), endMs: Date.parse(validTo) }
  })
}

const CERTIFICATE = /^(X509 )?CERTIFICATE$/
const PRIVATE_KEY = /PRIVATE KEY$/

function blocks(text: string, label: RegExp): string[] {
  return Array.from(text.matchAll(/-----BEGIN ([\w ]+)-----[^-]*-----END \1-----/g))
    .filter(([, name = '']) => label.test(name))
    .map(([block]) => block)
}

function openKey(pem: string, password: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem', passphrase: password })
  } catch (error) {
    // Traditional PEM says it in a header, PKCS#8 in its label.
    const isEncrypted = /ENCRYPTED/.test(pem)
    if (isEncrypted && password === '') {
      throw new StoreProblem('password', 'is needed: the private key is encrypted', {
        cause: error,
      })
    }
    if (isEncrypted) {
      throw new StoreProblem('password', 'does not open the private key', { cause: error })
    }
    throw new StoreProblem('location', 'holds a private key that cannot be read', { cause: error })
  }
}

function checked(identity: Identity): Identity {
  const [first = ''] = blocks(identity.chain, CERTIFICATE)
  for (const block of blocks(identity.chain, CERTIFICATE)) parsed(block)
  if (!parsed(first).checkPrivateKey(createPrivateKey(identity.key))) {
    const what = 'the first certificate is not that of the private key'
    throw new StoreProblem('location', what)
  }
  return identity
}

function parsed(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw new StoreProblem('location', 'holds a certificate that cannot be read', { cause: error })
  }
}
