/** Every declared record, with random values: what is written is read, to the last byte. */
import { describe, expect, test } from 'vitest'
import { Reader } from '../../../ensemble/jute/reader.ts'
import type { AnyField, AnyRecord } from '../../../ensemble/jute/record.ts'
import { WireError } from '../../../ensemble/jute/wire-error.ts'
import { Writer } from '../../../ensemble/jute/writer.ts'
import * as acl from '../../../ensemble/protocol/acl.ts'
import * as connect from '../../../ensemble/protocol/connect.ts'
import * as multi from '../../../ensemble/protocol/multi.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { opTable } from '../../../ensemble/protocol/op-table.ts'
import * as replies from '../../../ensemble/protocol/replies.ts'
import * as requests from '../../../ensemble/protocol/requests.ts'
import * as stat from '../../../ensemble/protocol/stat.ts'
import * as transactions from '../../../ensemble/protocol/transactions.ts'
import * as watches from '../../../ensemble/protocol/watches.ts'
import { RandomValues } from '../../support/random-values.ts'

const declared = [acl, connect, multi, replies, requests, stat, transactions, watches]
  .flatMap((module) => Object.values(module) as unknown[])
  .filter(isRecord)

describe('every record', () => {
  test('of the reference is declared, under its published name', () => {
    // Source: zookeeper.jute, modules data, proto and txn, 3.9.5, without what no one sends.
    const published = `
      Id ACL Stat ClientInfo ConnectRequest ConnectResponse RequestHeader ReplyHeader
      MultiHeader WatcherEvent ErrorResponse AuthPacket CreateRequest CreateTTLRequest
      CreateResponse Create2Response DeleteRequest ExistsRequest ExistsResponse
      GetDataRequest GetDataResponse SetDataRequest SetDataResponse GetACLRequest
      GetACLResponse SetACLRequest SetACLResponse GetChildrenRequest GetChildrenResponse
      GetChildren2Request GetChildren2Response SyncRequest SyncResponse
      CheckVersionRequest ReconfigRequest SetWatches SetWatches2 AddWatchRequest
      CheckWatchesRequest RemoveWatchesRequest GetEphemeralsRequest GetEphemeralsResponse
      GetAllChildrenNumberRequest GetAllChildrenNumberResponse WhoAmIResponse
      GetSASLRequest SetSASLResponse TxnHeader TxnDigest CreateTxnV0 CreateTxn
      CreateTTLTxn CreateContainerTxn DeleteTxn SetDataTxn CheckVersionTxn SetACLTxn
      CreateSessionTxn CloseSessionTxn ErrorTxn Txn MultiTxn
    `
      .trim()
      .split(/\s+/)
    const names = declared.map(({ name }) => name)
    expect(names).toEqual([...new Set(names)])
    expect(names).toEqual(expect.arrayContaining(published))
  })

  test.each(declared.filter(({ fields }) => fields !== undefined))('$name: both ways', (type) => {
    const random = new RandomValues(type.name.length)
    for (let round = 0; round < 100; round++) {
      const value = randomValue(type, random)
      const bytes = type.encode(value)
      const reader = new Reader(bytes)
      expect(type.read(reader)).toEqual(value)
      expect(reader.remaining).toBe(0)
      expect(bytes.length).toBeGreaterThanOrEqual(type.bytesMin)
      if (bytes.length > type.bytesMin + 1) {
        // Cut before the last field that is not optional.
        expect(() => type.decode(bytes.subarray(0, type.bytesMin - 1))).toThrow(WireError)
      }
    }
  })

  test.each(declared)('S-12 $name: random bytes are read or refused, never worse', (type) => {
    const random = new RandomValues(99)
    for (let round = 0; round < 300; round++) {
      const bytes = random.bytes(200)
      // Small numbers make plausible lengths.
      if (random.bool()) for (let i = 0; i + 4 <= bytes.length; i += 4) bytes.fill(0, i, i + 3)
      try {
        type.decode(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(WireError)
      }
    }
  })
})

describe('sizes that peers rely on', () => {
  test.each([
    [stat.Stat, stat.STAT_BYTES],
    [requests.RequestHeader, 8],
    [replies.ReplyHeader, replies.REPLY_HEADER_BYTES],
    [multi.MultiHeader, 9],
    [transactions.TxnHeader, 32],
    [transactions.TxnDigest, 12],
  ])('$name', (type, bytes) => {
    expect(type.bytesMin).toBe(bytes)
  })

  test('a connect request takes 45 bytes with the flag and 44 without', () => {
    const request = {
      protocolVersion: 0,
      lastZxidSeen: 0n,
      timeOut: 10_000,
      sessionId: 0n,
      passwd: Buffer.alloc(16),
    }
    expect(connect.ConnectRequest.encode(request).length).toBe(44)
    expect(connect.ConnectRequest.encode({ ...request, readOnly: false }).length).toBe(45)
  })

  test('a refusal carries the flag only if the request did', () => {
    const request = {
      protocolVersion: 0,
      lastZxidSeen: 0n,
      timeOut: 10_000,
      sessionId: 1n,
      passwd: Buffer.alloc(16),
    }
    const without = connect.ConnectResponse.encode(connect.refusal(request))
    const with_ = connect.ConnectResponse.encode(connect.refusal({ ...request, readOnly: true }))
    expect([without.length, with_.length]).toEqual([36, 37])
    expect(without.subarray(0, 16).equals(Buffer.alloc(16))).toBe(true)
  })
})

describe('multi', () => {
  test.each([1, 2, 3])('random requests and results, both ways (seed %i)', (seed) => {
    const random = new RandomValues(seed)
    for (let round = 0; round < 100; round++) {
      const ops = Array.from({ length: random.below(6) }, () => randomOp(random, WRITES))
      const reads = Array.from({ length: random.below(6) }, () => randomOp(random, READS))
      const results = Array.from({ length: random.below(6) }, () => randomResult(random))
      expect(multi.MultiRequest.decode(multi.MultiRequest.encode(ops))).toEqual(ops)
      expect(multi.MultiRequest.decode(multi.MultiRequest.encode(reads))).toEqual(reads)
      expect(multi.MultiResponse.decode(multi.MultiResponse.encode(results))).toEqual(results)
      if (ops.length > 0 && reads.length > 0) {
        const mixed = multi.MultiRequest.encode([...ops, ...reads])
        expect(() => multi.MultiRequest.decode(mixed)).toThrow(/reads and writes/)
      }
    }
  })

  test.each([Op.multi, Op.exists, Op.setAcl, Op.deleteContainer, Op.reconfig, Op.sync, 42, -1])(
    'X-3 op %i inside is refused',
    (type) => {
      const writer = new Writer()
      multi.writeHeader(writer, type, false, -1)
      writer.raw(Buffer.alloc(100))
      expect(() => multi.MultiRequest.decode(writer.written())).toThrow(WireError)
    },
  )

  test('X-3 no ops, 10^5 ops, and a missing end', () => {
    expect(multi.MultiRequest.decode(multi.MultiRequest.encode([]))).toEqual([])
    const op = { type: Op.check, path: '/a', version: -1 } as const
    const many = multi.MultiRequest.encode(Array.from({ length: 100_000 }, () => op))
    expect(multi.MultiRequest.decode(many).length).toBe(100_000)
    expect(() => multi.MultiRequest.decode(many.subarray(0, -9))).toThrow(WireError)
  })

  test('a failed one tells each op apart by its code', () => {
    const results: multi.MultiResponse = [
      { type: Op.error, err: 0 },
      { type: Op.error, err: -101 },
      { type: Op.error, err: -2 },
    ]
    const bytes = multi.MultiResponse.encode(results)
    expect(bytes.toString('hex')).toBe(
      'ffffffff000000000000000000' +
        'ffffffff00ffffff9bffffff9b' +
        'ffffffff00fffffffefffffffe' +
        'ffffffff01ffffffff',
    )
  })
})

const WRITES = Object.values(opTable).filter((op) => 'inMulti' in op && op.inMulti === 'write')
const READS = Object.values(opTable).filter((op) => 'inMulti' in op && op.inMulti === 'read')

function randomOp(
  random: RandomValues,
  among: readonly (typeof opTable)[keyof typeof opTable][],
): multi.MultiOp {
  const { code, request } = random.pick(among)
  // True because those marked inMulti are exactly the types of MultiOp.
  return { type: code, ...(randomValue(request!, random) as object) } as multi.MultiOp
}

function randomResult(random: RandomValues): multi.MultiResult {
  return random.pick<() => multi.MultiResult>([
    () => ({ type: Op.create, path: random.text(9) }),
    () => ({ type: Op.create2, path: null, stat: randomValue(stat.Stat, random) as stat.Stat }),
    () => ({ type: Op.delete }),
    () => ({ type: Op.check }),
    () => ({ type: Op.setData, stat: randomValue(stat.Stat, random) as stat.Stat }),
    () => ({ type: Op.getData, data: null, stat: randomValue(stat.Stat, random) as stat.Stat }),
    () => ({ type: Op.getChildren, children: ['a', random.text(9)] }),
    () => ({ type: Op.error, err: random.int32() }),
  ])()
}

function isRecord(value: unknown): value is AnyRecord {
  return typeof value === 'object' && value !== null && 'name' in value && 'decode' in value
}

/** A value of a field, from what the field says of itself. */
function randomValue(field: AnyField, random: RandomValues): unknown {
  if (field.fields !== undefined) {
    return Object.fromEntries(
      Object.entries(field.fields).map(([name, inner]) => [
        name,
        randomFieldValue(name, inner, random),
      ]),
    )
  }
  if (field.element !== undefined) {
    const element = field.element
    return random.below(4) === 0
      ? null
      : Array.from({ length: random.below(4) }, () => randomValue(element, random))
  }
  switch (field.type) {
    case 'int':
      return random.int32()
    case 'long':
      return random.int64()
    case 'boolean':
      return random.bool()
    case 'buffer':
      return random.below(4) === 0 ? null : random.bytes(60)
    case 'ustring':
      return random.below(4) === 0 ? null : random.text(60)
    default:
      throw new Error(`no generator for ${field.type}`)
  }
}

/** Times are longs that are numbers in code. */
function randomFieldValue(name: string, field: AnyField, random: RandomValues): unknown {
  return ['ctime', 'mtime', 'time'].includes(name) ? random.int53() : randomValue(field, random)
}
