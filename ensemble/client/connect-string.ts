/**
 * The connect string: `host:port,[v6]:port/chroot`, with 2181 as the default port.
 *
 * Source: ConnectStringParser and NetUtils.getIPV6HostAndPort, 3.9.5. A bare IPv6 address without
 * brackets is refused here, because its last group could be meant as a port.
 */
import { validatePath } from '../protocol/paths.ts'
import { ZkError } from './errors.ts'

export interface ServerAddress {
  readonly host: string
  readonly port: number
}

export interface ConnectString {
  readonly servers: readonly ServerAddress[]
  /** '' when there is none, else a valid path such as `/app`. */
  readonly chroot: string
}

const DEFAULT_PORT = 2181

/** @throws ZkError `badArguments` that quotes the part at fault */
export function parseConnectString(text: string): ConnectString {
  const slash = text.indexOf('/')
  const list = slash === -1 ? text : text.slice(0, slash)
  const chroot = slash === -1 || slash === text.length - 1 ? '' : text.slice(slash)
  if (chroot !== '') {
    const problem = validatePath(chroot)
    if (problem !== null) throw bad(`chroot ${JSON.stringify(chroot)}: ${problem}`)
  }
  const servers = list
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseServer)
  if (servers.length === 0) throw bad(`no server in the connect string ${JSON.stringify(text)}`)
  return { servers, chroot }
}

function parseServer(part: string): ServerAddress {
  const match = /^(?:\[([^\][]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(part)
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3])
  const host = match?.[1] ?? match?.[2]
  if (host === undefined || port < 1 || port > 65_535) {
    throw bad(`server ${JSON.stringify(part)}: expected host:port, or [address]:port for IPv6`)
  }
  return { host, port }
}

function bad(message: string): ZkError {
  return new ZkError('badArguments', { message })
}

/** `host:port` as people write it, with brackets around IPv6. */
export function addressText(server: ServerAddress): string {
  return server.host.includes(':')
    ? `[${server.host}]:${server.port}`
    : `${server.host}:${server.port}`
}
