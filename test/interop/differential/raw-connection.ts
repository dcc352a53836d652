/**
 * One TCP connection that sends any bytes, and keeps what the server sends as frames: nothing of a
 * client's good manners is in the way.
 */
import { connect, type Socket } from 'node:net'
import { FrameCutter } from '../../../ensemble/jute/frame-cutter.ts'
import { Writer } from '../../../ensemble/jute/writer.ts'

const FRAME_BYTES_MAX = 64 * 1024 * 1024

export class RawConnection {
  /** What was received and not yet taken, without the length prefixes. */
  readonly inbox: Buffer[] = []
  /** Frames in the inbox that are no notifications: answers. */
  answers = 0
  isClosed = false
  readonly #socket: Socket
  readonly #cutter = new FrameCutter({ frameBytesMax: FRAME_BYTES_MAX })
  #wake: (() => void) | null = null

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (chunk) => {
      this.#cutter.push(chunk, (bytes, start, end) => {
        const frame = bytes.subarray(start, end)
        this.inbox.push(frame)
        if (!isNotification(frame)) this.answers++
      })
      this.#wake?.()
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.isClosed = true
      this.#wake?.()
    })
  }

  /** Bytes as they are. */
  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** The client's end of the conversation. */
  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Resolves once `isDone`, or false when that does not come about in time. */
  until(isDone: () => boolean, timeoutMs: number): Promise<boolean> {
    if (isDone()) return Promise.resolve(true)
    return new Promise((resolve) => {
      const settle = (result: boolean) => {
        clearTimeout(timer)
        this.#wake = null
        resolve(result)
      }
      const timer = setTimeout(() => settle(false), timeoutMs)
      this.#wake = () => {
        if (isDone()) settle(true)
      }
    })
  }

  /** Takes the first frame, whatever it looks like: a greeting has no header. */
  takeFirst(): Buffer | undefined {
    const frame = this.inbox.shift()
    if (frame !== undefined && !isNotification(frame)) this.answers--
    return frame
  }

  /** Takes everything up to the last answer: events behind it belong to what comes next. */
  take(): Buffer[] {
    let count = this.inbox.length
    if (this.answers > 0) {
      while (isNotification(this.inbox[count - 1]!)) count--
      this.answers = 0
    }
    return this.inbox.splice(0, count)
  }
}

export function isNotification(frame: Buffer): boolean {
  return frame.length >= 4 && frame.readInt32BE(0) === -1
}

/** A length and that many bytes. */
export function framed(fill: (writer: Writer) => void): Buffer {
  const writer = new Writer(256)
  writer.int(0)
  fill(writer)
  writer.patchInt(0, writer.position - 4)
  return writer.take()
}
