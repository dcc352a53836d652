/** The kinds of nodes, and which operation creates each. Source: CreateMode.java, 3.9.5. */
import type { Acl } from '../protocol/acl.ts'
import { Op } from '../protocol/op-codes.ts'
import {
  CreateMode as Flags,
  type CreateRequest,
  type CreateTtlRequest,
} from '../protocol/requests.ts'
import { acl as wellKnown } from './acl.ts'
import { ZkError } from './errors.ts'

export type CreateMode =
  | 'persistent'
  | 'ephemeral'
  | 'persistent-sequential'
  | 'ephemeral-sequential'
  | 'container'

/** A string is written as UTF-8; null and empty are different values. */
export type Data = Uint8Array | string | null

export interface CreateOptions {
  /** `persistent` when absent. */
  mode?: CreateMode | undefined
  /** `acl.openUnsafe` when absent. */
  acl?: readonly Acl[] | undefined
  /** Makes the node go some time after its last change, when it has no children; persistent modes only. */
  ttlMs?: number | undefined
  /** Creates missing ancestors, the chroot too, as persistent nodes with the same ACL. */
  parents?: boolean | undefined
  signal?: AbortSignal | undefined
}

const FLAGS = {
  persistent: Flags.persistent,
  ephemeral: Flags.ephemeral,
  'persistent-sequential': Flags.persistentSequential,
  'ephemeral-sequential': Flags.ephemeralSequential,
  container: Flags.container,
} as const satisfies Record<CreateMode, number>

export type CreateBody =
  | ({ type: typeof Op.create2 | typeof Op.createContainer } & CreateRequest)
  | ({ type: typeof Op.createTtl } & CreateTtlRequest)

/** @param path as the server knows it */
export function createBody(
  path: string,
  data: Data,
  mode: CreateMode,
  options: Pick<CreateOptions, 'acl' | 'ttlMs'>,
): CreateBody {
  const acl = [...(options.acl ?? wellKnown.openUnsafe)]
  const fields = { path, data: dataBytes(data), acl }
  if (options.ttlMs !== undefined) {
    return { type: Op.createTtl, ...fields, flags: ttlFlags(mode), ttl: BigInt(options.ttlMs) }
  }
  const flags = FLAGS[mode]
  if (flags === undefined)
    throw new ZkError('badArguments', { message: `unknown mode ${String(mode)}` })
  return { type: mode === 'container' ? Op.createContainer : Op.create2, ...fields, flags }
}

function ttlFlags(mode: CreateMode): number {
  if (mode === 'persistent') return Flags.persistentWithTtl
  if (mode === 'persistent-sequential') return Flags.persistentSequentialWithTtl
  throw new ZkError('badArguments', { message: `a node of mode ${mode} cannot have a TTL` })
}

export function dataBytes(data: Data): Buffer | null {
  if (data === null) return null
  if (typeof data === 'string') return Buffer.from(data)
  return Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}
