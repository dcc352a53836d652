/**
 * Reads the recordings of test/golden: bytes of real servers and clients, see its README files.
 * Every function returns whole lists: the recordings are small.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const GOLDEN = join(import.meta.dirname, '..', 'golden')

/** One line of golden/client. */
export interface ClientFrame {
  readonly file: string
  readonly line: number
  /** Number of the TCP connection within the file. */
  readonly conn: number
  readonly dir: 'c2s' | 's2c'
  /** With the length prefix; empty if the line only says who closed the connection. */
  readonly bytes: Buffer
  readonly note: string
  /** A very large frame, of which only the first 64 bytes were kept. */
  readonly isTruncated: boolean
}

/** One message of golden/quorum. */
export interface QuorumMessage {
  readonly file: string
  readonly line: number
  readonly conn: number
  readonly port: string
  readonly from: number
  readonly to: number
  readonly msg: string
  readonly bytes: Buffer
  readonly decoded: unknown
}

/** One record of a transaction log. */
export interface LogRecord {
  readonly file: string
  /** Of the checksum in the file. */
  readonly offset: number
  readonly checksum: bigint
  readonly payload: Buffer
}

/** Names of the recordings in golden/client or golden/quorum, without their folder. */
export function goldenFiles(folder: 'client' | 'quorum'): string[] {
  return readdirSync(join(GOLDEN, folder))
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
}

export function clientFrames(file: string): ClientFrame[] {
  return jsonLines('client', file)
    .filter(({ value }) => 'conn' in value && 'hex' in value)
    .map(({ line, value }) => {
      const hex = value['hex'] as string
      return {
        file,
        line,
        conn: value['conn'] as number,
        dir: value['dir'] as 'c2s' | 's2c',
        bytes: Buffer.from(hex.replace('...truncated', ''), 'hex'),
        note: value['note'] as string,
        isTruncated: hex.endsWith('...truncated'),
      }
    })
}

export function quorumMessages(file: string): QuorumMessage[] {
  return jsonLines('quorum', file)
    .filter(({ value }) => 'msg' in value && 'hex' in value)
    .map(({ line, value }) => ({
      file,
      line,
      conn: value['conn'] as number,
      port: value['port'] as string,
      from: value['from'] as number,
      to: value['to'] as number,
      msg: value['msg'] as string,
      bytes: Buffer.from(value['hex'] as string, 'hex'),
      decoded: value['decoded'],
    }))
}

/** Paths below golden/disk of all transaction logs; empty if that folder was not copied. */
export function logFiles(): string[] {
  const root = join(GOLDEN, 'disk')
  if (!existsSync(root)) return []
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => /(^|\/)log\.[0-9a-f]+$/.test(path))
    .sort()
}

/** The records of a log up to its padding or to the first one that is cut short. */
export function logRecords(file: string): LogRecord[] {
  const bytes = readFileSync(join(GOLDEN, 'disk', file))
  const records: LogRecord[] = []
  let at = 16
  while (at + 12 <= bytes.length) {
    const length = bytes.readInt32BE(at + 8)
    if (length <= 0 || at + 12 + length + 1 > bytes.length) break
    records.push({
      file,
      offset: at,
      checksum: bytes.readBigInt64BE(at),
      payload: bytes.subarray(at + 12, at + 12 + length),
    })
    at += 12 + length + 1
  }
  return records
}

/** A recording as it is. */
export function goldenText(path: string): string {
  return readFileSync(join(GOLDEN, path), 'utf8')
}

function jsonLines(
  folder: string,
  file: string,
): { line: number; value: Record<string, unknown> }[] {
  return readFileSync(join(GOLDEN, folder, file), 'utf8')
    .split('\n')
    .map((text, index) => ({ line: index + 1, text }))
    .filter(({ text }) => text !== '')
    .map(({ line, text }) => ({ line, value: JSON.parse(text) as Record<string, unknown> }))
}
