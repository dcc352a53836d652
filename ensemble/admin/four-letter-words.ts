/**
 * Four-letter words: the text a server answers to `ruok`, `srvr`, `stat`, `mntr` and their like, to
 * the letter, since scripts and agents parse it.
 *
 * Source: server/command/*.java, NIOServerCnxn#checkFourLetterWord, 3.9.5 (client-protocol 10.1).
 */
import { hex } from '../protocol/zxid.ts'
import { environment } from './environment.ts'
import { Decimal } from './json-text.ts'
import { connections, dump, watchesByPath, watchesBySession } from './listings.ts'
import { monitorRows } from './metric-values.ts'
import type { ClientPort, ServerView } from './server-view.ts'

const NOT_SERVING = 'This ZooKeeper instance is not currently serving requests\n'
const MASK_BYTES = 8

interface Word {
  /** Answers also while no requests are served. */
  readonly always?: true
  /** Bytes that must come with the word. */
  readonly argumentBytes?: number
  readonly answer: (
    server: ServerView,
    argument: Buffer,
    port: ClientPort,
  ) => string | Promise<string>
}

/** Every word Apache knows: all others are no words, but the start of a frame. */
const words: Readonly<Record<string, Word>> = {
  conf: { answer: configuration },
  cons: { answer: (server, _, port) => `${connections(server, port, false)}\n` },
  crst: { answer: resetConnections },
  dirs: { answer: directories },
  dump: { answer: (server, _, port) => dump(server, port) },
  envi: { always: true, answer: environmentLines },
  gtmk: { always: true, answer: ({ traceMask }) => String(traceMask) },
  hash: { answer: digests },
  isro: { always: true, answer: isReadOnly },
  mntr: { answer: monitor },
  ruok: { always: true, answer: () => 'imok' },
  srst: { answer: resetStatistics },
  srvr: { answer: (server) => `${version(server)}${statistics(server)}` },
  stat: {
    answer: (server, _, port) => `${version(server)}${clients(server, port)}${statistics(server)}`,
  },
  stmk: { always: true, argumentBytes: MASK_BYTES, answer: setTraceMask },
  wchc: { answer: watchesBySession },
  wchp: { answer: watchesByPath },
  wchs: { answer: watchSummary },
}

/** By name. */
export const fourLetterWords: readonly string[] = Object.keys(words)

/** Whether four bytes that start a connection are a command. */
export function isFourLetterWord(word: string): boolean {
  return Object.hasOwn(words, word)
}

/**
 * @param argument the bytes that came behind the word
 * @param allowed words of `4lw.commands.whitelist`; `*` allows all, `srvr` is always allowed
 * @param port where it came in: connections are listed for each by itself
 * @returns the text, or null when the word needs bytes that have not come yet
 */
export function answerWord(
  word: string,
  argument: Buffer,
  server: ServerView,
  allowed: readonly string[],
  port: ClientPort = 'plain',
): string | Promise<string> | null {
  const command = words[word]
  const isAllowed =
    word === 'srvr' ||
    (word === 'isro' && server.mode === 'read-only') ||
    allowed.includes('*') ||
    allowed.includes(word)
  if (!isAllowed || command === undefined) {
    return `${word} is not executed because it is not in the whitelist.\n`
  }
  if (argument.length < (command.argumentBytes ?? 0)) return null
  if (server.mode === null && command.always !== true) return NOT_SERVING
  return command.answer(server, argument, port)
}

/** Members of an ensemble print more: their part comes with the ensemble. */
async function configuration(server: ServerView): Promise<string> {
  const { settings } = server
  const sizes = await server.directorySizes()
  return [
    `clientPort=${server.clientPort}`,
    `secureClientPort=${server.secureClientPort}`,
    `dataDir=${settings.dataDir}/version-2`,
    `dataDirSize=${sizes.data}`,
    `dataLogDir=${settings.dataLogDir}/version-2`,
    `dataLogSize=${sizes.log}`,
    `tickTime=${settings.tickTimeMs}`,
    `maxClientCnxns=${settings.maxClientCnxns}`,
    `minSessionTimeout=${settings.minSessionTimeoutMs}`,
    `maxSessionTimeout=${settings.maxSessionTimeoutMs}`,
    `clientPortListenBacklog=${settings.clientPortListenBacklog}`,
    'serverId=0',
    '',
  ].join('\n')
}

async function directories(server: ServerView): Promise<string> {
  const sizes = await server.directorySizes()
  return `datadir_size: ${sizes.data}\nlogdir_size: ${sizes.log}\n`
}

function environmentLines(server: ServerView): string {
  const lines = environment(server).map(([key, value]) => `${key}=${value}\n`)
  return `Environment:\n${lines.join('')}`
}

function digests(server: ServerView): string {
  return server.digests.map(({ zxid, digest }) => `${zxid.toString(16)}: ${digest}\n`).join('')
}

function isReadOnly(server: ServerView): string {
  if (server.mode === null) return 'null'
  return server.mode === 'read-only' ? 'ro' : 'rw'
}

function resetConnections(server: ServerView, _: Buffer, port: ClientPort): string {
  server.resetConnections(port)
  return 'Connection stats reset.\n'
}

function resetStatistics(server: ServerView): string {
  server.resetTraffic()
  return 'Server stats reset.\n'
}

function setTraceMask(server: ServerView, argument: Buffer): string {
  server.traceMask = argument.readBigInt64BE(0)
  return String(server.traceMask)
}

function watchSummary({ watches }: ServerView): string {
  const { dataWatcherCount, dataPathCount, dataCount } = watches
  return (
    `${dataWatcherCount} connections watching ${dataPathCount} paths\n` +
    `Total watches:${dataCount}\n`
  )
}

function version(server: ServerView): string {
  const readOnly = 'READ-ONLY mode; serving only read-only clients\n'
  return `Zookeeper version: ${server.version}\n${server.mode === 'read-only' ? readOnly : ''}`
}

function clients(server: ServerView, port: ClientPort): string {
  return `Clients:\n${connections(server, port, true)}\n`
}

function statistics(server: ServerView): string {
  const { traffic } = server
  const average = String(new Decimal(traffic.latencyAverage))
  return [
    `Latency min/avg/max: ${traffic.latencyMinShown}/${average}/${traffic.latencyMax}`,
    `Received: ${traffic.received}`,
    `Sent: ${traffic.sent}`,
    `Connections: ${server.connectionCount}`,
    `Outstanding: ${server.outstanding}`,
    `Zxid: ${hex(server.lastZxid)}`,
    `Mode: ${server.mode}`,
    `Node count: ${server.nodeCount}`,
    '',
  ].join('\n')
}

function monitor(server: ServerView): string {
  return monitorRows(server)
    .map(([name, value]) => `zk_${name}\t${String(value)}\n`)
    .join('')
}
