/** TCP by node:net, with Nagle's algorithm off: batches are made above, one write each. */
import { createServer, connect as netConnect, type Socket } from 'node:net'
import type { Connection, ConnectionHandlers, Listener, ListenOptions, Network } from './network.ts'

export const nodeNetwork: Network = {
  connect({ host, port }, handlers) {
    const socket = netConnect({ host, port, noDelay: true, allowHalfOpen: true })
    const connection = new NodeConnection(socket)
    connection.attach(handlers)
    socket.on('connect', () => handlers.onConnect?.())
    return connection
  },

  listen(options, onConnection) {
    return listenTcp(options, (socket) => {
      const connection = new NodeConnection(socket)
      connection.attach(onConnection(connection))
    })
  },
}

/** Listens; what a connection carries is the caller's affair. */
export function listenTcp(
  options: ListenOptions,
  onSocket: (socket: Socket) => void,
): Promise<Listener> {
  const { keepAlive = false } = options
  return new Promise<Listener>((resolve, reject) => {
    const server = createServer({ noDelay: true, allowHalfOpen: true, keepAlive }, onSocket)
    server.once('error', reject)
    const backlog = options.backlog === undefined ? {} : { backlog: options.backlog }
    server.listen({ host: options.host, port: options.port, ...backlog }, () => {
      server.off('error', reject)
      // What accept() reports later (EMFILE …) ends no connection; the next accept tries again.
      server.on('error', () => {})
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : options.port
      resolve({
        port,
        close: () =>
          new Promise((closed) => {
            server.close()
            // `close` would wait for every connection; the socket that listens is gone already.
            closed()
          }),
      })
    })
  })
}

export class NodeConnection implements Connection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    this.remoteAddress = socket.remoteAddress ?? ''
    this.remotePort = socket.remotePort ?? 0
  }

  attach(handlers: ConnectionHandlers): void {
    const socket = this.#socket
    let failure: Error | undefined
    socket.on('data', (chunk: Buffer) => handlers.onData(chunk))
    socket.on('drain', () => handlers.onDrain?.())
    socket.on('end', () => (handlers.onEnd === undefined ? socket.end() : handlers.onEnd()))
    socket.on('error', (error) => (failure = error))
    socket.on('close', () => handlers.onClose(failure))
  }

  get queuedBytes(): number {
    return this.#socket.writableLength
  }

  write(bytes: Buffer, onWritten?: () => void): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return
    if (onWritten === undefined) this.#socket.write(bytes)
    else
      this.#socket.write(bytes, (error) => {
        if (!error) onWritten()
      })
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
