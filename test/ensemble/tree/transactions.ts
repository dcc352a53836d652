/** Short ways to write transactions down in tests. */
import type { Acl } from '../../../ensemble/protocol/acl.ts'
import type { CreateTxnBody, Txn, TxnBody } from '../../../ensemble/protocol/transactions.ts'

export const OPEN: Acl[] = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
export const SESSION = 0x1000020ff3f0000n

export function txn(zxid: bigint, body: TxnBody, clientId = SESSION): Txn {
  return { clientId, cxid: 1, zxid, time: 1_000_000 + Number(zxid), ...body }
}

export function create(path: string, given: Partial<CreateTxnBody> = {}): TxnBody {
  const data = Buffer.from('x')
  return { type: 1, path, data, acl: OPEN, ephemeral: false, parentCVersion: -1, ...given }
}

export function setData(path: string, text: string, version: number): TxnBody {
  return { type: 5, path, data: Buffer.from(text), version }
}
