/**
 * Paths, lists and credentials that test a server, from a seed. Half of the paths are of a small tree,
 * so that requests meet each other's nodes.
 */
import type { Acl } from '../../ensemble/protocol/acl.ts'
import type { RandomValues } from '../support/random-values.ts'

const PATHS = [
  '/', '/a', '/b', '/c', '/a/b', '/a/c', '/a/b/c', '/s-', '/a/s-', '/é', '/漢字', '/own', '/own/value',
  '/own/here', '/own/new', '/zookeeper', '/zookeeper/config', '/zookeeper/quota', '/zookeeper/quota/a',
  '/zookeeper/quota/a/zookeeper_limits', '/zookeeper/quota/a/zookeeper_stats', '/zookeeper/new',
] // prettier-ignore

const PARTS = [
  'a', 'b', '', '.', '..', '...', '.a', 'a.', ' ', '\0', '\u0001', '\u001f', '\u007f', '\u009f', '\u00a0',
  '\ud7ff', '\ud800', '\udbff\udfff', '\udfff', '\ue000', '\uf8ff', '\uf900', '\uffef', '\ufff0', '\ufffd',
  '\uffff', 'x0000000001', '0000000000', '9999999999', '-000000001', 'é', '漢', 'zookeeper', 'own', '%2f',
] // prettier-ignore

/** Any text where a path is expected; null too. */
export function hostilePath(random: RandomValues): string | null {
  const kind = random.below(20)
  if (kind < 15) return random.pick(PATHS)
  if (kind < 18) return anyPath(random)
  if (kind === 18) return `/${random.text(20)}`
  return random.pick([
    null,
    '',
    '/'.repeat(random.below(300)),
    `/${'x'.repeat(random.below(3000))}`,
  ])
}

/** Parts, good and bad, between slashes. */
export function anyPath(random: RandomValues): string {
  let path = random.below(8) === 0 ? '' : '/'
  for (let left = random.below(random.pick([2, 5, 40])); left >= 0; left--) {
    path += random.pick(PARTS)
    if (left > 0 || random.below(8) === 0) path += '/'
  }
  return path
}

const SCHEMES = [
  'world',
  'auth',
  'digest',
  'ip',
  'super',
  'sasl',
  'x509',
  'host',
  '',
  'WORLD',
  null,
]
const IDS = [
  'anyone', '', 'anyone ', 'a:b', 'a', ':', 'a:', ':b', 'a:b:c', 'a:b:', '1.2.3.4', '10.0.3.1', '10.0.3.0/24',
  '1.2.3.4/33', '1.2.3.4/-1', '1.2.3.4/', '/8', '1.2.3', '1.2.3.4.5', '256.1.1.1', '::1', '::/0', '::/128',
  '::/129', '1::2::3', 'fe80::1%eth0', '::ffff:10.0.3.1', '+1.2.3.4', '0x1.2.3.4', '1.2.3.4/0x8', '\0', 'é', null,
] // prettier-ignore

export function hostileAclEntry(random: RandomValues): Acl {
  const scheme = random.pick(SCHEMES)
  const perms = random.below(4) === 0 ? random.int32() : random.below(33)
  return { perms, id: { scheme, id: random.pick(IDS) } }
}

export function hostileAcl(random: RandomValues): Acl[] | null {
  if (random.below(4) !== 0) return [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
  if (random.below(10) === 0) return null
  return Array.from({ length: random.below(random.pick([2, 5, 50])) }, () =>
    hostileAclEntry(random),
  )
}

export function hostileCredentials(random: RandomValues): {
  scheme: string | null
  auth: Buffer | null
} {
  const scheme = random.pick(SCHEMES)
  const texts = ['a:b', 'a', '', ':', 'super:admin', 'bystander:', 'bystander:wrong', 'é:é', '\0']
  const auth = random.pick([null, random.bytes(40), Buffer.from(random.pick(texts))])
  return { scheme: random.below(3) === 0 ? scheme : 'digest', auth }
}
