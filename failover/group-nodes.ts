/**
 * The znodes of a generic group below `/howdah/<cluster>/groups/<group>`: paths and values.
 *
 * Values are JSON with `"v": 1`, times ISO 8601, tokens decimal strings. What is read was written
 * by another release, or by hand: it is checked here, once, into a precise type or null; unknown
 * fields survive an update. Source: toolkit.md 3, "Znodes of the generic group".
 */

export interface GroupPaths {
  readonly root: string
  readonly lock: string
  readonly lease: string
  readonly breadcrumb: string
  readonly members: string
  readonly config: string
  readonly history: string
  readonly requests: string
}

export function groupPaths(cluster: string, group: string): GroupPaths {
  const root = `/howdah/${cluster}/groups/${group}`
  return {
    root,
    lock: `${root}/lock`,
    lease: `${root}/lease`,
    breadcrumb: `${root}/breadcrumb`,
    members: `${root}/members`,
    config: `${root}/config`,
    history: `${root}/history`,
    requests: `${root}/requests`,
  }
}

/** Larger values are somebody else's: not read, and treated as unreadable. */
export const VALUE_BYTES_MAX = 64 * 1024

export interface LockValue {
  readonly member: string
  readonly address: string
}

export interface LeaseValue {
  readonly member: string
  readonly token: bigint
  /** 0: given back after a confirmed stop. */
  readonly leaseMs: number
  /** Tells this run of a controller from any other, also from a clone of its state directory. */
  readonly incarnation: string
}

export interface BreadcrumbValue {
  readonly member: string
  readonly address: string
  readonly token: bigint
  readonly incarnation: string
}

export interface MemberValue {
  readonly address: string
  readonly version: string
  readonly configDigest: string
  readonly configKeys: Readonly<Record<string, string>>
  readonly health: string
  readonly role: string
  readonly reportedRole: string
  readonly eligible: boolean
  readonly priority: number
  readonly pid: number | null
  readonly controllerPid: number | null
  readonly leaseMs: number | null
  readonly problems: readonly Problem[]
  readonly fencing: FencingStatus | null
}

export interface Problem {
  readonly code: string
  readonly message: string
  readonly since: string
}

export interface FencingStatus {
  readonly target: string
  readonly method: string
  readonly result: string
  readonly attempts: number
  readonly since: string
}

export interface ConfigValue {
  readonly paused: { readonly reason: string; readonly by: string } | null
  readonly drained: Readonly<Record<string, string>>
  readonly confirmedOff: readonly ConfirmedOff[]
}

/** An operator's word that a member is off, for one situation only (H-7). */
export interface ConfirmedOff {
  readonly member: string
  /** Version and token of the breadcrumb that it is for. */
  readonly breadcrumbVersion: number | null
  readonly token: bigint
  readonly by: string
  readonly at: string
}

export interface RequestValue {
  readonly id: string
  readonly from: string | null
  readonly to: string | null
  readonly at: string | null
  readonly by: string
  readonly allowUnhealthy: boolean
}

export interface HistoryValue {
  readonly from: string | null
  readonly to: string
  readonly token: bigint
  readonly reason: string
  readonly startedAt: string
  readonly activeAt: string
  readonly by: string
  readonly requestId: string | null
}

export type Fields = Readonly<Record<string, unknown>>

/** Writes a value: version first, then the fields; tokens become decimal text. */
export function encodeValue(fields: object, kept: Fields = {}): string {
  const text = JSON.stringify({ ...kept, v: 1, ...fields }, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  )
  return text
}

/** The fields of a value, or null when it is no JSON object of a format that we know. */
export function decodeFields(data: Buffer | null): Fields | null {
  if (data === null || data.length > VALUE_BYTES_MAX) return null
  let value: unknown
  try {
    value = JSON.parse(data.toString('utf8'))
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const fields = value as Fields // an object of JSON has string keys
  return fields['v'] === 1 ? fields : null
}

export function decodeLock(data: Buffer | null): LockValue | null {
  const fields = decodeFields(data)
  if (fields === null) return null
  const member = textOf(fields['member'])
  return member === null ? null : { member, address: textOf(fields['address']) ?? '' }
}

export function decodeLease(data: Buffer | null): LeaseValue | null {
  const fields = decodeFields(data)
  if (fields === null) return null
  const member = textOf(fields['member'])
  const token = tokenOf(fields['token'])
  const leaseMs = fields['leaseMs']
  if (member === null || token === null) return null
  if (typeof leaseMs !== 'number' || !Number.isFinite(leaseMs) || leaseMs < 0) return null
  return { member, token, leaseMs, incarnation: textOf(fields['incarnation']) ?? '' }
}

export function decodeBreadcrumb(data: Buffer | null): BreadcrumbValue | null {
  const fields = decodeFields(data)
  if (fields === null) return null
  const member = textOf(fields['member'])
  const token = tokenOf(fields['token'])
  if (member === null || token === null) return null
  return {
    member,
    token,
    address: textOf(fields['address']) ?? '',
    incarnation: textOf(fields['incarnation']) ?? '',
  }
}

export function decodeMember(data: Buffer | null): MemberValue | null {
  const fields = decodeFields(data)
  if (fields === null) return null
  const keys: Record<string, string> = {}
  for (const [key, value] of Object.entries(objectOf(fields['configKeys']))) {
    if (typeof value === 'string') keys[key] = value
  }
  const fencing = fields['fencing']
  return {
    address: textOf(fields['address']) ?? '',
    version: textOf(fields['version']) ?? '',
    configDigest: textOf(fields['configDigest']) ?? '',
    configKeys: keys,
    health: textOf(fields['health']) ?? 'initializing',
    role: textOf(fields['role']) ?? 'unknown',
    reportedRole: textOf(fields['reportedRole']) ?? 'unknown',
    eligible: fields['eligible'] === true,
    priority: numberOf(fields['priority']) ?? 0,
    pid: numberOf(fields['pid']),
    controllerPid: numberOf(fields['controllerPid']),
    leaseMs: numberOf(fields['leaseMs']),
    problems: arrayOf(fields['problems']).map((one) => {
      const problem = objectOf(one)
      return {
        code: textOf(problem['code']) ?? '',
        message: textOf(problem['message']) ?? '',
        since: textOf(problem['since']) ?? '',
      }
    }),
    fencing: fencing === null || fencing === undefined ? null : fencingOf(objectOf(fencing)),
  }
}

function fencingOf(fields: Fields): FencingStatus {
  return {
    target: textOf(fields['target']) ?? '',
    method: textOf(fields['method']) ?? '',
    result: textOf(fields['result']) ?? '',
    attempts: numberOf(fields['attempts']) ?? 0,
    since: textOf(fields['since']) ?? '',
  }
}

export function decodeConfig(data: Buffer | null): ConfigValue {
  const fields = decodeFields(data) ?? {}
  const paused = fields['paused']
  const drained: Record<string, string> = {}
  for (const [member, reason] of Object.entries(objectOf(fields['drained']))) {
    drained[member] = textOf(reason) ?? ''
  }
  const confirmedOff: ConfirmedOff[] = []
  for (const one of arrayOf(fields['confirmedOff'])) {
    const word = objectOf(one)
    const member = textOf(word['member'])
    const token = tokenOf(word['token'])
    if (member === null || token === null) continue
    confirmedOff.push({
      member,
      token,
      breadcrumbVersion: numberOf(word['breadcrumbVersion']),
      by: textOf(word['by']) ?? '',
      at: textOf(word['at']) ?? '',
    })
  }
  if (paused === undefined || paused === null || paused === false) {
    return { paused: null, drained, confirmedOff }
  }
  const why = objectOf(paused)
  return {
    paused: { reason: textOf(why['reason']) ?? '', by: textOf(why['by']) ?? '' },
    drained,
    confirmedOff,
  }
}

export function decodeRequest(data: Buffer | null): RequestValue | null {
  const fields = decodeFields(data)
  if (fields === null) return null
  const id = textOf(fields['id'])
  if (id === null) return null
  return {
    id,
    from: textOf(fields['from']),
    to: textOf(fields['to']),
    at: textOf(fields['at']),
    by: textOf(fields['by']) ?? '',
    allowUnhealthy: fields['allowUnhealthy'] === true,
  }
}

export function decodeHistory(data: Buffer | null): HistoryValue | null {
  const fields = decodeFields(data)
  if (fields === null) return null
  const to = textOf(fields['to'])
  if (to === null) return null
  return {
    to,
    from: textOf(fields['from']),
    token: tokenOf(fields['token']) ?? 0n,
    reason: textOf(fields['reason']) ?? '',
    startedAt: textOf(fields['startedAt']) ?? '',
    activeAt: textOf(fields['activeAt']) ?? '',
    by: textOf(fields['by']) ?? '',
    requestId: textOf(fields['requestId']),
  }
}

/** A token as decimal text, in [0, 2^63); null for anything else. */
export function tokenOf(value: unknown): bigint | null {
  if (typeof value !== 'string' || !/^(0|[1-9][0-9]{0,18})$/.test(value)) return null
  const token = BigInt(value)
  return token < 1n << 63n ? token : null
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value.length <= 4096 ? value : null
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

function objectOf(value: unknown): Fields {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject ? (value as Fields) : {} // an object of JSON has string keys
}

function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, 100) : []
}
