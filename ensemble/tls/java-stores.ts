/**
 * JKS and PKCS#12 by the package jks-js, which is loaded for them alone.
 *
 * PKCS#12 is taken apart with its inner parser: its own `toPem` needs a name on every entry, which
 * files of openssl do not have, and loses one of two entries that have the same.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import jks from 'jks-js'
// @ts-expect-error -- an inner module, without types of its own
import Pkcs12Parser from 'jks-js/lib/keystore/PKCS12Parser.js'
import { StoreProblem, type Identity } from './store-problem.ts'

export interface JavaStore {
  readonly identities: readonly Identity[]
  readonly trusted: readonly string[]
}

/** An entry as the package gives it out: PEM. */
interface Entry {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

interface Bag {
  readonly attributes: Readonly<Record<string, readonly string[]>>
}

interface Parser {
  parse(): Bag[]
  toPem(bags: readonly Bag[]): Record<string, Entry>
}

const JKS_MAGIC = 0xfeedfeed
const JCEKS_MAGIC = 0xcececece

/** @throws StoreProblem */
export function readJavaStore(bytes: Buffer, password: string): JavaStore {
  const magic = bytes.length < 4 ? 0 : bytes.readUInt32BE(0)
  if (magic === JCEKS_MAGIC) {
    throw new StoreProblem('type', 'JCEKS cannot be read here: convert the store to PKCS12')
  }
  const isJks = magic === JKS_MAGIC
  if (!isJks && bytes[0] !== 0x30) {
    throw new StoreProblem('location', 'is neither a JKS nor a PKCS12 file')
  }
  if (isJks && password === '') throw new StoreProblem('password', 'is needed for a JKS file')
  try {
    return isJks ? readJks(bytes, password) : readPkcs12(bytes, password)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    if (/password|recover|MAC could not/i.test(why)) {
      const what = password === '' ? 'is needed for this file' : 'is wrong for this file'
      throw new StoreProblem('password', what, { cause: error })
    }
    throw new StoreProblem('location', `cannot be read: ${why}`, { cause: error })
  }
}

function readJks(bytes: Buffer, password: string): JavaStore {
  const entries = Object.values(jks.toPem(bytes, password))
  return {
    identities: entries.flatMap(({ key, cert }) =>
      key === undefined || cert === undefined ? [] : [{ key, chain: cert }],
    ),
    trusted: entries.flatMap(({ ca }) => (ca === undefined ? [] : [ca])),
  }
}

function readPkcs12(bytes: Buffer, password: string): JavaStore {
  // The package declares no types for it: this is what the pinned release has.
  const Constructor = Pkcs12Parser as new (keystore: Buffer, password: string) => Parser
  const parser = new Constructor(bytes, password)
  const keys: string[] = []
  const certificates: X509Certificate[] = []
  for (const bag of parser.parse()) {
    const named = { ...bag, attributes: { ...bag.attributes, friendlyName: ['entry'] } }
    const { ca, cert, key } = parser.toPem([named])['entry'] ?? {}
    if (key !== undefined) keys.push(key)
    const certificate = ca ?? cert
    if (certificate !== undefined) certificates.push(new X509Certificate(certificate))
  }
  const owned = new Set<X509Certificate>()
  const identities = keys.map((key) => {
    const chain = chainOf(key, certificates)
    for (const certificate of chain) owned.add(certificate)
    return { key, chain: chain.map(String).join('') }
  })
  const trusted = certificates.filter((certificate) => !owned.has(certificate)).map(String)
  return { identities, trusted }
}

function chainOf(key: string, certificates: readonly X509Certificate[]): X509Certificate[] {
  const own = createPrivateKey(key)
  const chain: X509Certificate[] = []
  let next = certificates.find((certificate) => certificate.checkPrivateKey(own))
  while (next !== undefined && !chain.includes(next)) {
    const last: X509Certificate = next
    chain.push(last)
    next = certificates.find((other) => other !== last && last.checkIssued(other))
  }
  return chain
}
