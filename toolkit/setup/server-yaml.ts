/**
 * What `howdah server` reads of a YAML: one server of the set-up, written out as the zoo.cfg that it
 * stands for, so that both go through one parser with one set of defaults.
 *
 * A file of its own, loaded where there is a YAML: a server of a zoo.cfg starts without its parser.
 */
import { resolve } from 'node:path'
import { parseZooCfg } from '../../ensemble/config/index.ts'
import { isLoopback, locate } from './check.ts'
import { loadSetUp, redacted, withoutSecrets, type LoadedSetUp } from './load.ts'
import { SetUpError, type Problem } from './problem.ts'
import { finished, flagsOf, type ServerFile, type ServerFileOptions } from './server-file.ts'

/** Keys that name files: relative paths start at the YAML, as everywhere in it. */
const FILES = /^(howdah\.saslUsersFile|ssl\.(quorum\.)?(key|trust)Store\.(location|passwordPath))$/

/** @throws SetUpError with every problem; the system's error when the file cannot be read */
export function readYamlServerFile(file: string, options: ServerFileOptions): ServerFile {
  return readYamlServer(loadSetUp(file, options.env), { ...options, file })
}

export function readYamlServer(
  { setUp, directory, origins, secrets }: LoadedSetUp,
  options: ServerFileOptions & { readonly file: string },
): ServerFile {
  const { file } = options
  const servers = setUp.ensemble.servers ?? {}
  const sids = Object.keys(servers)
  const sid = options.sid === null && sids.length === 1 ? sids[0] : String(options.sid ?? '')
  const server = sid === undefined ? undefined : servers[sid]
  if (sid === undefined || server === undefined) {
    const expected = sids.length === 0 ? 'ensemble.servers' : `--sid ${sids.join(', --sid ')}`
    const what = sids.length === 0 ? 'the set-up has no servers to run' : 'which server?'
    throw new SetUpError([locate({ path: 'ensemble', what, expected }, file, origins)])
  }
  const own = `ensemble.servers.${sid}`
  const { ports, dataDir, dataLogDir, host } = server
  const lines: { key: string; value: string; path: string }[] = [
    ...Object.entries(setUp.ensemble.settings ?? {}).map(([key, value]) => ({
      key,
      value: FILES.test(key) ? resolve(directory, value) : value,
      path: `ensemble.settings.${key}`,
    })),
    { key: 'dataDir', value: resolve(directory, dataDir), path: `${own}.dataDir` },
    ...(dataLogDir === undefined
      ? []
      : [{ key: 'dataLogDir', value: resolve(directory, dataLogDir), path: `${own}.dataLogDir` }]),
    { key: 'clientPort', value: String(ports.client), path: `${own}.ports.client` },
    // A server on loopback is not for the rest of the network.
    ...(isLoopback(host) ? [{ key: 'clientPortAddress', value: host, path: `${own}.host` }] : []),
  ]
  const text = lines.map(({ key, value }) => `${escaped(key)}=${escaped(value)}\n`).join('')
  const parsed = parseZooCfg(text, file, { flags: flagsOf(options) })
  const place = (problem: Problem): Problem => {
    const path = lines[problem.line - 1]?.path ?? own
    const { line: _line, column: _column, file: _file, ...said } = problem
    return locate({ path, ...said }, file, origins)
  }
  const problems = redacted(parsed.problems.map(place), secrets)
  const notes = redacted(parsed.notes.map(place), secrets)
  const given = [...parsed.origins].map(([key, origin]) => {
    const path = typeof origin === 'object' ? (lines[origin.line - 1]?.path ?? own) : null
    if (path === null) return [key, origin] as const
    return [key, locate({ path, what: '' }, file, origins)] as const
  })
  const finishedFile = finished({ ...parsed, problems, notes, origins: new Map(given) }, file, text)
  const { settings } = finishedFile
  // Values that came from `${…}` are shown to nobody, whatever their key is called (S-16).
  const hide = (shown: string): string => withoutSecrets(shown, secrets)
  const systemProperties = settings.systemProperties?.map(
    ([name, value]) => [name, hide(value)] as const,
  )
  return {
    notes: finishedFile.notes,
    placeOf: (key) => {
      const path = `ensemble.settings.${key}`
      const { line, column } = locate({ path, what: '' }, file, origins)
      return { file, line, column }
    },
    settings: {
      ...settings,
      initialConfiguration: hide(settings.initialConfiguration ?? ''),
      systemProperties: systemProperties ?? [],
    },
  }
}

/** Escapes for the properties format of Java. */
function escaped(text: string): string {
  return text.replace(/[\\\n\r]/g, (character) =>
    character === '\\' ? '\\\\' : character === '\n' ? '\\n' : '\\r',
  )
}
