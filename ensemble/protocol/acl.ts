/** Access control lists and authenticated ids. Source: zookeeper.jute (module data), ZooDefs.Perms. */
import type { Reader } from '../jute/reader.ts'
import type { Writer } from '../jute/writer.ts'
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

/**
 * Reads lists from requests. The same list comes again and again: where the bytes are those of the
 * last one, so is the list, and nothing is decoded.
 */
export class AclReader {
  #bytes: Buffer = Buffer.alloc(0)
  #list: Acl[] | null = null

  read(reader: Reader): Acl[] | null {
    const last = this.#bytes
    if (last.length > 0 && startsWith(reader, last)) {
      reader.position += last.length
      return this.#list
    }
    const start = reader.position
    this.#list = AclList.read(reader)
    this.#bytes = Buffer.from(reader.bytes.subarray(start, reader.position))
    return this.#list
  }
}

function startsWith({ bytes, position, end }: Reader, start: Buffer): boolean {
  if (end - position < start.length) return false
  for (let at = 0; at < start.length; at++) if (bytes[position + at] !== start[at]) return false
  return true
}

/** The list as `AclList` writes it, without its loops. */
export function writeAcl(writer: Writer, list: readonly Acl[]): void {
  writer.int(list.length)
  for (const { perms, id } of list) {
    writer.int(perms)
    writer.string(id.scheme)
    writer.string(id.id)
  }
}

/** The bits of `perms`. */
export const Perm = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const
