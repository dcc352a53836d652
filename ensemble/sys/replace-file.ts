/** Replaces a small file of its owner alone as a whole: after a crash it is the old one or the new one. */
import type { FileSystem } from './file-system.ts'

/** Resolves once the new contents are durable under `path`, which lies in `directory`; mode 0600. */
export async function replaceFile(
  files: FileSystem,
  directory: string,
  path: string,
  bytes: Buffer,
): Promise<void> {
  const temporary = `${path}.new`
  if ((await files.stat(temporary)) !== null) await files.unlink(temporary)
  const file = await files.open(temporary, 'create')
  try {
    await file.chmod(0o600)
    await file.write(bytes, 0)
    await file.datasync()
  } finally {
    await file.close()
  }
  await files.rename(temporary, path)
  await files.syncDirectory(directory)
}
