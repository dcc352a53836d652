/**
 * Whether and how `howdah cli` speaks TLS: Java's flags and the file of `-client-configuration`, as for
 * zkCli.sh. What the file says counts before the flags.
 *
 * Source: ZKClientConfig, ClientX509Util, 3.9.5. Other than there, `zookeeper.clientCnxnSocket` needs
 * not be set for it.
 */
import { readFileSync } from 'node:fs'
import { parseProperties, parseZooCfg } from '../../ensemble/config/index.ts'
import type { TlsSettings } from '../../ensemble/tls/index.ts'
import { SetUpError } from './problem.ts'
import { tlsSettingsOf } from './server-tls.ts'

const SECURE = 'zookeeper.client.secure'
const PREFIX = 'zookeeper.'

/**
 * @param flags `-D` words of CLIENT_JVMFLAGS and JVMFLAGS
 * @param path of `-client-configuration`; null without
 * @returns null: no TLS
 * @throws SetUpError; the system's error when the file cannot be read
 */
export function clientTls(flags: string, path: string | null): TlsSettings | null {
  const file = path ?? 'CLIENT_JVMFLAGS'
  const { entries, problems: misread } =
    path === null
      ? { entries: [], problems: [] }
      : parseProperties(readFileSync(path, 'utf8'), path)
  const inFile = new Map(entries.map(({ key, value }) => [key, value]))
  const inFlags = new RegExp(`(?:^|\\s)-D${SECURE.replaceAll('.', '\\.')}=(\\S*)`).exec(flags)?.[1]
  if ((inFile.get(SECURE) ?? inFlags)?.toLowerCase() !== 'true') return null
  // The server's parser knows the keys; the line breaks keep the places of those of the file.
  let text = ''
  let line = 1
  for (const entry of entries) {
    if (!entry.key.startsWith(`${PREFIX}ssl.`)) continue
    text += '\n'.repeat(Math.max(0, entry.line - line))
    text += `${entry.key.slice(PREFIX.length)}=${entry.value.replaceAll('\\', '\\\\')}`
    line = Math.max(line, entry.line)
  }
  const parsed = parseZooCfg(text, file, { flags })
  const problems = parsed.problems.filter(({ what }) => what.startsWith('ssl.'))
  if (misread.length + problems.length > 0) throw new SetUpError([...misread, ...problems])
  return tlsSettingsOf(parsed.settings.clientTls)
}
