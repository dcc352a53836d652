/**
 * From the bytes of a write request to the body of its transaction: one op, or a multi of several.
 *
 * Answers with the error code for the client where the request cannot be done; then nothing has changed.
 * Source: PrepRequestProcessor#pRequestHelper, 3.9.5 (client-protocol 2.3, 2.6).
 */
import type { Reader } from '../jute/reader.ts'
import { Code } from '../protocol/error-codes.ts'
import { isMalformed, isMultiRead, MultiRequest, type MultiOp } from '../protocol/multi.ts'
import { Op } from '../protocol/op-codes.ts'
import * as requests from '../protocol/requests.ts'
import type { TxnBody } from '../protocol/transactions.ts'
import type { PendingChanges } from './pending-changes.ts'
import type { Asker, CreateOp, Preparer } from './prepare.ts'

export class RequestPreparer {
  readonly #changes: PendingChanges
  readonly #preparer: Preparer
  readonly #settings: { readonly reconfigEnabled: boolean }

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
  prepare(type: number, reader: Reader, asker: Asker): TxnBody | number {
    switch (type) {
      case Op.create:
      case Op.create2:
      case Op.createContainer:
        return this.#preparer.create(type, requests.CreateRequest.read(reader), asker)
      case Op.createTtl:
        return this.#preparer.create(type, requests.CreateTtlRequest.read(reader), asker)
      case Op.delete: {
        const { path, version } = requests.DeleteRequest.read(reader)
        return this.#preparer.delete(path, version, asker)
      }
      case Op.setData: {
        const { path, data, version } = requests.SetDataRequest.read(reader)
        return this.#preparer.setData(path, data, version, asker)
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

  #prepareOp(op: MultiOp, asker: Asker): TxnBody | number {
    switch (op.type) {
      case Op.create:
      case Op.create2: {
        const isContainer = op.flags === requests.CreateMode.container
        const type = isContainer ? Op.createContainer : op.type
        return this.#preparer.create(type, op, asker)
      }
      case Op.createContainer:
        return this.#preparer.create(op.type, op, asker)
      case Op.createTtl:
        return this.#preparer.create(createTypeOf(op.flags), op, asker)
      case Op.delete:
        return this.#preparer.delete(op.path, op.version, asker)
      case Op.setData: {
        const { path, data, version } = op
        return this.#preparer.setData(path, data, version, asker)
      }
      case Op.check:
        return this.#preparer.check(op.path, op.version, asker)
      default:
        // A read inside a multi: the request as a whole cannot be read (client-protocol 2.6).
        return Code.marshallingError
    }
  }
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
