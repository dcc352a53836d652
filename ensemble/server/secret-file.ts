/**
 * The secret behind session passwords: 32 bytes in a file that only its owner may read, beside
 * `version-2`, made at the first start (S-20). Lost, it only costs clients their running sessions.
 */
import { join } from '../sys/paths.ts'
import type { Sys } from '../sys/sys.ts'
import { replaceFile } from '../sys/replace-file.ts'

const NAME = 'howdah.secret'
const SECRET_BYTES = 32

export async function readSecret(
  dataDir: string,
  { files, random }: Pick<Sys, 'files' | 'random'>,
): Promise<Buffer> {
  const path = join(dataDir, NAME)
  const found = await files.stat(path)
  if (found !== null && found.sizeBytes === SECRET_BYTES) return files.readFile(path)
  if (found !== null) await files.unlink(path)
  const secret = random.secureBytes(SECRET_BYTES)
  await replaceFile(files, dataDir, path, secret)
  return secret
}
