/**
 * Why a command of the shell failed: one line for stderr, and an exit code. Source: CliException,
 * CliWrapperException, KeeperException, 3.9.5, whose texts scripts look for.
 */
import { Code, codeMessage, type CodeName, type ZkError } from '../../ensemble/client/index.ts'

export const COMMAND_NOT_FOUND = 127
export const INTERRUPTED = 130

export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: number

  constructor(message: string, exitCode = 1, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

/** Of errors that zkCli has words for; `null` stands where the path is. */
const TEXTS: Partial<Record<CodeName, string>> = {
  noNode: 'Node does not exist: ',
  noChildrenForEphemerals: 'Ephemerals cannot have children: ',
  nodeExists: 'Node already exists: ',
  notEmpty: 'Node not empty: ',
  notReadOnly: 'Not a read-only call: ',
  invalidAcl: 'Acl is not valid : ',
  noAuth: 'Insufficient permission : ',
  badArguments: 'Arguments are not valid : ',
  badVersion: 'version No is not valid : ',
  quotaExceeded: 'Quota has exceeded : ',
}
const RECONFIG_TEXTS: Partial<Record<CodeName, string>> = {
  reconfigInProgress:
    'Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)',
  newConfigNoQuorum:
    'No quorum of new config is connected and up-to-date with the leader of last commmitted config - try invoking reconfiguration after new servers are connected and synced',
}

/** What zkCli prints for an error of an operation. */
export function errorText(error: ZkError): string {
  const reconfig = RECONFIG_TEXTS[error.code]
  if (reconfig !== undefined) return reconfig
  const text = TEXTS[error.code]
  if (text === undefined) return keeperMessage(error)
  // Refused before it was sent: only the client knows why.
  const why = error.code === 'badArguments' && error.cause instanceof Error ? error.cause : null
  return `${text}${error.path ?? 'null'}${why === null ? '' : ` (${why.message})`}`
}

/** Java's own message: `KeeperErrorCode = NoAuth for /a`. */
export function keeperMessage(error: ZkError): string {
  return codeMessage(Code[error.code], error.path ?? null)
}
