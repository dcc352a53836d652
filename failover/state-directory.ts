/**
 * What a controller remembers across its own death: one JSON file, mode 0600, in the state
 * directory (H-2, H-14).
 *
 * Invariants:
 * 1. `update` resolves only when the new record is durable: contents first, then the name.
 * 2. `highestToken` never decreases.
 * 3. A record that cannot be read is an error, never an empty record: forgetting the highest token
 *    could activate a lock of a history that went back.
 */
import { assert } from '../ensemble/assert.ts'
import type { FileSystem } from '../ensemble/sys/file-system.ts'
import { replaceFile } from '../ensemble/sys/replace-file.ts'
import { decodeFields, tokenOf } from './group-nodes.ts'

export interface DurableRecord {
  readonly session: { readonly id: bigint; readonly password: Buffer } | null
  readonly highestToken: bigint
  /** The token that the service was last told to be active with; null after a confirmed stop. */
  readonly activeToken: bigint | null
  readonly breadcrumb: { readonly mzxid: bigint; readonly data: string } | null
  readonly servicePid: number | null
  /** When it was started, in the kernel's ticks. */
  readonly serviceStart: string | null
  /** Pids mean nothing after the host was started again. */
  readonly bootId: string | null
}

const EMPTY: DurableRecord = {
  session: null,
  highestToken: 0n,
  activeToken: null,
  breadcrumb: null,
  servicePid: null,
  serviceStart: null,
  bootId: null,
}

export class StateError extends Error {
  override readonly name = 'StateError'
}

export class StateDirectory {
  readonly #files: FileSystem
  readonly #directory: string
  readonly #path: string
  #record: DurableRecord = EMPTY
  /** Updates follow one another: each is durable before the next begins. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(files: FileSystem, place: { directory: string; group: string; member: string }) {
    this.#files = files
    this.#directory = place.directory
    this.#path = `${place.directory}/${place.group}-${place.member}.json`
  }

  get record(): DurableRecord {
    return this.#record
  }

  async open(): Promise<void> {
    await this.#files.makeDirectory(this.#directory)
    if ((await this.#files.stat(this.#path)) === null) return
    this.#record = decodeRecord(await this.#files.readFile(this.#path), this.#path)
  }

  /** Changes fields of the record; resolves once it is durable. */
  update(change: Partial<DurableRecord>): Promise<void> {
    const next = this.#last.then(async () => {
      const record = { ...this.#record, ...change }
      assert(record.highestToken >= this.#record.highestToken, 'the highest token never decreases')
      await replaceFile(this.#files, this.#directory, this.#path, Buffer.from(encodeRecord(record)))
      this.#record = record
    })
    this.#last = next.catch(() => {})
    return next
  }
}

function encodeRecord(record: DurableRecord): string {
  const { session, breadcrumb } = record
  const fields = {
    v: 1,
    session:
      session === null
        ? null
        : { id: session.id.toString(), password: session.password.toString('hex') },
    highestToken: record.highestToken.toString(),
    activeToken: record.activeToken === null ? null : record.activeToken.toString(),
    breadcrumb:
      breadcrumb === null ? null : { mzxid: breadcrumb.mzxid.toString(), data: breadcrumb.data },
    servicePid: record.servicePid,
    serviceStart: record.serviceStart,
    bootId: record.bootId,
  }
  return `${JSON.stringify(fields)}\n`
}

function decodeRecord(bytes: Buffer, path: string): DurableRecord {
  const fields = decodeFields(bytes)
  const highestToken = tokenOf(fields?.['highestToken'])
  if (fields === null || highestToken === null) {
    throw new StateError(
      `${path} is damaged: restore it, or remove it when no service of this group is active anywhere`,
    )
  }
  const session = fields['session'] as { id?: unknown; password?: unknown } | null | undefined // checked below
  const breadcrumb = fields['breadcrumb'] as { mzxid?: unknown; data?: unknown } | null | undefined // checked below
  const mzxid = tokenOf(breadcrumb?.mzxid)
  const { servicePid, serviceStart, bootId } = fields
  const isSession =
    typeof session?.id === 'string' &&
    /^-?[0-9]{1,20}$/.test(session.id) &&
    typeof session.password === 'string'
  return {
    session: isSession
      ? { id: BigInt(String(session.id)), password: Buffer.from(String(session.password), 'hex') }
      : null,
    highestToken,
    activeToken: tokenOf(fields['activeToken']),
    breadcrumb:
      mzxid !== null && typeof breadcrumb?.data === 'string'
        ? { mzxid, data: breadcrumb.data }
        : null,
    servicePid: typeof servicePid === 'number' ? servicePid : null,
    serviceStart: typeof serviceStart === 'string' ? serviceStart : null,
    bootId: typeof bootId === 'string' ? bootId : null,
  }
}
