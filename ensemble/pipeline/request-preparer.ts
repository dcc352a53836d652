/**
 * From the bytes of a write request to the body of its transaction: one op, or a multi of several.
 *
 * Answers with the error code for the client where the request cannot be done; then nothing has changed.
 * Source: PrepRequestProcessor#pRequestHelper, 3.9.5 (client-protocol 2.3, 2.6).
 */
import { decodeUtf8, type Reader } from '../jute/reader.ts'
import { AclReader, type Acl } from '../protocol/acl.ts'
import { Code } from '../protocol/error-codes.ts'
import { isMalformed, isMultiRead, MultiRequest, type MultiOp } from '../protocol/multi.ts'
import { Op } from '../protocol/op-codes.ts'
import * as requests from '../protocol/requests.ts'
import type { TxnBody } from '../protocol/transactions.ts'
import type { PendingChanges } from './pending-changes.ts'
import { PathBytes } from '../tree/path-bytes.ts'
import type { Asker, CreateOp, Preparer } from './prepare.ts'
import {
  TxnWrite,
  type CreateWrite,
  type DataRange,
  type SetDataWrite,
  type Write,
} from './writes.ts'

const NO_DATA = null as Buffer | null
const NO_PATH = null as PathBytes | null
const NO_ACL = null as Acl[] | null
const NO_TTL = undefined as bigint | undefined

export class RequestPreparer {
  readonly #changes: PendingChanges
  readonly #preparer: Preparer
  readonly #settings: { readonly reconfigEnabled: boolean }
  // The request at hand; whoever prepares it keeps none of these.
  readonly #path = new PathBytes()
  readonly #data = { bytes: NO_DATA, start: 0, end: 0 }
  readonly #create = { path: NO_PATH, data: this.#data, acl: NO_ACL, flags: 0, ttl: NO_TTL }
  readonly #acls = new AclReader()

  constructor(
    changes: PendingChanges,
    preparer: Preparer,
    settings: { readonly reconfigEnabled: boolean },
  ) {
    this.#changes = changes
    this.#preparer = preparer
    this.#settings = settings
  }

  /** @throws WireError when the body cannot be read: nothing has changed then */
  prepare(type: number, reader: Reader, asker: Asker): Write | number {
    switch (type) {
      case Op.create:
      case Op.create2:
      case Op.createContainer:
      case Op.createTtl:
        return this.#prepareCreate(type, reader, asker)
      case Op.setData:
        return this.#prepareSetData(reader, asker)
      default: {
        const body = this.#prepareRare(type, reader, asker)
        return typeof body === 'number' ? body : new TxnWrite(body)
      }
    }
  }

  // These two read their request by hand: most of all writes, and no object is made of it.

  #prepareCreate(type: CreateOp, reader: Reader, asker: Asker): Write | number {
    const fields = this.#create
    fields.path = this.#readPath(reader)
    this.#readData(reader)
    fields.acl = this.#acls.read(reader)
    fields.flags = reader.int()
    fields.ttl = type === Op.createTtl ? reader.long() : undefined
    return this.#preparer.create(type, fields, asker)
  }

  #prepareSetData(reader: Reader, asker: Asker): Write | number {
    const path = this.#readPath(reader)
    this.#readData(reader)
    return this.#preparer.setData(path, this.#data, reader.int(), asker)
  }

  /** The path stays where the request has it, unless it needs a closer look. */
  #readPath(reader: Reader): PathBytes | null {
    if (!reader.bufferRange()) return null
    const { bytes, rangeStart, rangeEnd } = reader
    const path = this.#path.set(bytes, rangeStart, rangeEnd)
    return path.isPlain ? path : PathBytes.of(decodeUtf8(bytes, rangeStart, rangeEnd))
  }

  #readData(reader: Reader): void {
    const data = this.#data
    data.bytes = reader.bufferRange() ? reader.bytes : null
    data.start = reader.rangeStart
    data.end = reader.rangeEnd
  }

  #prepareRare(type: number, reader: Reader, asker: Asker): TxnBody | number {
    switch (type) {
      case Op.delete: {
        const { path, version } = requests.DeleteRequest.read(reader)
        return this.#preparer.delete(path, version, asker)
      }
      case Op.setAcl: {
        const { path, acl, version } = requests.SetAclRequest.read(reader)
        return this.#preparer.setAcl(path, acl, version, asker)
      }
      case Op.multi:
        return this.#prepareMulti(MultiRequest.read(reader), asker)
      case Op.reconfig:
        requests.ReconfigRequest.read(reader)
        return this.#settings.reconfigEnabled ? Code.unimplemented : Code.reconfigDisabled
      default: {
        // deleteContainer is the server's own: a client's would remove what others still use.
        const { path } = requests.DeleteContainerRequest.read(reader)
        return path === null ? Code.marshallingError : Code.badArguments
      }
    }
  }

  /** All or nothing: the first op that fails undoes those before it (I-27). */
  #prepareMulti(ops: readonly MultiOp[], asker: Asker): TxnBody | number {
    if (ops.some(isRefusedWhole)) return Code.marshallingError
    const txns: TxnBody[] = []
    this.#changes.begin()
    for (const op of ops) {
      const body = this.#prepareOp(op, asker)
      if (typeof body !== 'number') {
        txns.push(body)
        continue
      }
      this.#changes.rollBack()
      if (body === Code.marshallingError) return body
      txns.push(error(body))
      while (txns.length < ops.length) txns.push(error(Code.runtimeInconsistency))
      return { type: Op.multi, txns }
    }
    this.#changes.commit()
    return { type: Op.multi, txns }
  }

  #createPart(
    type: CreateOp,
    op: {
      path: string | null
      data: Buffer | null
      acl: Acl[] | null
      flags: number
      ttl?: bigint
    },
    asker: Asker,
  ): TxnBody | number {
    const { acl, flags, ttl } = op
    const path = op.path === null ? null : PathBytes.of(op.path)
    const fields = { path, data: rangeOf(op.data), acl, flags, ttl }
    return bodyOf(this.#preparer.create(type, fields, asker))
  }

  #prepareOp(op: MultiOp, asker: Asker): TxnBody | number {
    switch (op.type) {
      case Op.create:
      case Op.create2: {
        const isContainer = op.flags === requests.CreateMode.container
        return this.#createPart(isContainer ? Op.createContainer : op.type, op, asker)
      }
      case Op.createContainer:
        return this.#createPart(op.type, op, asker)
      case Op.createTtl:
        return this.#createPart(createTypeOf(op.flags), op, asker)
      case Op.delete:
        return this.#preparer.delete(op.path, op.version, asker)
      case Op.setData: {
        const { path, data, version } = op
        const at = path === null ? null : PathBytes.of(path)
        return bodyOf(this.#preparer.setData(at, rangeOf(data), version, asker))
      }
      case Op.check:
        return this.#preparer.check(op.path, op.version, asker)
      default:
        // A read inside a multi: the request as a whole cannot be read (client-protocol 2.6).
        return Code.marshallingError
    }
  }
}

function bodyOf(write: SetDataWrite | CreateWrite | number): TxnBody | number {
  return typeof write === 'number' ? write : write.body()
}

function rangeOf(data: Buffer | null): DataRange {
  return { bytes: data, start: 0, end: data?.length ?? 0 }
}

/** The body of the transaction that a failed request leaves. */
export function error(err: number): TxnBody {
  return { type: Op.error, err }
}

/** What keeps a multi from being looked at op by op, whatever its other ops are. */
function isRefusedWhole(op: MultiOp): boolean {
  return op.path === null || isMultiRead(op) || isMalformed(op)
}

/** What a createTTL inside a multi is by its flags: a ttl that they do not ask for is ignored. */
function createTypeOf(flags: number): CreateOp {
  switch (flags) {
    case requests.CreateMode.persistentWithTtl:
    case requests.CreateMode.persistentSequentialWithTtl:
      return Op.createTtl
    case requests.CreateMode.container:
      return Op.createContainer
    default:
      return Op.create
  }
}
