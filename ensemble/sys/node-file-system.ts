/** Files by node:fs. Each call is one hop through the thread pool; no call blocks the event loop. */
import { constants, promises as fs } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { File, FileSystem } from './file-system.ts'

const { O_CREAT, O_DSYNC, O_EXCL, O_RDONLY, O_RDWR } = constants
const FLAGS = {
  read: O_RDONLY,
  write: O_RDWR,
  create: O_RDWR | O_CREAT | O_EXCL,
  'create-synced': O_RDWR | O_CREAT | O_EXCL | O_DSYNC,
} as const

export const nodeFileSystem: FileSystem = {
  async open(path, mode) {
    return new NodeFile(await fs.open(path, FLAGS[mode], 0o644))
  },
  readFile: (path) => fs.readFile(path),
  list: (path) => fs.readdir(path),
  async stat(path) {
    try {
      const found = await fs.stat(path)
      return {
        sizeBytes: found.size,
        isDirectory: found.isDirectory(),
        modifiedMs: found.mtimeMs,
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
  },
  rename: (source, target) => fs.rename(source, target),
  unlink: (path) => fs.unlink(path),
  async makeDirectory(path) {
    await makeDirectories(path)
  },
  async syncDirectory(path) {
    const directory = await fs.open(path, O_RDONLY)
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  },
  async freeBytes(path) {
    const space = await fs.statfs(path)
    return space.bavail * space.bsize
  },
}

/** Not Node's own recursion: where a parent cannot be made (below /proc, say) that never ends. */
export async function makeDirectories(path: string): Promise<void> {
  try {
    await fs.mkdir(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await fs.stat(path)).isDirectory()) return
    const parent = dirname(path)
    if (code !== 'ENOENT' || parent === path) throw error
    await makeDirectories(parent)
    await fs.mkdir(path)
  }
}

class NodeFile implements File {
  readonly #handle: FileHandle

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async read(position: number, length: number, into?: Buffer): Promise<Buffer> {
    const bytes = into ?? Buffer.allocUnsafe(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(
        bytes,
        filled,
        length - filled,
        position + filled,
      )
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return bytes.subarray(0, filled)
  }

  async write(bytes: Buffer, position: number): Promise<void> {
    let written = 0
    while (written < bytes.length) {
      const left = bytes.length - written
      written += (await this.#handle.write(bytes, written, left, position + written)).bytesWritten
    }
  }

  datasync(): Promise<void> {
    return this.#handle.datasync()
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length)
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  chmod(mode: number): Promise<void> {
    return this.#handle.chmod(mode)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
