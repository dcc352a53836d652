/** The tables of codes: complete, consistent with one another, and with Java's texts. */
import { describe, expect, test } from 'vitest'
import {
  Code,
  codeMessage,
  codeName,
  codeTexts,
  type CodeName,
} from '../../../ensemble/protocol/error-codes.ts'
import { Op, opName } from '../../../ensemble/protocol/op-codes.ts'
import { isWrite, opEntry, opTable } from '../../../ensemble/protocol/op-table.ts'
import { counterOf, epochOf, hex, makeZxid } from '../../../ensemble/protocol/zxid.ts'

describe('ops', () => {
  test('the table has every op under its code, each code once', () => {
    for (const [name, entry] of Object.entries(opTable)) {
      expect(entry.code).toBe(Op[name as keyof typeof Op])
      expect(opEntry(entry.code)).toEqual({ name, ...entry })
      expect(opName(entry.code)).toBe(name)
    }
    expect(Object.keys(opTable).sort()).toEqual(Object.keys(Op).sort())
    expect(new Set(Object.values(Op)).size).toBe(Object.keys(Op).length)
  })

  test.each([10, 23, 42, 99, 108, -2, 2 ** 31])('%i is no op', (code) => {
    expect(opEntry(code)).toBeUndefined()
    expect(opName(code)).toBeUndefined()
    expect(isWrite(code)).toBe(false)
  })

  test('the writes', () => {
    const writes = Object.values(Op).filter(isWrite)
    expect(writes.sort((a, b) => a - b)).toEqual([-11, 1, 2, 5, 7, 14, 15, 16, 19, 20, 21])
  })

  test('N-17 a check alone is no request of clients', () => {
    expect(opEntry(Op.check)!.kind).toBe('internal')
  })
})

describe('error codes', () => {
  test.each(Object.entries(Code))(
    "%s is %i and has a text or is the C client's own",
    (name, code) => {
      expect(codeName(code)).toBe(name)
      const isOfC = ['invalidState', 'sslConnectionError', 'closing', 'nothing'].includes(name)
      expect(codeTexts[name as CodeName] === null).toBe(isOfC)
    },
  )

  test.each([
    [Code.noNode, '/a', 'KeeperErrorCode = NoNode for /a'],
    [Code.notEmpty, '/a', 'KeeperErrorCode = Directory not empty for /a'],
    [Code.sessionExpired, null, 'KeeperErrorCode = Session expired'],
    [Code.requestTimeout, null, 'KeeperErrorCode = Unknown error REQUESTTIMEOUT'],
    [-999, null, 'KeeperErrorCode = Unknown error -999'],
  ])('%i reads as in Java', (code, path, text) => {
    expect(codeMessage(code, path)).toBe(text)
  })
})

describe('zxid', () => {
  test.each([
    [0, 0, 0n, '0x0'],
    [1, 0, 0x1_0000_0000n, '0x100000000'],
    [5, 0xffff_ffff, 0x5_ffff_ffffn, '0x5ffffffff'],
    [0x7fff_ffff, 1, 0x7fff_ffff_0000_0001n, '0x7fffffff00000001'],
    [-1, 0xffff_ffff, -1n, '0xffffffffffffffff'],
  ])('epoch %i counter %i', (epoch, counter, zxid, text) => {
    expect(makeZxid(epoch, counter)).toBe(zxid)
    expect([epochOf(zxid), counterOf(zxid)]).toEqual([epoch, counter])
    expect(hex(zxid)).toBe(text)
  })
})
