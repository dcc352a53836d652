/**
 * Transactions: what leaders propose, servers log and trees apply.
 *
 * Serialized: TxnHeader, the record of its type, and optionally a TxnDigest; a PROPOSAL, an INFORM
 * and a record of the log carry the same bytes. In code one flat object, told apart by `type`.
 *
 * What is tolerated when reading, because Apache's own logs contain it:
 * 1. A create (1) without parentCVersion, from before 3.4: it reads as -1, "increment the parent's".
 * 2. A closeSession without its list of paths (old, or closeSessionTxn.enabled=false): `paths` null,
 *    with or without a digest behind it.
 * 3. No digest: fewer than 12 bytes left. What follows the digest is ignored.
 * 4. A null ACL vector reads as the empty list: both allow everything.
 * Everything else that does not fit is a WireError, among them a check outside of a multi (no Apache
 * server can replay one; it must never be logged) and a multi inside of a multi.
 *
 * Source: zookeeper.jute (module txn), SerializeUtils.java, DataTree#processTxn, 3.9.5.
 */
import { assert, unreachable } from '../assert.ts'
import type { Reader } from '../jute/reader.ts'
import {
  bool,
  buffer,
  int,
  long,
  record,
  string,
  timeMs,
  vector,
  type Given,
  type Infer,
} from '../jute/record.ts'
import { WireError } from '../jute/wire-error.ts'
import type { Writer } from '../jute/writer.ts'
import { AclList, type Acl } from './acl.ts'
import { Op } from './op-codes.ts'

export const TxnHeader = record('TxnHeader', {
  clientId: long, // session; 0 for what the leader does by itself
  cxid: int,
  zxid: long,
  time: timeMs, // the leader's wall clock
  type: int,
})
export type TxnHeader = Infer<typeof TxnHeader>

export const CreateTxnV0 = record('CreateTxnV0', {
  path: string,
  data: buffer,
  acl: AclList,
  ephemeral: bool,
})

export const CreateTxn = record('CreateTxn', {
  path: string,
  data: buffer,
  acl: AclList,
  ephemeral: bool,
  parentCVersion: int,
})

export const CreateTtlTxn = record('CreateTTLTxn', {
  path: string,
  data: buffer,
  acl: AclList,
  parentCVersion: int,
  ttl: long,
})

export const CreateContainerTxn = record('CreateContainerTxn', {
  path: string,
  data: buffer,
  acl: AclList,
  parentCVersion: int,
})

/** Of delete and deleteContainer. */
export const DeleteTxn = record('DeleteTxn', { path: string })

/** Of setData; also of reconfig, with /zookeeper/config, the text and version -1. */
export const SetDataTxn = record('SetDataTxn', {
  path: string,
  data: buffer,
  version: int, // the new one
})

export const SetAclTxn = record('SetACLTxn', {
  path: string,
  acl: AclList,
  version: int, // the new aversion
})

export const CreateSessionTxn = record('CreateSessionTxn', { timeOut: int })

export const CloseSessionTxn = record('CloseSessionTxn', { paths2Delete: vector(string) })

export const ErrorTxn = record('ErrorTxn', { err: int })

/** Only inside a multi. `version` is the node's current version + 1, not the one asked for. */
export const CheckVersionTxn = record('CheckVersionTxn', { path: string, version: int })

/** One part of a multi: its serialized record, without a header. */
export const SubTxn = record('Txn', { type: int, data: buffer })

export const MultiTxn = record('MultiTxn', { txns: vector(SubTxn) })

export const TxnDigest = record('TxnDigest', {
  version: int, // 2
  treeDigest: long, // of the tree after the transaction
})
export type TxnDigest = Infer<typeof TxnDigest>

const TXN_DIGEST_BYTES = 12
const DIGEST_VERSION = 2

export type CreateTxnBody = {
  type: typeof Op.create | typeof Op.create2
  path: string
  data: Buffer | null
  acl: Acl[]
  ephemeral: boolean
  parentCVersion: number // -1: increment what the parent has
}

/** What a transaction does, told apart by `type`. */
export type TxnBody =
  | CreateTxnBody
  | {
      type: typeof Op.createTtl
      path: string
      data: Buffer | null
      acl: Acl[]
      parentCVersion: number
      ttl: bigint
    }
  | {
      type: typeof Op.createContainer
      path: string
      data: Buffer | null
      acl: Acl[]
      parentCVersion: number
    }
  | { type: typeof Op.delete | typeof Op.deleteContainer; path: string }
  | {
      type: typeof Op.setData | typeof Op.reconfig
      path: string
      data: Buffer | null
      version: number
    }
  | { type: typeof Op.setAcl; path: string; acl: Acl[]; version: number }
  | { type: typeof Op.createSession; timeOut: number }
  | { type: typeof Op.closeSession; paths: string[] | null } // null: what the tree knows
  | { type: typeof Op.error; err: number }
  | { type: typeof Op.check; path: string; version: number }
  | { type: typeof Op.multi; txns: TxnBody[] }

export type Txn = { clientId: bigint; cxid: number; zxid: bigint; time: number } & TxnBody

/** What a log takes: a transaction that writes itself, as `writeTxn` would. */
export interface TxnRecord {
  readonly zxid: bigint
  writeTo(writer: Writer): void
}

/** Writes a TxnHeader. */
export function writeTxnHeader(
  writer: Writer,
  clientId: bigint,
  cxid: number,
  zxidHigh: number,
  zxidLow: number,
  time: number,
  type: number,
): void {
  writer.long(clientId)
  writer.int(cxid)
  writer.longParts(zxidHigh, zxidLow)
  writer.longNumber(time)
  writer.int(type)
}

/** Writes a TxnDigest. */
export function writeTxnDigest(writer: Writer, high: number, low: number): void {
  writer.int(DIGEST_VERSION)
  writer.longParts(high, low)
}

/** Writes header, record and, unless null, digest. The transaction is ours, so it must be valid. */
export function writeTxn(writer: Writer, txn: Given<Txn>, digest: TxnDigest | null): void {
  assert(txn.type !== Op.check, 'a check is logged only inside a multi')
  TxnHeader.write(writer, txn)
  writeBody(writer, txn)
  if (digest !== null) TxnDigest.write(writer, digest)
}

/**
 * Reads one serialized transaction. Data are views of the bytes read. @throws WireError
 *
 * Written out by hand, not by the records that `writeTxn` uses: it is what a follower does with each
 * proposal and recovery with each record of the log (setData: 0.2 µs against 0.5). The tests hold the
 * two against each other.
 */
export function readTxn(reader: Reader): { txn: Txn; digest: TxnDigest | null } {
  try {
    const clientId = reader.long()
    const cxid = reader.int()
    const zxid = reader.long()
    const time = reader.longNumber()
    const type = reader.int()
    if (type === Op.check) throw new WireError('check outside of a multi', reader.position - 4)
    const body = type === Op.multi ? readMulti(reader) : readBody(reader, type)
    const txn = withHeader(body, clientId, cxid, zxid, time)
    const digest =
      reader.remaining < TXN_DIGEST_BYTES
        ? null
        : { version: reader.int(), treeDigest: reader.long() }
    return { txn, digest }
  } catch (error) {
    throw error instanceof WireError ? error.within('transaction') : error
  }
}

/** Makes the transaction of a body nobody else has: adding four fields is faster than copying all. */
export function withHeader(
  body: TxnBody,
  clientId: bigint,
  cxid: number,
  zxid: bigint,
  time: number,
): Txn {
  // True once the four assignments are done.
  const txn = body as Txn
  txn.clientId = clientId
  txn.cxid = cxid
  txn.zxid = zxid
  txn.time = time
  return txn
}

function writeBody(writer: Writer, body: Given<TxnBody>): void {
  switch (body.type) {
    case Op.create:
    case Op.create2:
      return CreateTxn.write(writer, body)
    case Op.createTtl:
      return CreateTtlTxn.write(writer, body)
    case Op.createContainer:
      return CreateContainerTxn.write(writer, body)
    case Op.delete:
    case Op.deleteContainer:
      return DeleteTxn.write(writer, body)
    case Op.setData:
    case Op.reconfig:
      return SetDataTxn.write(writer, body)
    case Op.setAcl:
      return SetAclTxn.write(writer, body)
    case Op.createSession:
      return CreateSessionTxn.write(writer, body)
    case Op.closeSession:
      // Without a list there is no body at all: a null vector would be Apache's NullPointerException.
      if (body.paths !== null) CloseSessionTxn.write(writer, { paths2Delete: body.paths })
      return undefined
    case Op.error:
      return ErrorTxn.write(writer, body)
    case Op.check:
      return CheckVersionTxn.write(writer, body)
    case Op.multi:
      return writeMulti(writer, body.txns)
    default:
      return unreachable(body)
  }
}

function writeMulti(writer: Writer, txns: readonly Given<TxnBody>[]): void {
  writer.int(txns.length)
  for (const txn of txns) {
    assert(txn.type !== Op.multi, 'a multi holds no multi')
    writer.int(txn.type)
    const lengthAt = writer.position
    writer.int(0)
    writeBody(writer, txn)
    writer.patchInt(lengthAt, writer.position - lengthAt - 4)
  }
}

function readMulti(reader: Reader): TxnBody {
  const count = reader.vectorCount(SubTxn.bytesMin)
  const txns: TxnBody[] = []
  const end = reader.end
  for (let i = 0; i < count; i++) {
    const type = reader.int()
    if (!reader.bufferRange())
      throw new WireError('part of a multi without a record', reader.position)
    // Read the part in place: no byte behind it is visible meanwhile, and none of it may be left.
    const partEnd = reader.rangeEnd
    reader.position = reader.rangeStart
    reader.end = partEnd
    txns.push(readBody(reader, type))
    reader.position = partEnd
    reader.end = end
  }
  return { type: Op.multi, txns }
}

function readBody(reader: Reader, type: number): TxnBody {
  switch (type) {
    case Op.create:
    case Op.create2: {
      const path = readPath(reader)
      const data = reader.buffer()
      const acl = readAcl(reader)
      const ephemeral = reader.bool()
      const isV0 = type === Op.create && reader.remaining < 4
      const parentCVersion = isV0 ? -1 : reader.int()
      return { type, path, data, acl, ephemeral, parentCVersion }
    }
    case Op.createTtl: {
      const path = readPath(reader)
      const data = reader.buffer()
      const acl = readAcl(reader)
      const parentCVersion = reader.int()
      return { type, path, data, acl, parentCVersion, ttl: reader.long() }
    }
    case Op.createContainer: {
      const path = readPath(reader)
      const data = reader.buffer()
      const acl = readAcl(reader)
      return { type, path, data, acl, parentCVersion: reader.int() }
    }
    case Op.delete:
    case Op.deleteContainer:
      return { type, path: readPath(reader) }
    case Op.setData:
    case Op.reconfig: {
      const path = readPath(reader)
      const data = reader.buffer()
      return { type, path, data, version: reader.int() }
    }
    case Op.setAcl: {
      const path = readPath(reader)
      const acl = readAcl(reader)
      return { type, path, acl, version: reader.int() }
    }
    case Op.createSession:
      return { type, timeOut: reader.int() }
    case Op.closeSession:
      return { type, paths: readClosedPaths(reader) }
    case Op.error:
      return { type, err: reader.int() }
    case Op.check: {
      const path = readPath(reader)
      return { type, path, version: reader.int() }
    }
    default:
      throw new WireError(`unsupported transaction type ${type}`, reader.position)
  }
}

/**
 * The paths of a closeSession; null if it has no body.
 *
 * A digest alone takes 12 bytes and starts with 2. So does a vector of two strings, but only of empty
 * ones, which no path is: it was the digest.
 */
function readClosedPaths(reader: Reader): string[] | null {
  if (reader.remaining === 0) return null
  if (reader.remaining === TXN_DIGEST_BYTES) {
    const version = reader.int()
    reader.position -= 4
    if (version === DIGEST_VERSION) return null
  }
  const count = reader.vectorCount(string.bytesMin)
  if (count === -1) return null
  const paths: string[] = []
  for (let i = 0; i < count; i++) paths.push(readPath(reader))
  return paths
}

function readPath(reader: Reader): string {
  const path = reader.string()
  if (path === null) throw new WireError('null path', reader.position - 4)
  return path
}

function readAcl(reader: Reader): Acl[] {
  return AclList.read(reader) ?? []
}
