/**
 * No session expires early (I-51): when the server ended one that nobody had closed, its client had
 * not been heard for the session's time-out, by the server's clock.
 *
 * Heard for certain is what was answered: the request was sent before the server's touch.
 */
import { Op } from '../../ensemble/protocol/op-codes.ts'
import type { Txn } from '../../ensemble/protocol/transactions.ts'
import type { WireConnection } from './history.ts'
import { hex, type Problem } from './model.ts'
import type { Host } from './world.ts'

/** The time in a transaction is cut to a millisecond. */
const ROUNDING_MS = 1

export function checkExpiry(
  connections: readonly WireConnection[],
  txns: readonly Txn[],
  server: Host,
): Problem[] {
  const problems: Problem[] = []
  for (const txn of txns) {
    if (txn.type !== Op.closeSession) continue
    const wires = connections.filter((wire) => wire.sessionId === txn.clientId)
    const isAsked = wires.some((wire) =>
      wire.entries.some((entry) => entry.kind === 'request' && entry.type === Op.closeSession),
    )
    if (isAsked || wires.length === 0) continue
    const endedUs = ((txn.time - server.wallOffsetMs) / server.clockRate) * 1000
    let heardUs = 0
    for (const wire of wires) {
      for (const { sentUs, answeredUs } of wire.heard) {
        if (answeredUs <= endedUs && sentUs > heardUs) heardUs = sentUs
      }
    }
    const silentMs = ((endedUs - heardUs) / 1000) * server.clockRate
    const { timeoutMs } = wires[0]!
    if (silentMs + ROUNDING_MS < timeoutMs) {
      problems.push({
        id: 'I-51',
        text: `session ${hex(txn.clientId)} expired ${silentMs.toFixed(1)} ms after it was heard, its time-out is ${timeoutMs} ms`,
      })
    }
  }
  return problems
}
