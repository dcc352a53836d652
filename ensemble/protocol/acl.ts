/** Access control lists and authenticated ids. Source: zookeeper.jute (module data), ZooDefs.Perms. */
import { int, record, string, vector, type Infer } from '../jute/record.ts'

export const Id = record('Id', {
  scheme: string,
  id: string,
})
export type Id = Infer<typeof Id>

export const Acl = record('ACL', {
  perms: int, // any int: the bits are not checked
  id: Id,
})
export type Acl = Infer<typeof Acl>

export const AclList = vector(Acl)

/** The bits of `perms`. */
export const Perm = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const
