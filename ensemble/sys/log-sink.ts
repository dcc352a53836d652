/**
 * Where finished log lines go: a file descriptor that may be a pipe whose reader is slow, or gone.
 *
 * Invariants:
 * 1. In the background (a daemon) `write` never waits; one write to the system is under way at most,
 *    and takes all lines there are. Lines beyond `PENDING_CHARACTERS_MAX` are lost.
 * 2. `flush` ends when nobody reads: a pipe without a reader (EPIPE) takes nothing ever, so what waits
 *    for it is given up; one that is full is tried again for 2 s. (Only a descriptor that was opened to
 *    block can hold it up, as it would any program.)
 * 3. No failure reaches who logs: there is no other place to say so.
 */
import { write, writeSync } from 'node:fs'

/** Lines that wait for a reader: 4 Mi characters. */
const PENDING_CHARACTERS_MAX = 4 * 1024 * 1024
/** A full pipe is tried again that often, so far apart. */
const RETRIES_MAX = 20
const RETRY_MS = 100

export class LogSink {
  readonly #fd: number
  readonly #isBackground: boolean
  #pending: string[] = []
  #pendingCharacters = 0
  /** What the system did not take; first in line. */
  #rest: Buffer = Buffer.alloc(0)
  #isWriting = false

  constructor(fd: number, options: { readonly background: boolean }) {
    this.#fd = fd
    this.#isBackground = options.background
  }

  write(line: string): void {
    if (this.#pendingCharacters + line.length > PENDING_CHARACTERS_MAX) return
    this.#pending.push(line)
    this.#pendingCharacters += line.length
    if (!this.#isBackground) this.flush()
    else if (!this.#isWriting) this.#writeNext()
  }

  /** Writes what is pending, now; what the system is at work on is its own. */
  flush(): void {
    let rest = this.#take()
    for (let retries = 0; rest.length > 0;) {
      try {
        const written = writeSync(this.#fd, rest)
        rest = rest.subarray(written)
        retries = 0
      } catch (error) {
        if (!isFull(error) || ++retries > RETRIES_MAX) return
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
      }
    }
  }

  #take(): Buffer {
    const lines = Buffer.from(this.#pending.join(''))
    const bytes = this.#rest.length === 0 ? lines : Buffer.concat([this.#rest, lines])
    this.#rest = bytes.subarray(0, 0)
    this.#pending = []
    this.#pendingCharacters = 0
    return bytes
  }

  #writeNext(): void {
    const bytes = this.#take()
    if (bytes.length === 0) return
    this.#isWriting = true
    write(this.#fd, bytes, (error, written) => {
      this.#isWriting = false
      if (error === null) this.#rest = bytes.subarray(written)
      else if (isFull(error)) {
        this.#rest = bytes
        this.#isWriting = true
        setTimeout(() => {
          this.#isWriting = false
          this.#writeNext()
        }, RETRY_MS).unref()
        return
      }
      this.#writeNext()
    })
  }
}

/** Whether there is no room just now. */
function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EAGAIN' || code === 'EBUSY' || code === 'EINTR'
}
