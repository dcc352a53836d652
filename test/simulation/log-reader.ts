/**
 * Reads all transactions from the log files of a data directory, whatever they are worth: an
 * independent, unforgiving reader for the checkers.
 *
 * Source: spec of the disk format, log files: a header of 16 bytes, then records of checksum (long),
 * length (int), bytes and 0x42, until zeros or the end of the file.
 */
import { Reader } from '../../ensemble/jute/reader.ts'
import { readTxn, type Txn } from '../../ensemble/protocol/transactions.ts'
import { adler32 } from '../../ensemble/sys/hash.ts'
import type { SimFileSystem } from './sim-file-system.ts'

export function readLog(files: SimFileSystem, directory: string): Txn[] {
  const names = files.names(directory).filter((name) => /^log\.[0-9a-f]+$/.test(name))
  const inOrder = names.toSorted((left, right) => {
    const difference = zxidOfName(left) - zxidOfName(right)
    return difference < 0n ? -1 : difference > 0n ? 1 : 0
  })
  const txns: Txn[] = []
  for (const name of inOrder) {
    const bytes = files.peek(`${directory}/${name}`)
    if (bytes === null || bytes.length < 16) continue
    const reader = new Reader(bytes, 16)
    while (reader.remaining >= 12) {
      const checksum = reader.long()
      const length = reader.int()
      if (length <= 0) break
      const start = reader.position
      const end = start + length
      if (end >= bytes.length) break
      if (checksum !== BigInt(adler32(bytes, start, end))) break
      txns.push(readTxn(new Reader(bytes, start, end)).txn)
      reader.skip(length + 1)
    }
  }
  return txns
}

function zxidOfName(name: string): bigint {
  return BigInt(`0x${name.slice('log.'.length)}`)
}
