/** Whether somebody listens at `host:port`. */
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { CommandError } from '../command.ts'

const LOOK_EVERY_MS = 50
const CONNECT_TIMEOUT_MS = 1000

export function portIsTaken(address: string): Promise<boolean> {
  const { host, port } = splitAddress(address)
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const finish = (isTaken: boolean): void => {
      socket.destroy()
      resolve(isTaken)
    }
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => finish(false))
    socket.on('connect', () => finish(true))
    socket.on('error', () => finish(false))
  })
}

/** @throws CommandError when nobody listens in time */
export async function untilPortOpens(
  address: string,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!signal.aborted && !(await portIsTaken(address))) {
    if (performance.now() > endMs) {
      throw new CommandError(
        `nobody listens at ${address} after ${timeoutMs / 1000} s: see the log above`,
      )
    }
    await delay(LOOK_EVERY_MS)
  }
}

/** `127.0.0.1:80`, `[::1]:80` */
export function splitAddress(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':')
  return {
    host: address.slice(0, at).replace(/^\[|\]$/g, ''),
    port: Number(address.slice(at + 1)),
  }
}
