/** One TCP connection of a replay: sends any bytes, and keeps what the server sends as frames or text. */
import { connect, type Socket } from 'node:net'

export class Link {
  isClosed = false
  /** The client's side has ended it. */
  isEnded = false
  readonly #isText: boolean
  readonly #socket: Socket
  #bytes = Buffer.alloc(0)
  #wake: (() => void) | null = null

  constructor(port: number, isText: boolean) {
    this.#isText = isText
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#wake?.()
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.isClosed = true
      this.#wake?.()
    })
  }

  write(bytes: Buffer): void {
    if (!this.isClosed) this.#socket.write(bytes)
  }

  end(): void {
    this.isEnded = !this.isClosed
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Takes the whole frames received so far, without their lengths; a text only when it is complete. */
  take(): Buffer[] {
    const taken: Buffer[] = []
    if (this.#isText) {
      if (this.isClosed && this.#bytes.length > 0) taken.push(this.#bytes)
      if (this.isClosed) this.#bytes = Buffer.alloc(0)
      return taken
    }
    let at = 0
    while (this.#bytes.length >= at + 4) {
      const end = at + 4 + this.#bytes.readInt32BE(at)
      if (end > this.#bytes.length) break
      taken.push(this.#bytes.subarray(at + 4, end))
      at = end
    }
    this.#bytes = this.#bytes.subarray(at)
    return taken
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
}
