/**
 * The two promises of a quorum member: `acceptedEpoch` and `currentEpoch`.
 *
 * Invariants:
 * 1. A write resolves once the new content and its name are durable (N-6, I-7): temporary file, sync,
 *    rename, sync of the directory. A crash leaves the old or the new number, never another.
 * 2. What cannot be read as a number is refused, never guessed (F-5).
 *
 * Source: AtomicFileOutputStream.java, QuorumPeer.java#loadDataBase, 3.9.5; disk-format 4. One
 * deviation: where the log holds transactions of an epoch above currentEpoch but not above
 * acceptedEpoch, Apache refuses to start; we finish the write that the crash prevented. Transactions
 * of an epoch on disk always follow the whole initial history of it, so that is safe.
 */
import { epochOf } from '../protocol/zxid.ts'
import type { FileSystem } from '../sys/file-system.ts'
import { StoreError, storeError } from './store-error.ts'

export type EpochName = 'acceptedEpoch' | 'currentEpoch'

export interface Epochs {
  acceptedEpoch: number
  currentEpoch: number
}

const EPOCH_MAX = 0x7fff_ffff
const TEMPORARY_SUFFIX = '.tmp'

/** @throws StoreError when the file cannot be read or holds no epoch; null when there is none */
export async function readEpoch(
  files: FileSystem,
  directory: string,
  name: string,
): Promise<number | null> {
  const path = `${directory}/${name}`
  let text: string
  try {
    if ((await files.stat(path)) === null) return null
    text = (await files.readFile(path)).toString('latin1')
  } catch (error) {
    throw storeError('cannot read an epoch', path, error)
  }
  const line = text.split(/\r?\n/, 1)[0] ?? ''
  const epoch = /^\d{1,10}$/.test(line) ? Number(line) : Number.NaN
  if (!(epoch <= EPOCH_MAX)) {
    const got = JSON.stringify(line.slice(0, 32))
    throw new StoreError(`holds ${got} where an epoch from 0 to ${EPOCH_MAX} is expected`, {
      file: path,
      offset: 0,
    })
  }
  return epoch
}

/** Resolves once the promise is durable. @throws StoreError: it may or may not be */
export async function writeEpoch(
  files: FileSystem,
  directory: string,
  name: EpochName,
  epoch: number,
): Promise<void> {
  const path = `${directory}/${name}`
  const temporary = path + TEMPORARY_SUFFIX
  try {
    if ((await files.stat(temporary)) !== null) await files.unlink(temporary)
    const file = await files.open(temporary, 'create')
    try {
      await file.write(Buffer.from(String(epoch)), 0)
      await file.datasync()
    } finally {
      await file.close()
    }
    await files.rename(temporary, path)
    await files.syncDirectory(directory)
  } catch (error) {
    throw storeError('cannot write an epoch', path, error)
  }
}

/** Reads both promises at the start of a quorum member, and mends what a crash left half done. */
export async function loadEpochs(
  files: FileSystem,
  directory: string,
  lastZxid: bigint,
): Promise<Epochs> {
  const epoch = Math.max(0, epochOf(lastZxid))
  let currentEpoch = await readEpoch(files, directory, 'currentEpoch')
  let acceptedEpoch = await readEpoch(files, directory, 'acceptedEpoch')
  const file = `${directory}/currentEpoch`
  if (currentEpoch === null) {
    currentEpoch = epoch
    await writeEpoch(files, directory, 'currentEpoch', epoch)
  }
  if (acceptedEpoch === null) {
    acceptedEpoch = epoch
    await writeEpoch(files, directory, 'acceptedEpoch', epoch)
  }
  if (epoch > currentEpoch) {
    const unfinished = await readEpoch(files, directory, `currentEpoch${TEMPORARY_SUFFIX}`).catch(
      () => null, // a torn temporary file holds nothing
    )
    if (epoch > acceptedEpoch && unfinished !== epoch) {
      throw new StoreError(
        `currentEpoch ${currentEpoch} and acceptedEpoch ${acceptedEpoch} are below the epoch ` +
          `${epoch} of the last transaction`,
        { file },
      )
    }
    currentEpoch = epoch
    await writeEpoch(files, directory, 'currentEpoch', epoch)
  }
  if (acceptedEpoch < currentEpoch) {
    throw new StoreError(`acceptedEpoch ${acceptedEpoch} is below currentEpoch ${currentEpoch}`, {
      file: `${directory}/acceptedEpoch`,
    })
  }
  return { acceptedEpoch, currentEpoch }
}
