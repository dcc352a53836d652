/**
 * Cuts a stream into frames: a length of four bytes, then as many bytes. The only place that does.
 *
 * Invariants:
 * 1. `onFrame` sees whole frames, in order, each once; `[start, end)` leaves out the length.
 * 2. A length below 0 or above `frameBytesMax` throws before anything is kept for it. After that the
 *    stream has no meaning any more: the connection has to be closed.
 * 3. Memory held is at most twice what was received and not yet delivered.
 * 4. Memory handed to `onFrame` is never written again, unless by the owner of the chunk.
 *
 * A frame that lies whole in a chunk is delivered in place, without a copy. Length 0 is a frame.
 * If `onFrame` throws, the rest of that chunk is lost: throw only to close the connection.
 */
import { WireError } from './wire-error.ts'

/** Returning `false` stops cutting: what follows is kept until `resume`. */
export type OnFrame = (bytes: Buffer, start: number, end: number) => void | boolean

const LENGTH_BYTES = 4
const NO_BYTES = Buffer.alloc(0)

export class FrameCutter {
  readonly #frameBytesMax: number
  /** `[#start, #end)` of `#kept` is undelivered: less than one frame, unless `#stopped`. */
  #kept: Buffer = NO_BYTES
  #start = 0
  #end = 0
  #stopped = false

  constructor({ frameBytesMax }: { frameBytesMax: number }) {
    this.#frameBytesMax = frameBytesMax
  }

  /** Bytes received and not yet delivered. */
  get pendingBytes(): number {
    return this.#end - this.#start
  }

  /** Whether `onFrame` returned false and `resume` was not called since. */
  get isStopped(): boolean {
    return this.#stopped
  }

  /** Takes the next bytes of the stream. @throws WireError for an impossible length */
  push(chunk: Buffer, onFrame: OnFrame): void {
    if (this.#stopped) {
      this.#keep(chunk, 0, chunk.length, 0)
      return
    }
    let at = 0
    if (this.#end > this.#start) {
      at = this.#completeKept(chunk)
      if (this.#end - this.#start < LENGTH_BYTES) return
      const length = this.#lengthAt(this.#kept, this.#start)
      if (this.#end - this.#start < LENGTH_BYTES + length) return
      const kept = this.#kept
      const start = this.#start + LENGTH_BYTES
      this.#forget()
      if (onFrame(kept, start, start + length) === false) {
        this.#stopped = true
        this.#keep(chunk, at, chunk.length, 0)
        return
      }
    }
    const cutTo = this.#cut(chunk, at, chunk.length, onFrame)
    if (cutTo < chunk.length) this.#keep(chunk, cutTo, chunk.length, 0)
  }

  /** Goes on with what was kept since `onFrame` returned false. @throws WireError */
  resume(onFrame: OnFrame): void {
    this.#stopped = false
    const kept = this.#kept
    const end = this.#end
    const cutTo = this.#cut(kept, this.#start, end, onFrame)
    if (cutTo === end) {
      this.#forget()
    } else {
      this.#start = cutTo
    }
  }

  /** Delivers the whole frames of `[start, end)` and returns where the first undelivered byte is. */
  #cut(bytes: Buffer, start: number, end: number, onFrame: OnFrame): number {
    let at = start
    while (end - at >= LENGTH_BYTES) {
      const length = this.#lengthAt(bytes, at)
      const frameEnd = at + LENGTH_BYTES + length
      if (frameEnd > end) return at
      if (onFrame(bytes, at + LENGTH_BYTES, frameEnd) === false) {
        this.#stopped = true
        return frameEnd
      }
      at = frameEnd
    }
    return at
  }

  #lengthAt(bytes: Buffer, at: number): number {
    const length = bytes.readInt32BE(at)
    if (length < 0 || length > this.#frameBytesMax) {
      throw new WireError(`frame length ${length}, at most ${this.#frameBytesMax} allowed`, at)
    }
    return length
  }

  /** Appends what the frame begun in `#kept` still lacks, and returns how much of `chunk` it took. */
  #completeKept(chunk: Buffer): number {
    let at = 0
    let have = this.#end - this.#start
    if (have < LENGTH_BYTES) {
      at = Math.min(LENGTH_BYTES - have, chunk.length)
      this.#keep(chunk, 0, at, 0)
      have += at
      if (have < LENGTH_BYTES) return at
    }
    const whole = LENGTH_BYTES + this.#lengthAt(this.#kept, this.#start)
    const taken = Math.min(whole - have, chunk.length - at)
    this.#keep(chunk, at, at + taken, whole)
    return at + taken
  }

  /** Copies `[start, end)` behind what is kept; grows by doubling, but not past `wholeBytes`. */
  #keep(chunk: Buffer, start: number, end: number, wholeBytes: number): void {
    if (start === end) return
    const needed = this.#end - this.#start + (end - start)
    if (this.#end + (end - start) > this.#kept.length) {
      const doubled = needed * 2
      const capacity = wholeBytes > 0 ? Math.min(doubled, wholeBytes) : doubled
      const grown = Buffer.allocUnsafeSlow(Math.max(capacity, needed))
      this.#kept.copy(grown, 0, this.#start, this.#end)
      this.#kept = grown
      this.#end -= this.#start
      this.#start = 0
    }
    chunk.copy(this.#kept, this.#end, start, end)
    this.#end += end - start
  }

  #forget(): void {
    this.#kept = NO_BYTES
    this.#start = 0
    this.#end = 0
  }
}
