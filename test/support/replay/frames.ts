/** Frames that a replay makes itself, or completes. */
import { ConnectRequest } from '../../../ensemble/protocol/connect.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'

/** A body with its length in front. */
export function framed(body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

export function requestFrame(xid: number, type: number, body: Buffer): Buffer {
  const header = Buffer.alloc(8)
  header.writeInt32BE(xid)
  header.writeInt32BE(type, 4)
  return framed(Buffer.concat([header, body]))
}

export function connectFrame(request: ConnectRequest): Buffer {
  return framed(ConnectRequest.encode(request))
}

export const pingFrame = requestFrame(-2, Op.ping, Buffer.alloc(0))

/** `jute.maxbuffer`: a longer frame was cut off by its server, not by the recording. */
const LENGTH_MAX = 0xfffff

/**
 * Recordings keep the first 64 bytes of a very large frame: a setData of one repeated byte at any
 * version. Other frames come back as they are.
 */
export function whole(bytes: Buffer): Buffer {
  if (bytes.length < 12) return bytes
  const length = bytes.readInt32BE(0)
  if (length > LENGTH_MAX || length + 4 <= bytes.length || bytes.readInt32BE(8) !== Op.setData)
    return bytes
  const frame = Buffer.alloc(length + 4, bytes.at(-1))
  bytes.copy(frame)
  frame.writeInt32BE(-1, length)
  return frame
}
