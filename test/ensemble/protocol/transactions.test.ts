/**
 * Transactions: as real ensembles proposed and logged them, both ways, cut short at every byte and
 * with one byte changed; and what is tolerated, case by case.
 */
import { describe, expect, test } from 'vitest'
import { Reader } from '../../../ensemble/jute/reader.ts'
import { WireError } from '../../../ensemble/jute/wire-error.ts'
import { Writer } from '../../../ensemble/jute/writer.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { opEntry } from '../../../ensemble/protocol/op-table.ts'
import { QuorumPacket } from '../../../ensemble/protocol/quorum-packets.ts'
import {
  CloseSessionTxn,
  CreateTxnV0,
  readTxn,
  type TxnDigest,
  TxnHeader,
  writeTxn,
  type Txn,
  type TxnBody,
} from '../../../ensemble/protocol/transactions.ts'
import { adler32 } from '../../../ensemble/sys/hash.ts'
import { goldenFiles, logFiles, logRecords, quorumMessages } from '../../support/golden.ts'
import { RandomValues } from '../../support/random-values.ts'

describe('recorded transactions', () => {
  test('of PROPOSAL, INFORM and INFORMANDACTIVATE: both ways, byte for byte', () => {
    const payloads = proposedTxns()
    expect(payloads.size).toBeGreaterThan(140)
    const types = new Set<number>()
    for (const [hex, place] of payloads) {
      const bytes = Buffer.from(hex, 'hex')
      const { txn, digest } = readTxn(new Reader(bytes))
      expect(encode(txn, digest).toString('hex'), place).toBe(hex)
      types.add(txn.type)
      if (txn.type === Op.multi) for (const part of txn.txns) types.add(part.type)
    }
    // Every type of transaction was recorded.
    expect([...types].sort((a, b) => a - b)).toEqual(
      [-11, -10, -1, 1, 2, 5, 7, 13, 14, 15, 16, 19, 20, 21].sort((a, b) => a - b),
    )
  })

  test('of REQUEST: the body is that of the client', () => {
    let requests = 0
    for (const file of goldenFiles('quorum')) {
      for (const message of quorumMessages(file).filter(({ msg }) => msg === 'REQUEST')) {
        const place = `${file}:${message.line}`
        const packet = QuorumPacket.decode(message.bytes)
        expect(QuorumPacket.encode(packet).equals(message.bytes), place).toBe(true)
        const reader = new Reader(packet.data!)
        reader.skip(12)
        const request = opEntry(reader.int())?.request ?? null
        const start = reader.position
        if (request !== null) {
          const again = request.encode(request.read(reader))
          expect(again.equals(packet.data!.subarray(start)), place).toBe(true)
        }
        expect(reader.remaining, place).toBe(0)
        requests++
      }
    }
    expect(requests).toBeGreaterThan(70)
  })

  test.skipIf(logFiles().length === 0)('of logs on disk: both ways, byte for byte', () => {
    let records = 0
    for (const file of logFiles()) {
      for (const { offset, checksum, payload } of logRecords(file)) {
        if (BigInt(adler32(payload, 0, payload.length)) !== checksum) continue
        const place = `${file} at ${offset}`
        const { txn, digest } = readTxn(new Reader(payload))
        if (isCreateV0(payload)) {
          expect(txn, place).toMatchObject({ type: Op.create, parentCVersion: -1 })
        } else {
          expect(encode(txn, digest).toString('hex'), place).toBe(payload.toString('hex'))
        }
        records++
      }
    }
    expect(records).toBeGreaterThan(500)
  })

  test('S-12: cut short at any byte, a WireError, or the record without its digest', () => {
    for (const [hex, place] of proposedTxns()) {
      const bytes = Buffer.from(hex, 'hex')
      const whole = readTxn(new Reader(bytes))
      const body = bytes.length - (whole.digest === null ? 0 : 12)
      for (let length = 0; length < bytes.length; length++) {
        const cut = resultOrWireError(bytes.subarray(0, length))
        const where = `${place} cut to ${length}`
        if (length >= body) {
          expect(cut, where).toEqual({ txn: whole.txn, digest: null })
        } else if (whole.txn.type === Op.create && length >= body - 4) {
          expect(cut, where).toEqual({ txn: { ...whole.txn, parentCVersion: -1 }, digest: null })
        } else if (whole.txn.type === Op.closeSession && length === headerBytes) {
          expect(cut, where).toEqual({ txn: { ...whole.txn, paths: null }, digest: null })
        } else if (isTwoPathsCutLikeADigest(bytes, length)) {
          expect(cut, where).toMatchObject({ txn: { ...whole.txn, paths: null } })
        } else {
          expect(cut, where).toBeNull()
        }
      }
    }
  })

  test('S-12: with any one byte changed, it reads and writes stably or is a WireError', () => {
    let read = 0
    let refused = 0
    for (const hex of proposedTxns().keys()) {
      const bytes = Buffer.from(hex, 'hex')
      for (let at = 0; at < bytes.length; at++) {
        const original = bytes[at]!
        for (const changed of [original ^ (1 << (at & 7)), original ^ 0x80, 0xff]) {
          bytes[at] = changed
          const result = resultOrWireError(bytes)
          if (result === null) {
            refused++
          } else {
            read++
            const again = encode(result.txn, result.digest)
            const stable = readTxn(new Reader(again))
            expect(encode(stable.txn, stable.digest).equals(again)).toBe(true)
          }
        }
        bytes[at] = original
      }
    }
    expect(read).toBeGreaterThan(5000)
    expect(refused).toBeGreaterThan(5000)
  })
})

describe('what is tolerated', () => {
  const header = { clientId: 7n, cxid: 1, zxid: 0x1_0000_0002n, time: 1_700_000_000_123 }
  const digest = { version: 2, treeDigest: 0x51c6d660n }

  test('a create from before 3.4 has no parentCVersion: it reads as -1', () => {
    const create = { path: '/a', data: Buffer.from('x'), acl: [], ephemeral: true }
    const bytes = Buffer.concat([
      TxnHeader.encode({ ...header, type: Op.create }),
      CreateTxnV0.encode(create),
    ])
    expect(readTxn(new Reader(bytes))).toEqual({
      txn: { ...header, type: Op.create, ...create, parentCVersion: -1 },
      digest: null,
    })
  })

  test('only type 1 may lack it: create2 is newer', () => {
    const create = { path: '/a', data: null, acl: [], ephemeral: true }
    const bytes = Buffer.concat([
      TxnHeader.encode({ ...header, type: Op.create2 }),
      CreateTxnV0.encode(create),
    ])
    expect(() => readTxn(new Reader(bytes))).toThrow(WireError)
  })

  test.each([null, digest])('a closeSession without a body, digest %o', (given) => {
    const txn: Txn = { ...header, type: Op.closeSession, paths: null }
    const bytes = encode(txn, given)
    expect(bytes.length).toBe(headerBytes + (given === null ? 0 : 12))
    expect(readTxn(new Reader(bytes))).toEqual({ txn, digest: given })
  })

  test('12 bytes that start with 2 are a digest: two strings there would be empty, no paths', () => {
    const txn: Txn = { ...header, type: Op.closeSession, paths: null }
    const zero = { version: 2, treeDigest: 0n }
    expect(readTxn(new Reader(encode(txn, zero)))).toEqual({ txn, digest: zero })
  })

  test('a null vector of paths is no list', () => {
    const bytes = Buffer.concat([
      TxnHeader.encode({ ...header, type: Op.closeSession }),
      CloseSessionTxn.encode({ paths2Delete: null }),
    ])
    expect(readTxn(new Reader(bytes)).txn).toMatchObject({ paths: null })
  })

  test('bytes behind the digest are ignored', () => {
    const txn: Txn = { ...header, type: Op.delete, path: '/a' }
    const bytes = Buffer.concat([encode(txn, digest), Buffer.from('junk')])
    expect(readTxn(new Reader(bytes))).toEqual({ txn, digest })
  })
})

describe('what is refused', () => {
  const header = { clientId: 7n, cxid: 1, zxid: 5n, time: 0 }

  test.each([0, 3, 9, 10, 22, 42, -12])('a transaction of type %i', (type) => {
    const bytes = Buffer.concat([TxnHeader.encode({ ...header, type }), Buffer.alloc(64)])
    expect(() => readTxn(new Reader(bytes))).toThrow(WireError)
  })

  test('N-17 a check outside of a multi: no server could replay it', () => {
    const bytes = Buffer.concat([TxnHeader.encode({ ...header, type: Op.check }), Buffer.alloc(64)])
    expect(() => readTxn(new Reader(bytes))).toThrow(WireError)
    expect(() => encode({ ...header, type: Op.check, path: '/a', version: 1 }, null)).toThrow(
      /only inside a multi/,
    )
  })

  test('S-12 a multi inside of a multi: no recursion on what was sent', () => {
    const writer = new Writer()
    TxnHeader.write(writer, { ...header, type: Op.multi })
    for (let depth = 0; depth < 100; depth++) {
      writer.int(1)
      writer.int(Op.multi)
      writer.int(4096)
    }
    writer.raw(Buffer.alloc(8192))
    expect(() => readTxn(new Reader(writer.written()))).toThrow(WireError)
  })

  test('a part of a multi that reaches beyond its own length', () => {
    const writer = new Writer()
    TxnHeader.write(writer, { ...header, type: Op.multi })
    writer.int(1)
    writer.int(Op.delete)
    writer.int(5)
    writer.string('/abc')
    expect(() => readTxn(new Reader(writer.written()))).toThrow(WireError)
  })

  test('X-3 a vector of 10^9 elements in a few bytes, without allocating for it', () => {
    const writer = new Writer()
    TxnHeader.write(writer, { ...header, type: Op.multi })
    writer.int(1_000_000_000)
    expect(() => readTxn(new Reader(writer.written()))).toThrow(/1000000000 elements in 0 bytes/)
  })

  test('a time beyond 53 bits, which no clock gives', () => {
    const bytes = encode({ ...header, type: Op.delete, path: '/a' }, null)
    bytes[20] = 0x7f
    expect(() => readTxn(new Reader(bytes))).toThrow(/beyond 53 bits/)
  })
})

test.each([1, 2, 3, 4, 5])(
  'random transactions are read as they were written (seed %i)',
  (seed) => {
    const random = new RandomValues(seed)
    for (let i = 0; i < 400; i++) {
      const txn: Txn = {
        clientId: random.int64(),
        cxid: random.int32(),
        zxid: random.int64(),
        time: random.int53(),
        ...randomBody(random, true),
      }
      const digest = random.bool() ? { version: 2, treeDigest: random.int64() } : null
      expect(readTxn(new Reader(encode(txn, digest)))).toEqual({ txn, digest })
    }
  },
)

const headerBytes = TxnHeader.bytesMin

function randomBody(random: RandomValues, isTop: boolean): TxnBody {
  const path = `/${random.text(60)}`
  const data = random.bool() ? null : random.bytes(80)
  const version = random.int32()
  const parentCVersion = random.int32()
  const acl = Array.from({ length: random.below(4) }, () => ({
    perms: random.int32(),
    id: { scheme: random.bool() ? random.text(9) : null, id: random.text(9) },
  }))
  const common: TxnBody[] = [
    {
      type: random.pick([Op.create, Op.create2]),
      path,
      data,
      acl,
      ephemeral: random.bool(),
      parentCVersion,
    },
    { type: Op.createTtl, path, data, acl, parentCVersion, ttl: random.int64() },
    { type: Op.createContainer, path, data, acl, parentCVersion },
    { type: random.pick([Op.delete, Op.deleteContainer]), path },
    { type: random.pick([Op.setData, Op.reconfig]), path, data, version },
    { type: Op.setAcl, path, acl, version },
    { type: Op.error, err: version },
  ]
  if (!isTop) return random.pick<TxnBody>([...common, { type: Op.check, path, version }])
  return random.pick<TxnBody>([
    ...common,
    { type: Op.createSession, timeOut: version },
    {
      type: Op.closeSession,
      paths: random.bool() ? null : [path, '/b', path].slice(0, random.below(4)),
    },
    {
      type: Op.multi,
      txns: Array.from({ length: random.below(5) }, () => randomBody(random, false)),
    },
  ])
}

function encode(txn: Txn, digest: TxnDigest | null): Buffer {
  const writer = new Writer()
  writeTxn(writer, txn, digest)
  return writer.take()
}

function resultOrWireError(bytes: Buffer): ReturnType<typeof readTxn> | null {
  try {
    return readTxn(new Reader(bytes))
  } catch (error) {
    if (error instanceof WireError) return null
    throw error
  }
}

/** The count of a vector of two is also the version of a digest. */
function isTwoPathsCutLikeADigest(bytes: Buffer, length: number): boolean {
  const isCloseSession = TxnHeader.decode(bytes).type === Op.closeSession
  return isCloseSession && length === headerBytes + 12 && bytes.readInt32BE(headerBytes) === 2
}

/** Ends where parentCVersion would begin. */
function isCreateV0(payload: Buffer): boolean {
  const reader = new Reader(payload)
  if (TxnHeader.read(reader).type !== Op.create) return false
  CreateTxnV0.read(reader)
  return reader.remaining < 4
}

/** Distinct serialized transactions between servers, as hex, with the place of each. */
function proposedTxns(): Map<string, string> {
  const found = new Map<string, string>()
  for (const file of goldenFiles('quorum')) {
    for (const { msg, bytes, line } of quorumMessages(file)) {
      if (msg !== 'PROPOSAL' && msg !== 'INFORM' && msg !== 'INFORMANDACTIVATE') continue
      const data = QuorumPacket.decode(bytes).data!
      const txn = msg === 'INFORMANDACTIVATE' ? data.subarray(8) : data
      found.set(txn.toString('hex'), `${file}:${line}`)
    }
  }
  return found
}
