/**
 * Every frame between real clients and real servers: decoded, encoded again to the same bytes, cut
 * short at every byte, and with one byte changed at a time.
 */
import { describe, expect, test } from 'vitest'
import { Reader } from '../../../ensemble/jute/reader.ts'
import type { AnyRecord } from '../../../ensemble/jute/record.ts'
import { WireError } from '../../../ensemble/jute/wire-error.ts'
import { Writer } from '../../../ensemble/jute/writer.ts'
import { ConnectRequest, ConnectResponse } from '../../../ensemble/protocol/connect.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { opEntry } from '../../../ensemble/protocol/op-table.ts'
import { ReplyHeader } from '../../../ensemble/protocol/replies.ts'
import { RequestHeader, Xid } from '../../../ensemble/protocol/requests.ts'
import { WatcherEvent } from '../../../ensemble/protocol/watches.ts'
import { clientFrames, goldenFiles, type ClientFrame } from '../../support/golden.ts'

/** A frame and the records that it consists of. */
interface Parsed {
  readonly frame: ClientFrame
  readonly parts: readonly AnyRecord[]
}

describe('recorded frames', () => {
  test.each(goldenFiles('client'))('%s: both ways, byte for byte', (file) => {
    let decoded = 0
    for (const { frame, parts } of parse(file)) {
      if (isUndecodable(frame)) {
        expect(() => decodeAll(frame.bytes.subarray(4), parts), place(frame)).toThrow(WireError)
        continue
      }
      const body = frame.bytes.subarray(4)
      const encoded = encodeAll(decodeAll(body, parts), parts)
      if (!isNotCanonical(frame)) {
        expect(encoded.toString('hex'), place(frame)).toBe(body.toString('hex', 0, encoded.length))
      }
      expect(body.length - encoded.length, place(frame)).toBe(trailingBytes(frame))
      decoded++
    }
    expect(decoded).toBeGreaterThan(0)
  })

  test('S-12 X-3: cut short at any byte, a frame is a WireError and nothing else', () => {
    for (const { frame, parts } of distinctFrames()) {
      const body = frame.bytes.subarray(4, frame.bytes.length - trailingBytes(frame))
      const isConnect = parts[0] === ConnectRequest || parts[0] === ConnectResponse
      for (let length = 0; length < body.length; length++) {
        const cut = body.subarray(0, length)
        // Older clients end there, so it is not an error: the record without its `readOnly`.
        if (isConnect && length === body.length - 1 && hasReadOnly(frame)) {
          expect(decodeAll(cut, parts), place(frame)).toMatchObject([{ readOnly: undefined }])
        } else {
          expect(() => decodeAll(cut, parts), `${place(frame)} cut to ${length}`).toThrow(WireError)
        }
      }
    }
  })

  test('S-12: with any one byte changed, a frame decodes to what encodes again, or is a WireError', () => {
    let decoded = 0
    let refused = 0
    for (const { frame, parts } of distinctFrames()) {
      const body = Buffer.from(frame.bytes.subarray(4))
      for (let at = 0; at < body.length; at++) {
        const original = body[at]!
        for (const changed of [original ^ (1 << (at & 7)), original ^ 0x80, 0xff]) {
          body[at] = changed
          const values = valuesOrWireError(body, parts)
          if (values === null) {
            refused++
            continue
          }
          decoded++
          const again = decodeAll(encodeAll(values, parts), parts)
          // Text that was not UTF-8 has been replaced by then, so this compares what was understood.
          expect(again.length).toBe(values.length)
          if (at % 16 === 0) expect(again, `${place(frame)} at ${at}`).toEqual(values)
        }
        body[at] = original
      }
    }
    expect(decoded).toBeGreaterThan(10_000)
    expect(refused).toBeGreaterThan(10_000)
  })
})

/** One frame of each kind and length: repetitions prove nothing more. */
function distinctFrames(): Parsed[] {
  const distinct = new Map<string, Parsed>()
  for (const file of goldenFiles('client')) {
    for (const parsed of parse(file)) {
      const { frame, parts } = parsed
      if (
        isUndecodable(frame) ||
        parts.some((part) => part === RequestHeader && parts.length === 1)
      ) {
        continue
      }
      const shape = parts.map((part) => part.name).join()
      distinct.set(`${shape} ${frame.bytes.length}`, parsed)
    }
  }
  return [...distinct.values()]
}

function valuesOrWireError(body: Buffer, parts: readonly AnyRecord[]): unknown[] | null {
  try {
    return decodeAll(body, parts)
  } catch (error) {
    if (error instanceof WireError) return null
    throw error
  }
}

/** Follows each connection: the first frame of each direction, then xid to op. */
function parse(file: string): Parsed[] {
  const connections = new Map<
    number,
    { requested: boolean; answered: boolean; ops: [number, number][] }
  >()
  const parsed: Parsed[] = []
  for (const frame of clientFrames(file)) {
    if (frame.bytes.length === 0 || /^(raw:|four-letter|text answer)/.test(frame.note)) continue
    let conn = connections.get(frame.conn)
    if (conn === undefined) {
      conn = { requested: false, answered: false, ops: [] }
      connections.set(frame.conn, conn)
    }
    if (frame.dir === 'c2s') {
      const parts = conn.requested ? requestParts(frame, conn.ops) : [ConnectRequest]
      conn.requested = true
      if (!frame.isTruncated) parsed.push({ frame, parts })
    } else {
      // A read-only server without local sessions answers with a reply header alone.
      const isHeader = conn.answered || frame.note.startsWith('bare ReplyHeader')
      const parts = isHeader ? replyParts(frame, conn.ops) : [ConnectResponse]
      conn.answered = true
      if (!frame.isTruncated) parsed.push({ frame, parts })
    }
  }
  return parsed
}

function requestParts(frame: ClientFrame, ops: [number, number][]): AnyRecord[] {
  if (frame.bytes.length < 12) return [RequestHeader]
  const { xid, type } = RequestHeader.decode(frame.bytes.subarray(4))
  ops.push([type === Op.ping ? Xid.ping : xid, type])
  const request = opEntry(type)?.request ?? null
  return request === null ? [RequestHeader] : [RequestHeader, request]
}

function replyParts(frame: ClientFrame, ops: [number, number][]): AnyRecord[] {
  // A client that asks for a session on a live one gets a second ConnectResponse.
  if (frame.note.startsWith('ConnectResponse')) return [ConnectResponse]
  const header = ReplyHeader.decode(frame.bytes.subarray(4))
  // Nothing forbids a request with xid -1: its reply looks like a notification.
  const isAsked = ops.some(([xid]) => xid === Xid.notification)
  if (header.xid === Xid.notification && !isAsked) return [ReplyHeader, WatcherEvent]
  if (frame.note.startsWith('bare ReplyHeader')) return [ReplyHeader]
  const index = ops.findIndex(([xid]) => xid === header.xid)
  const type = index === -1 ? undefined : ops.splice(index, 1)[0]![1]
  expect(type, `${place(frame)}: which request is answered`).toBeDefined()
  const reply = opEntry(type!)?.reply ?? null
  const hasBody = frame.bytes.length > 20
  if (header.err === 0) expect(hasBody, place(frame)).toBe(reply !== null)
  return reply === null || !hasBody ? [ReplyHeader] : [ReplyHeader, reply]
}

function decodeAll(body: Buffer, parts: readonly AnyRecord[]): unknown[] {
  const reader = new Reader(body)
  return parts.map((part) => part.read(reader) as unknown)
}

function encodeAll(values: readonly unknown[], parts: readonly AnyRecord[]): Buffer {
  const writer = new Writer()
  parts.forEach((part, i) => part.write(writer, values[i]))
  return writer.written()
}

/** Cut short by whoever made the recording, or a multi with an op that no multi can have. */
function isUndecodable(frame: ClientFrame): boolean {
  return (
    frame.note.startsWith('undecodable') ||
    /## (exists inside multi|deleteContainer inside multi|setACL inside multi|mixed write and read|exists under multiRead)/.test(
      frame.note,
    )
  )
}

/** The end of a multi is what says `done`, its other fields mean nothing; true is any byte but 0. */
function isNotCanonical(frame: ClientFrame): boolean {
  return /## (terminator with odd type\/err|boolean byte 5)/.test(frame.note)
}

function hasReadOnly(frame: ClientFrame): boolean {
  return !frame.note.includes('(no readOnly byte)')
}

function trailingBytes(frame: ClientFrame): number {
  // The recorder did not know the body of createSession.
  if (frame.note.startsWith('createSession')) return 0
  return Number(/\[\+(\d+) trailing bytes\]/.exec(frame.note)?.[1] ?? 0)
}

function place(frame: ClientFrame): string {
  return `${frame.file}:${frame.line} ${frame.note.slice(0, 200)}`
}
