/** The text of `howdah check zoo.cfg --explain KEY`: what a key of Apache's does, its default, its value here. */
import { readFileSync } from 'node:fs'
import { families, knownKeys, parseZooCfg, type Origin } from '../../ensemble/config/index.ts'
import { didYouMean } from './problem.ts'
import { flagsOf, type ServerFileOptions } from './server-file.ts'

export function explainZooKey(
  given: string,
  file: string,
  options: Pick<ServerFileOptions, 'env' | 'properties'>,
): { text: string } | { suggestion: string | undefined } {
  const key = knownKeys.has(given) ? given : given.replace(/^zookeeper\./, '')
  const known = knownKeys.get(key)
  if (known === undefined) {
    const family = Object.values(families).find(({ prefix }) => key.startsWith(prefix))
    if (family !== undefined) return { text: `${family.prefix}NAME\n  ${family.help}` }
    return { suggestion: didYouMean(key, knownKeys.keys()) }
  }
  const { setting, property, isInFile } = known
  const text = readFileSync(file, 'utf8')
  const { settings, origins } = parseZooCfg(text, file, { flags: flagsOf(options) })
  const origin = origins.get(key) ?? 'default'
  const value = setting.isSecret === true ? '(not shown)' : valueOf(settings, key)
  const lines = [
    key,
    `  ${setting.help}`,
    `  given by: ${[isInFile ? `${key}= in the file` : '', property === null ? '' : `-D${property}=`].filter((way) => way !== '').join(', or ')}`,
    `  default: ${shown(setting.fallback)}`,
    `  here: ${origin === 'default' ? 'not given' : `${shown(value)}   from ${placeOf(origin)}`}`,
  ]
  if (setting.isUnused === true) lines.push('  It has no effect here.')
  if (setting.isForEnsembles === true) lines.push('  It matters between servers only.')
  return { text: lines.join('\n') }
}

/** Keys of TLS are in tables of their own. */
function valueOf(settings: ReturnType<typeof parseZooCfg>['settings'], key: string): unknown {
  const [, quorum, bare = key] = /^ssl\.(quorum\.)?(.*)$/.exec(key) ?? []
  const table =
    bare === key ? settings : quorum === undefined ? settings.clientTls : settings.quorumTls
  // The tables of keys and of settings have the same names.
  return (table as unknown as Readonly<Record<string, unknown>>)[bare]
}

function placeOf(origin: Exclude<Origin, 'default'>): string {
  return origin === 'flag' ? '-D' : `${origin.file}:${origin.line}`
}

function shown(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'none'
  if (Array.isArray(value)) return value.join(',')
  return typeof value === 'string' ? value : JSON.stringify(value)
}
