/**
 * A port on loopback for a server that will be stopped and started again.
 *
 * It lies below those that the system hands out to outgoing connections: on one of those, a client
 * that tries to reconnect while the server is away may connect to itself, and keep the port.
 */
import { createServer } from 'node:net'

const LOWEST = 20_000
const COUNT = 12_000

export async function stablePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = LOWEST + ((process.pid * 7919 + attempt * 104_729 + Date.now()) % COUNT)
    if (await isFree(port)) return port
  }
  throw new Error('no free port')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
