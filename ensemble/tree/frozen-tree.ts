/**
 * The tree as it was at one moment: its pages, shared with the live tree until that writes to them,
 * and copies of the small tables. Made by `Tree.freeze`, read by `SnapshotBodyWriter`.
 *
 * Invariant: nothing it names changes before `release`; after it nothing may be read.
 */
import { assert } from '../assert.ts'
import type { Acl } from '../protocol/acl.ts'
import type { BlobView } from './blob-pages.ts'

export type FrozenParts = {
  readonly lastZxid: bigint
  readonly treeDigest: bigint
  readonly nodeCount: number
  readonly nodes: readonly Int32Array[]
  readonly directories: readonly Int32Array[]
  readonly blobs: BlobView
  readonly owners: readonly bigint[]
  /** null for numbers that no node uses. */
  readonly acls: readonly (readonly Acl[] | null)[]
}

export class FrozenTree {
  readonly lastZxid: bigint
  readonly treeDigest: bigint
  /** As `srvr` counts: one more than there are nodes. */
  readonly nodeCount: number
  #parts: FrozenParts | null
  readonly #onRelease: () => void

  constructor(parts: FrozenParts, onRelease: () => void) {
    this.lastZxid = parts.lastZxid
    this.treeDigest = parts.treeDigest
    this.nodeCount = parts.nodeCount
    this.#parts = parts
    this.#onRelease = onRelease
  }

  get parts(): FrozenParts {
    assert(this.#parts !== null, 'a frozen view is read before its release')
    return this.#parts
  }

  /** Lets the live tree write to its pages again without copying. A second call does nothing. */
  release(): void {
    if (this.#parts === null) return
    this.#parts = null
    this.#onRelease()
  }
}
