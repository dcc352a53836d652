/**
 * Opens or resumes a session: the first record in each direction of every client connection.
 *
 * Invariants: sent exactly once, before anything else, without a request or reply header. The
 * response carries `readOnly` only if the request did: then `readOnly` is not undefined.
 * Source: zookeeper.jute (module proto), ProtocolManager.java, 3.9.5; clients up to 3.3 and several
 * of third parties leave out `readOnly`.
 */
import { bool, buffer, int, long, optionalTail, record, type Infer } from '../jute/record.ts'

export const ConnectRequest = record('ConnectRequest', {
  protocolVersion: int,
  lastZxidSeen: long,
  timeOut: int, // milliseconds; the server answers with the value it grants
  sessionId: long, // 0 asks for a new session
  passwd: buffer, // for a new session anything: null, empty, any length
  readOnly: optionalTail(bool), // undefined when the client does not know it
})
export type ConnectRequest = Infer<typeof ConnectRequest>

export const ConnectResponse = record('ConnectResponse', {
  protocolVersion: int,
  timeOut: int, // 0: the session is refused
  sessionId: long, // 0: the session is refused
  passwd: buffer, // 16 bytes; zeros when refused
  readOnly: optionalTail(bool), // written unless undefined
})
export type ConnectResponse = Infer<typeof ConnectResponse>

/** Length of a session password. */
export const PASSWORD_BYTES = 16

/** The answer to a session that is unknown, expired, or asked for with a wrong password. */
export function refusal(request: ConnectRequest): ConnectResponse {
  const refused = {
    protocolVersion: 0,
    timeOut: 0,
    sessionId: 0n,
    passwd: Buffer.alloc(PASSWORD_BYTES),
  }
  return request.readOnly === undefined ? refused : { ...refused, readOnly: false }
}
