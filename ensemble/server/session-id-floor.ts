/**
 * From where on this run may give out session ids: a file beside `version-2` keeps, over all runs,
 * where the ids begin that nobody was ever given (I-55).
 *
 * Without it a wall clock that went back let a run begin right behind the ids of the sessions that
 * are still open, and give out the ids of those that had closed: their former clients would own
 * sessions of others. Each run reserves 2^32 ids at its start, which is more than it can use.
 */
import { join } from '../sys/paths.ts'
import type { Sys } from '../sys/sys.ts'
import { replaceFile } from '../sys/replace-file.ts'

const NAME = 'howdah.session-ids'
const RESERVED = 1n << 32n
const LOW_56_BITS = (1n << 56n) - 1n

/** The low 56 bits of the first id of this run; the reservation is durable. */
export async function reserveSessionIds(
  dataDir: string,
  wallMs: number,
  { files }: Pick<Sys, 'files'>,
): Promise<bigint> {
  const path = join(dataDir, NAME)
  let floor = 0n
  if ((await files.stat(path)) !== null) {
    const text = (await files.readFile(path)).toString('latin1').trim()
    if (/^[0-9a-f]{1,14}$/.test(text)) floor = BigInt(`0x${text}`)
  }
  const byClock = (BigInt(wallMs) << 16n) & LOW_56_BITS
  const first = floor > byClock ? floor : byClock
  const next = (first + RESERVED).toString(16)
  await replaceFile(files, dataDir, path, Buffer.from(`${next}\n`, 'latin1'))
  return first
}
