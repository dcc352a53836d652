/**
 * Four-letter words: the text a server answers to `ruok`, `srvr`, `stat`, `mntr` and their like, to
 * the letter, since scripts and agents parse it.
 *
 * Source: server/command/*.java, NIOServerCnxn#checkFourLetterWord, 3.9.5 (client-protocol 10.1).
 */
import { hex } from '../protocol/zxid.ts'
import type { ServerView } from './server-view.ts'

const NOT_SERVING = 'This ZooKeeper instance is not currently serving requests\n'

interface Word {
  /** Answers also while no requests are served. */
  readonly always?: true
  readonly answer: (server: ServerView) => string
}

const words: Readonly<Record<string, Word>> = {
  ruok: { always: true, answer: () => 'imok' },
  isro: { always: true, answer: isReadOnly },
  srvr: { answer: (server) => `${version(server)}${statistics(server)}` },
  stat: { answer: (server) => `${version(server)}${clients(server)}${statistics(server)}` },
  mntr: { answer: monitor },
}

/** Every word Apache knows: all others are no words, but the start of a frame. */
const KNOWN = new Set(
  'conf cons crst dirs dump envi gtmk hash isro mntr ruok srst srvr stat stmk wchc wchp wchs'.split(
    ' ',
  ),
)

/** Whether four bytes that start a connection are a command. */
export function isFourLetterWord(word: string): boolean {
  return KNOWN.has(word)
}

/** @param allowed words of `4lw.commands.whitelist`; `*` allows all, `srvr` is always allowed */
export function answerWord(word: string, server: ServerView, allowed: readonly string[]): string {
  const command = words[word]
  const isAllowed = word === 'srvr' || allowed.includes('*') || allowed.includes(word)
  if (!isAllowed || command === undefined) {
    return `${word} is not executed because it is not in the whitelist.\n`
  }
  if (server.mode === null && command.always !== true) return NOT_SERVING
  return command.answer(server)
}

function isReadOnly(server: ServerView): string {
  if (server.mode === null) return 'null'
  return server.mode === 'read-only' ? 'ro' : 'rw'
}

function version(server: ServerView): string {
  return `Zookeeper version: ${server.version}\n`
}

function clients(server: ServerView): string {
  const lines = ['Clients:\n']
  for (const link of server.links()) {
    const { received, sent } = link.traffic
    lines.push(
      ` /${link.remoteAddress}:${link.remotePort}[${link.session === null ? 0 : 1}]` +
        `(queued=${link.outstanding},recved=${received},sent=${sent})\n`,
    )
  }
  return `${lines.join('')}\n`
}

function statistics(server: ServerView): string {
  const { traffic } = server
  return [
    `Latency min/avg/max: ${traffic.latencyMinShown}/${decimal(traffic.latencyAverage)}/${traffic.latencyMax}`,
    `Received: ${traffic.received}`,
    `Sent: ${traffic.sent}`,
    `Connections: ${[...server.links()].length}`,
    `Outstanding: ${server.outstanding}`,
    `Zxid: ${hex(server.lastZxid)}`,
    `Mode: ${server.mode}`,
    `Node count: ${server.nodeCount}`,
    '',
  ].join('\n')
}

function monitor(server: ServerView): string {
  const { traffic } = server
  const rows: [string, string | number][] = [
    ['version', server.version],
    ['server_state', server.mode ?? 'null'],
    ['avg_latency', decimal(traffic.latencyAverage)],
    ['max_latency', traffic.latencyMax],
    ['min_latency', traffic.latencyMinShown],
    ['packets_received', traffic.received],
    ['packets_sent', traffic.sent],
    ['num_alive_connections', [...server.links()].length],
    ['outstanding_requests', server.outstanding],
    ['uptime', Math.floor(server.uptimeMs)],
    ['znode_count', server.nodeCount],
    ['watch_count', server.watchCount],
    ['ephemerals_count', server.ephemeralCount],
    ['approximate_data_size', server.approximateDataBytes],
    ['global_sessions', server.sessionCount],
    ['local_sessions', 0],
  ]
  return rows.map(([name, value]) => `zk_${name}\t${value}\n`).join('')
}

/** Java prints a double always with a decimal point. */
function decimal(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value)
}
