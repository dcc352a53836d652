/**
 * Changes that recovery makes to a data directory, once it knows that it will succeed.
 *
 * Invariants:
 * 1. Only bytes that were never acknowledged are cut or removed. Everything else that is in the way
 *    is moved or copied aside first, durably, and stays for an operator to look at.
 * 2. Each step is durable before the next, and all may be repeated after a crash in between.
 */
import type { FileSystem } from '../sys/file-system.ts'
import { DAMAGED_PREFIX } from './file-names.ts'
import { storeError } from './store-error.ts'

export type Repair =
  /** A torn write at the end: never acknowledged. */
  | { readonly kind: 'cut'; readonly name: string; readonly offset: number; readonly why: string }
  /** A log without a record. */
  | { readonly kind: 'dropped'; readonly name: string; readonly why: string }
  /** Damage that the operator accepted: the original is copied aside, then cut. */
  | {
      readonly kind: 'cut-damaged'
      readonly name: string
      readonly offset: number
      readonly why: string
    }
  /** A file that is not used. */
  | { readonly kind: 'moved-aside'; readonly name: string; readonly why: string }

const COPY_BYTES = 1024 * 1024

/** @throws StoreError */
export async function repair(files: FileSystem, directory: string, change: Repair): Promise<void> {
  const path = `${directory}/${change.name}`
  try {
    switch (change.kind) {
      case 'cut':
        await cut(files, path, change.offset)
        break
      case 'dropped':
        await files.unlink(path)
        break
      case 'cut-damaged':
        await copy(files, path, await freeName(files, directory, change.name))
        await files.syncDirectory(directory)
        await cut(files, path, change.offset)
        break
      case 'moved-aside':
        await files.rename(path, await freeName(files, directory, change.name))
        break
    }
    await files.syncDirectory(directory)
  } catch (error) {
    throw storeError(`cannot repair (${change.kind})`, path, error)
  }
}

async function cut(files: FileSystem, path: string, offset: number): Promise<void> {
  const file = await files.open(path, 'write')
  try {
    await file.truncate(offset)
    await file.datasync()
  } finally {
    await file.close()
  }
}

async function copy(files: FileSystem, source: string, target: string): Promise<void> {
  const from = await files.open(source, 'read')
  try {
    const to = await files.open(target, 'create')
    try {
      for (let position = 0; ;) {
        const piece = await from.read(position, COPY_BYTES)
        if (piece.length === 0) break
        await to.write(piece, position)
        position += piece.length
      }
      await to.datasync()
    } finally {
      await to.close()
    }
  } finally {
    await from.close()
  }
}

/** A path that nobody takes for a log or a snapshot and that is not in use. */
async function freeName(files: FileSystem, directory: string, name: string): Promise<string> {
  const plain = `${directory}/${DAMAGED_PREFIX}${name}`
  let path = plain
  for (let copyNumber = 2; (await files.stat(path)) !== null; copyNumber++) {
    path = `${plain}.${copyNumber}`
  }
  return path
}
