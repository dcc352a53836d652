/**
 * One process per directory: two servers would write one log, two controllers one record of tokens.
 *
 * The lock is a listening socket in Linux's abstract namespace, named for the directory's device and
 * inode: the kernel frees it when its owner ends, however it ends, so it is never stale. Elsewhere, and
 * between containers, it protects from nothing.
 */
import { stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { sha1 } from './hash.ts'
import { makeDirectories } from './node-file-system.ts'

/**
 * Locks a directory, which is made if it is missing, or one use of it by name.
 *
 * @returns what frees the lock; null when another process has it
 */
export async function lockDirectory(
  directory: string,
  use = '',
): Promise<(() => Promise<void>) | null> {
  await makeDirectories(directory)
  if (process.platform !== 'linux') return async () => {}
  const found = await stat(directory)
  const server = createServer((socket) => socket.destroy())
  server.unref()
  const isOurs = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false)
      else reject(error)
    })
    // An abstract name has 107 bytes at most.
    const suffix = sha1(Buffer.from(use)).toString('hex')
    server.listen(`\0howdah-${found.dev}-${found.ino}-${suffix}`, () => resolve(true))
  })
  if (!isOurs) return null
  return () => new Promise((resolve) => server.close(() => resolve()))
}
