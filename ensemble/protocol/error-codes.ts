/**
 * The error codes of a reply header and of an error transaction, with Java's texts.
 *
 * Tools parse the texts: `KeeperErrorCode = <text>`, then ` for <path>` when a path is known.
 * Source: KeeperException.Code and #getCodeMessage, 3.9.5; the four marked are the C client's own.
 */
export const Code = {
  ok: 0,
  systemError: -1, // border of the system range, never sent
  runtimeInconsistency: -2, // in a failed multi: the ops after the failing one
  dataInconsistency: -3,
  connectionLoss: -4, // client only: whether it happened is unknown
  marshallingError: -5, // the request could not be decoded or processed
  unimplemented: -6,
  operationTimeout: -7, // client only
  badArguments: -8,
  invalidState: -9, // C client only
  unknownSession: -12, // never sent: the request is dropped
  newConfigNoQuorum: -13,
  reconfigInProgress: -14,
  sslConnectionError: -15, // C client only
  apiError: -100, // border of the API range, never sent
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  noChildrenForEphemerals: -108,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  invalidCallback: -113, // client only
  invalidAcl: -114,
  authFailed: -115,
  closing: -116, // C client only
  nothing: -117, // C client only
  sessionMoved: -118, // never sent: the connection is closed
  notReadOnly: -119,
  ephemeralOnLocalSession: -120,
  noWatcher: -121,
  requestTimeout: -122, // client only
  reconfigDisabled: -123,
  sessionClosedRequireSaslAuth: -124,
  quotaExceeded: -125,
  throttledOp: -127,
} as const

export type CodeName = keyof typeof Code
export type CodeNumber = (typeof Code)[CodeName]

/** Java's text of each code; the C client's own codes have none. */
export const codeTexts: { readonly [K in CodeName]: string | null } = {
  ok: 'ok',
  systemError: 'SystemError',
  runtimeInconsistency: 'RuntimeInconsistency',
  dataInconsistency: 'DataInconsistency',
  connectionLoss: 'ConnectionLoss',
  marshallingError: 'MarshallingError',
  unimplemented: 'Unimplemented',
  operationTimeout: 'OperationTimeout',
  badArguments: 'BadArguments',
  invalidState: null,
  unknownSession: 'Unknown error UNKNOWNSESSION',
  newConfigNoQuorum: 'NewConfigNoQuorum',
  reconfigInProgress: 'ReconfigInProgress',
  sslConnectionError: null,
  apiError: 'APIError',
  noNode: 'NoNode',
  noAuth: 'NoAuth',
  badVersion: 'BadVersion',
  noChildrenForEphemerals: 'NoChildrenForEphemerals',
  nodeExists: 'NodeExists',
  notEmpty: 'Directory not empty',
  sessionExpired: 'Session expired',
  invalidCallback: 'Invalid callback',
  invalidAcl: 'InvalidACL',
  authFailed: 'AuthFailed',
  closing: null,
  nothing: null,
  sessionMoved: 'Session moved',
  notReadOnly: 'Not a read-only call',
  ephemeralOnLocalSession: 'Ephemeral node on local session',
  noWatcher: 'No such watcher',
  requestTimeout: 'Unknown error REQUESTTIMEOUT',
  reconfigDisabled: 'Reconfig is disabled',
  sessionClosedRequireSaslAuth: 'Session closed because client failed to authenticate',
  quotaExceeded: 'Quota has exceeded',
  throttledOp: 'Op throttled due to high load',
}

// True because Object.entries loses the literal types of an object that nothing else extends.
const names = new Map<number, CodeName>(
  (Object.entries(Code) as [CodeName, CodeNumber][]).map(([name, code]) => [code, name]),
)

/** The name of an error code, undefined for numbers that are none. */
export function codeName(code: number): CodeName | undefined {
  return names.get(code)
}

/** What Java's KeeperException says: `KeeperErrorCode = NoNode for /a`. */
export function codeMessage(code: number, path: string | null = null): string {
  const name = codeName(code)
  const text = (name === undefined ? null : codeTexts[name]) ?? `Unknown error ${code}`
  return `KeeperErrorCode = ${text}${path === null || path === '' ? '' : ` for ${path}`}`
}
