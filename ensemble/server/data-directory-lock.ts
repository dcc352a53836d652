/**
 * One server per data directory: two of them would write one log.
 *
 * The lock is a listening socket in Linux's abstract namespace, named for the directory's device and
 * inode: the kernel frees it when its owner ends, however it ends, so it is never stale. Elsewhere, and
 * between containers, it protects from nothing.
 */
import { stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { StoreError } from '../store/store-error.ts'

/** @returns what frees the lock; @throws StoreError when another server has the directory */
export async function lockDataDirectory(directory: string): Promise<() => Promise<void>> {
  if (process.platform !== 'linux') return async () => {}
  const found = await stat(directory)
  const server = createServer((socket) => socket.destroy())
  server.unref()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') return reject(error)
      const why =
        'another server is running on this data directory: stop it, or use another dataDir'
      reject(new StoreError(why, { file: directory }))
    })
    server.listen(`\0howdah-data-${found.dev}-${found.ino}`, resolve)
  })
  return () => new Promise((resolve) => server.close(() => resolve()))
}
