/** Transactions for store tests, with the digests that a leader would give them. */
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import type { Txn, TxnBody, TxnDigest } from '../../../ensemble/protocol/transactions.ts'
import type { Store } from '../../../ensemble/store/store.ts'
import type { Tree } from '../../../ensemble/tree/tree.ts'

export const OPEN_ACL = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]

export function txnOf(zxid: bigint, body: TxnBody, clientId = 0x1000n): Txn {
  return { clientId, cxid: Number(zxid & 0xffffn), zxid, time: 1_700_000_000_000, ...body }
}

export function create(path: string, data: Buffer | string = '', parentCVersion = 1): TxnBody {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data
  return { type: Op.create, path, data: bytes, acl: OPEN_ACL, ephemeral: false, parentCVersion }
}

export function setData(path: string, data: Buffer | string, version: number): TxnBody {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data
  return { type: Op.setData, path, data: bytes, version }
}

/** Applies a transaction and appends it with its digest, as a leader's pipeline does. */
export function applyAndAppend(tree: Tree, store: Store, txn: Txn): void {
  tree.apply(txn, null)
  const digest: TxnDigest = { version: 2, treeDigest: BigInt.asIntN(64, tree.treeDigest) }
  store.appendTxn(txn, digest)
}
