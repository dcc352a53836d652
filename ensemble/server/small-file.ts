/** Replaces a small file as a whole: after a crash it is the old one or the new one. */
import { join } from '../sys/paths.ts'
import type { FileSystem } from '../sys/file-system.ts'

export async function replaceSmallFile(
  files: FileSystem,
  directory: string,
  name: string,
  bytes: Buffer,
): Promise<void> {
  const path = join(directory, name)
  const temporary = `${path}.tmp`
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
