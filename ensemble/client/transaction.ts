/**
 * A transaction: several writes that happen all or not at all, at one zxid.
 *
 * Source: MultiOperationRecord, MultiResponse, 3.9.5. The result's own type says what it carries:
 * a plain create result (servers before 3.8.2) has no stat.
 */
import {
  MultiRequest,
  MultiResponse,
  type MultiResult,
  type MultiWrite,
} from '../protocol/multi.ts'
import { Code } from '../protocol/error-codes.ts'
import { Op } from '../protocol/op-codes.ts'
import type { Stat } from '../protocol/stat.ts'
import type { CallSpec } from './call.ts'
import { createBody, dataBytes, type CreateMode, type CreateOptions, type Data } from './create.ts'
import { codeNameOf, ZkError } from './errors.ts'

export interface Created {
  /** The final path, with the number of a sequential node. */
  readonly path: string
  readonly stat: Stat
}
/** In a transaction a server before 3.8.2 leaves out the stat. */
export interface CreatedInTransaction {
  readonly path: string
  readonly stat: Stat | null
}

export interface TransactionContext {
  call<T>(spec: CallSpec<T>): Promise<T>
  toServer(path: string, isSequential?: boolean): string
  fromServer(path: string): string
}

/** `R` is the tuple of the results of the operations added so far. */
export class Transaction<R extends readonly unknown[] = []> {
  readonly #context: TransactionContext
  readonly #ops: MultiWrite[] = []
  readonly #paths: string[] = []

  constructor(context: TransactionContext) {
    this.#context = context
  }

  /** Nothing of the transaction happens unless `path` exists with this data version (-1: any). */
  check(path: string, version = -1): Transaction<[...R, undefined]> {
    const op: MultiWrite = { type: Op.check, path: this.#context.toServer(path), version }
    return this.#add<undefined>(path, op)
  }

  create(
    path: string,
    data: Data = null,
    options: Omit<CreateOptions, 'parents' | 'signal'> = {},
  ): Transaction<[...R, CreatedInTransaction]> {
    const mode: CreateMode = options.mode ?? 'persistent'
    const target = this.#context.toServer(path, mode.endsWith('sequential'))
    return this.#add<CreatedInTransaction>(path, createBody(target, data, mode, options))
  }

  set(path: string, data: Data, version = -1): Transaction<[...R, Stat]> {
    const target = this.#context.toServer(path)
    return this.#add<Stat>(path, { type: Op.setData, path: target, data: dataBytes(data), version })
  }

  delete(path: string, version = -1): Transaction<[...R, undefined]> {
    const op: MultiWrite = { type: Op.delete, path: this.#context.toServer(path), version }
    return this.#add<undefined>(path, op)
  }

  get length(): number {
    return this.#ops.length
  }

  /**
   * Sends the transaction.
   *
   * @returns one result for each operation, in their order
   * @throws ZkError with the code, path and `opIndex` of the operation that failed: nothing was
   *   done; `connectionLoss`: all of it may have been done
   */
  async commit(options: { signal?: AbortSignal } = {}): Promise<R> {
    const ops = [...this.#ops]
    const results = await this.#context.call({
      type: Op.multi,
      encode: (writer) => MultiRequest.write(writer, ops),
      decode: (reader) => MultiResponse.read(reader),
      signal: options.signal,
    })
    this.#throwIfFailed(results)
    // True because the methods above extend R by what #resultOf makes of the same operation.
    return results.map((result) => this.#resultOf(result)) as unknown as R
  }

  #add<T>(path: string, op: MultiWrite): Transaction<[...R, T]> {
    this.#ops.push(op)
    this.#paths.push(path)
    // The same object under the type that its results have from now on.
    return this as unknown as Transaction<[...R, T]>
  }

  #throwIfFailed(results: readonly MultiResult[]): void {
    // A failed multi has an error for every operation: 0 before the one that failed, its own code
    // there, and runtimeInconsistency behind it.
    const opIndex = results.findIndex((r) => r.type === Op.error && r.err !== Code.ok)
    const failed = results[opIndex]
    if (failed?.type !== Op.error) return
    const path = this.#paths[opIndex]
    throw new ZkError(codeNameOf(failed.err), { path, opIndex, outcome: 'notDone' })
  }

  #resultOf(result: MultiResult): unknown {
    switch (result.type) {
      case Op.create:
        return { path: this.#context.fromServer(result.path ?? ''), stat: null }
      case Op.create2:
        return { path: this.#context.fromServer(result.path ?? ''), stat: result.stat }
      case Op.setData:
        return result.stat
      default:
        return undefined
    }
  }
}
