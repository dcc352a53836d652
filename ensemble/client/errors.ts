/**
 * What the client throws: the outcomes that the protocol names, and whether the operation happened.
 *
 * Invariant: `outcome` is `notDone` only when a server said so, or when the request never left this
 * process (I-21); in every other case it is `unknown`.
 */
import { codeName, type CodeName } from '../protocol/error-codes.ts'

export type Outcome = 'notDone' | 'unknown'

export interface ZkErrorContext extends ErrorOptions {
  /** As the caller wrote it, below the chroot. */
  path?: string | undefined
  outcome?: Outcome
  /** Which operation of a transaction failed, from 0. */
  opIndex?: number
  /** Replaces the message made of code and path. */
  message?: string
}

/** Codes after which nobody can know, unless the thrower knows more. */
const UNKNOWN_BY_DEFAULT: ReadonlySet<string> = new Set([
  'connectionLoss',
  'operationTimeout',
  'requestTimeout',
  'systemError',
  'dataInconsistency',
])

/**
 * An outcome that the protocol names. Branch on `code`; the message is for people. `connectionLoss`
 * with outcome `unknown`: read before trying again.
 */
export class ZkError extends Error {
  override readonly name = 'ZkError'
  readonly code: CodeName
  readonly path: string | undefined
  readonly outcome: Outcome
  readonly opIndex: number | undefined

  constructor(code: CodeName, context: ZkErrorContext = {}) {
    const outcome = context.outcome ?? (UNKNOWN_BY_DEFAULT.has(code) ? 'unknown' : 'notDone')
    super(messageOf(code, context, outcome), 'cause' in context ? { cause: context.cause } : {})
    this.code = code
    this.path = context.path
    this.outcome = outcome
    this.opIndex = context.opIndex
  }
}

function messageOf(code: CodeName, context: ZkErrorContext, outcome: Outcome): string {
  const at = context.path === undefined ? '' : ` at ${context.path}`
  const which = context.opIndex === undefined ? '' : ` in operation ${context.opIndex}`
  const detail = context.message === undefined ? '' : `: ${context.message}`
  const unknown = outcome === 'unknown' ? '; whether it was done is unknown' : ''
  return `${code}${at}${which}${detail}${unknown}`
}

/** The name of a reply's code; one that this release does not know counts as `systemError`. */
export function codeNameOf(err: number): CodeName {
  return codeName(err) ?? 'systemError'
}
