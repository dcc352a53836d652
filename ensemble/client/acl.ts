/**
 * Access control lists as applications write them.
 *
 * Source: ZooDefs.Perms and Ids, DigestAuthenticationProvider.generateDigest, 3.9.5.
 */
import type { Acl } from '../protocol/acl.ts'
import { sha1 } from '../sys/hash.ts'

/** Permission bits; a permission is not inherited by the nodes below. */
export const Perms = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const

function entry(perms: number, scheme: string, id: string): Acl {
  return { perms, id: { scheme, id } }
}

/** `user:base64(sha1("user:password"))`: what a digest entry holds in place of the password. */
export function digestId(user: string, password: string): string {
  return `${user}:${sha1(Buffer.from(`${user}:${password}`)).toString('base64')}`
}

export const acl = {
  /** Everybody may do everything. */
  openUnsafe: [entry(Perms.all, 'world', 'anyone')] as readonly Acl[],
  /** Everybody may read. */
  readUnsafe: [entry(Perms.read, 'world', 'anyone')] as readonly Acl[],
  /** Whoever creates the node, by the credentials of its connection, may do everything. */
  creatorAll: [entry(Perms.all, 'auth', '')] as readonly Acl[],
  digest: (user: string, password: string, perms: number = Perms.all): Acl[] => [
    entry(perms, 'digest', digestId(user, password)),
  ],
  /** @param user as the server knows it after its SASL login */
  sasl: (user: string, perms: number = Perms.all): Acl[] => [entry(perms, 'sasl', user)],
  /** @param address such as `10.0.0.0/8` */
  ip: (address: string, perms: number = Perms.all): Acl[] => [entry(perms, 'ip', address)],
  world: (perms: number): Acl[] => [entry(perms, 'world', 'anyone')],
} as const
