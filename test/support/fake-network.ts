/** A network whose far side is the test: it accepts, answers and cuts connections by hand. */
import type {
  Connection,
  ConnectionHandlers,
  Listener,
  Network,
} from '../../ensemble/sys/network.ts'

export class FakeNetwork implements Network {
  /** Every connection that was asked for, oldest first. */
  readonly connections: FakeConnection[] = []

  connect(target: { host: string; port: number }, handlers: ConnectionHandlers): Connection {
    const connection = new FakeConnection(target, handlers)
    this.connections.push(connection)
    return connection
  }

  listen(): Promise<Listener> {
    return Promise.reject(new Error('nothing listens on a fake network'))
  }

  get last(): FakeConnection {
    const last = this.connections.at(-1)
    if (last === undefined) throw new Error('nobody has connected')
    return last
  }
}

export class FakeConnection implements Connection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly queuedBytes = 0
  /** Each write of our side. */
  readonly writes: Buffer[] = []
  isClosed = false
  readonly #handlers: ConnectionHandlers

  constructor(target: { host: string; port: number }, handlers: ConnectionHandlers) {
    this.remoteAddress = target.host
    this.remotePort = target.port
    this.#handlers = handlers
  }

  accept(): void {
    this.#handlers.onConnect?.()
  }

  receive(bytes: Buffer): void {
    if (!this.isClosed) this.#handlers.onData(Buffer.from(bytes))
  }

  /** The far side, or the network, ends the connection. */
  cut(error?: Error): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#handlers.onClose(error)
  }

  /** The frames written so far, without their lengths; they are taken. */
  takeFrames(): Buffer[] {
    const bytes = Buffer.concat(this.writes.splice(0))
    const frames: Buffer[] = []
    for (let at = 0; at < bytes.length;) {
      const length = bytes.readInt32BE(at)
      frames.push(bytes.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
    return frames
  }

  write(bytes: Buffer, onWritten?: () => void): void {
    if (this.isClosed) return
    this.writes.push(Buffer.from(bytes))
    onWritten?.()
  }

  pause(): void {}

  resume(): void {}

  end(): void {
    this.destroy()
  }

  destroy(): void {
    this.isClosed = true
  }
}
