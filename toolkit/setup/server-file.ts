/**
 * The settings of one server, from a `zoo.cfg` or from the YAML. The YAML's server is written out as
 * the zoo.cfg that it stands for, so that both go through one parser with one set of defaults.
 */
import { isLoopback } from './check.ts'
import type { SetUp } from './schema.ts'

export interface ServerFileOptions {
  /** Which server of the YAML. */
  readonly sid: number | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** -Dname=value */
  readonly properties: ReadonlyMap<string, string>
}

export function isYaml(path: string): boolean {
  return /\.ya?ml$/i.test(path)
}

export function checkServerFile(_path: string, _options: ServerFileOptions): { notes: string[] } {
  return { notes: [] }
}

/** The zoo.cfg that server `sid` of a set-up stands for; paths absolute by `resolve`. */
export function zooCfgOf(setUp: SetUp, sid: number, resolve: (path: string) => string): string {
  const server = setUp.ensemble.servers?.[sid]
  if (server === undefined) throw new RangeError(`no server ${sid}`)
  const lines = [
    ...Object.entries(setUp.ensemble.settings ?? {}),
    ['dataDir', resolve(server.dataDir)],
    ...(server.dataLogDir === undefined ? [] : [['dataLogDir', resolve(server.dataLogDir)]]),
    ['clientPort', String(server.ports.client)],
    // A server of a set-up on loopback is not for the rest of the network.
    ...(isLoopback(server.host) ? [['clientPortAddress', server.host]] : []),
  ]
  return lines.map(([key, value]) => `${escaped(key ?? '')}=${escaped(value ?? '')}\n`).join('')
}

/** Escapes for the properties format of Java. */
function escaped(text: string): string {
  return text.replace(/[\\\n\r]/g, (character) =>
    character === '\\' ? '\\\\' : character === '\n' ? '\\n' : '\\r',
  )
}
