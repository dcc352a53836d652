/** TLS by node:tls, which is loaded when a server or a client first asks for it. */
import type { Tls } from './tls.ts'

export const nodeTls: Tls = {
  async server(material) {
    const { NodeTlsServer } = await import('./node-tls-server.ts')
    return new NodeTlsServer(material)
  },
  async client(load, network) {
    const { tlsClientNetwork } = await import('./node-tls-client.ts')
    return tlsClientNetwork(load, network)
  },
}
