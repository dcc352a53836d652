/**
 * multi (14) and multiRead (22): several ops in one request, several results in one reply.
 *
 * On the wire each is a MultiHeader and the record of the op or result; a header with `done` ends
 * the list. In code each is that record with the `type` that tells it apart.
 *
 * Invariants: an op inside is never a multi, so depth is 1; reads and writes do not mix in one
 * request. Which kind belongs to which of the two ops is the server's to check: a multiRead with a
 * write inside has an answer of its own (client-protocol 2.7).
 * Source: MultiOperationRecord.java, MultiResponse.java, 3.9.5.
 */
import { unreachable } from '../assert.ts'
import type { Reader } from '../jute/reader.ts'
import { bool, int, record, wholeBuffers, type Given, type RecordType } from '../jute/record.ts'
import { WireError } from '../jute/wire-error.ts'
import type { Writer } from '../jute/writer.ts'
import { Op } from './op-codes.ts'
import * as replies from './replies.ts'
import * as requests from './requests.ts'

export const MultiHeader = record('MultiHeader', {
  type: int,
  done: bool,
  err: int,
})

const MULTI_HEADER_BYTES = 9

/** An op that changes something, or guards what does. */
export type MultiWrite =
  | ({
      type: typeof Op.create | typeof Op.create2 | typeof Op.createContainer
    } & requests.CreateRequest)
  | ({ type: typeof Op.createTtl } & requests.CreateTtlRequest)
  | ({ type: typeof Op.delete } & requests.DeleteRequest)
  | ({ type: typeof Op.setData } & requests.SetDataRequest)
  | ({ type: typeof Op.check } & requests.CheckVersionRequest)

/** An op of multiRead; its `watch` is ignored. */
export type MultiReadOp =
  | ({ type: typeof Op.getData } & requests.GetDataRequest)
  | ({ type: typeof Op.getChildren } & requests.GetChildrenRequest)

export type MultiOp = MultiWrite | MultiReadOp

export type MultiResult =
  | ({ type: typeof Op.create } & replies.CreateResponse)
  | ({ type: typeof Op.create2 } & replies.Create2Response) // of createContainer and createTTL too
  | { type: typeof Op.delete }
  | ({ type: typeof Op.setData } & replies.SetDataResponse)
  | { type: typeof Op.check }
  | ({ type: typeof Op.getData } & replies.GetDataResponse)
  | ({ type: typeof Op.getChildren } & replies.GetChildrenResponse)
  | ({ type: typeof Op.error } & replies.ErrorResponse)

/** Whether an op belongs into a multiRead; the others belong into a multi. */
export function isMultiRead(op: Given<MultiOp>): op is Given<MultiReadOp> {
  return op.type === Op.getData || op.type === Op.getChildren
}

/**
 * Whether Apache's server fails to read an op, and with it the whole request: since 3.8.2 a create
 * with a flag that is none, a TTL flag without the ttl, or no ACL list (client-protocol 2.6).
 */
export function isMalformed(op: MultiOp): boolean {
  switch (op.type) {
    case Op.create:
    case Op.create2:
    case Op.createContainer:
      return op.flags < 0 || op.flags > requests.CreateMode.container || op.acl === null
    default:
      return false
  }
}

export const MultiRequest = codec<MultiOp[]>('MultiOperationRecord', writeOps, readOps)
export type MultiRequest = MultiOp[]

export const MultiResponse = codec<MultiResult[]>('MultiResponse', writeResults, readResults)
export type MultiResponse = MultiResult[]

function writeOps(writer: Writer, ops: readonly Given<MultiOp>[]): void {
  for (const op of ops) {
    writeHeader(writer, op.type, false, -1)
    writeOp(writer, op)
  }
  writeHeader(writer, -1, true, -1)
}

function writeOp(writer: Writer, op: Given<MultiOp>): void {
  switch (op.type) {
    case Op.create:
    case Op.create2:
    case Op.createContainer:
      return requests.CreateRequest.write(writer, op)
    case Op.createTtl:
      return requests.CreateTtlRequest.write(writer, op)
    case Op.delete:
      return requests.DeleteRequest.write(writer, op)
    case Op.setData:
      return requests.SetDataRequest.write(writer, op)
    case Op.check:
      return requests.CheckVersionRequest.write(writer, op)
    case Op.getData:
      return requests.GetDataRequest.write(writer, op)
    case Op.getChildren:
      return requests.GetChildrenRequest.write(writer, op)
    default:
      return unreachable(op)
  }
}

function readOps(reader: Reader): MultiOp[] {
  const ops: MultiOp[] = []
  for (;;) {
    const at = reader.position
    const header = MultiHeader.read(reader)
    if (header.done) return ops
    const op = readOp(reader, header.type, at)
    if (ops.length > 0 && isMultiRead(op) !== isMultiRead(ops[0]!)) {
      throw new WireError('reads and writes in one multi', at)
    }
    ops.push(op)
  }
}

function readOp(reader: Reader, type: number, at: number): MultiOp {
  switch (type) {
    case Op.create:
    case Op.create2:
    case Op.createContainer:
      return { type, ...requests.CreateRequest.read(reader) }
    case Op.createTtl:
      return { type, ...requests.CreateTtlRequest.read(reader) }
    case Op.delete:
      return { type, ...requests.DeleteRequest.read(reader) }
    case Op.setData:
      return { type, ...requests.SetDataRequest.read(reader) }
    case Op.check:
      return { type, ...requests.CheckVersionRequest.read(reader) }
    case Op.getData:
      return { type, ...requests.GetDataRequest.read(reader) }
    case Op.getChildren:
      return { type, ...requests.GetChildrenRequest.read(reader) }
    default:
      throw new WireError(`op ${type} inside a multi`, at)
  }
}

function writeResults(writer: Writer, results: readonly Given<MultiResult>[]): void {
  for (const result of results) {
    writeHeader(writer, result.type, false, result.type === Op.error ? result.err : 0)
    writeResult(writer, result)
  }
  writeHeader(writer, -1, true, -1)
}

function writeResult(writer: Writer, result: Given<MultiResult>): void {
  switch (result.type) {
    case Op.create:
      return replies.CreateResponse.write(writer, result)
    case Op.create2:
      return replies.Create2Response.write(writer, result)
    case Op.setData:
      return replies.SetDataResponse.write(writer, result)
    case Op.getData:
      return replies.GetDataResponse.write(writer, result)
    case Op.getChildren:
      return replies.GetChildrenResponse.write(writer, result)
    case Op.error:
      return replies.ErrorResponse.write(writer, result)
    case Op.delete:
    case Op.check:
      return undefined
    default:
      return unreachable(result)
  }
}

function readResults(reader: Reader): MultiResult[] {
  const results: MultiResult[] = []
  for (;;) {
    const at = reader.position
    const header = MultiHeader.read(reader)
    if (header.done) return results
    results.push(readResult(reader, header.type, at))
  }
}

function readResult(reader: Reader, type: number, at: number): MultiResult {
  switch (type) {
    case Op.create:
      return { type, ...replies.CreateResponse.read(reader) }
    case Op.create2:
      return { type, ...replies.Create2Response.read(reader) }
    case Op.delete:
    case Op.check:
      return { type }
    case Op.setData:
      return { type, ...replies.SetDataResponse.read(reader) }
    case Op.getData:
      return { type, ...replies.GetDataResponse.read(reader) }
    case Op.getChildren:
      return { type, ...replies.GetChildrenResponse.read(reader) }
    case Op.error:
      return { type, ...replies.ErrorResponse.read(reader) }
    default:
      throw new WireError(`result ${type} inside a multi`, at)
  }
}

/** One result's header; exported for a server that writes results without building records. */
export function writeHeader(writer: Writer, type: number, done: boolean, err: number): void {
  writer.int(type)
  writer.bool(done)
  writer.int(err)
}

function codec<T>(
  name: string,
  write: (writer: Writer, value: Given<T>) => void,
  readValue: (reader: Reader) => T,
): RecordType<T> {
  const read = (reader: Reader): T => {
    try {
      return readValue(reader)
    } catch (error) {
      throw error instanceof WireError ? error.within(name) : error
    }
  }
  return {
    name,
    type: name,
    bytesMin: MULTI_HEADER_BYTES,
    write,
    read,
    ...wholeBuffers(write, read),
  }
}
