/** What the declarations infer: `npm run check` fails when a type changes. */
import { expectTypeOf } from 'vitest'
import type { Acl } from '../../../ensemble/protocol/acl.ts'
import type { ConnectRequest } from '../../../ensemble/protocol/connect.ts'
import type { MultiOp, MultiResult } from '../../../ensemble/protocol/multi.ts'
import type { Op } from '../../../ensemble/protocol/op-codes.ts'
import { opTable } from '../../../ensemble/protocol/op-table.ts'
import type { GetChildrenResponse } from '../../../ensemble/protocol/replies.ts'
import { SetDataRequest, type CreateRequest } from '../../../ensemble/protocol/requests.ts'
import type { Stat } from '../../../ensemble/protocol/stat.ts'
import type { Txn } from '../../../ensemble/protocol/transactions.ts'

expectTypeOf<Acl>().toEqualTypeOf<{
  perms: number
  id: { scheme: string | null; id: string | null }
}>()
expectTypeOf<CreateRequest>().toEqualTypeOf<{
  path: string | null
  data: Buffer | null
  acl: Acl[] | null
  flags: number
}>()
expectTypeOf<GetChildrenResponse['children']>().toEqualTypeOf<(string | null)[] | null>()
expectTypeOf<Stat['czxid']>().toEqualTypeOf<bigint>()
expectTypeOf<Stat['mtime']>().toEqualTypeOf<number>()
expectTypeOf<ConnectRequest['readOnly']>().toEqualTypeOf<boolean | undefined>()

// What is written may be read-only, and any byte array will do.
expectTypeOf(SetDataRequest.encode).toBeCallableWith({
  path: '/a',
  data: new Uint8Array(1),
  version: -1,
} as const)

// The table keeps the type of each op.
expectTypeOf(opTable.setData.request.decode).returns.toEqualTypeOf<SetDataRequest>()
expectTypeOf(opTable.ping.request).toEqualTypeOf<null>()

// Unions are told apart by type.
expectTypeOf<Extract<Txn, { type: typeof Op.closeSession }>['paths']>().toEqualTypeOf<
  string[] | null
>()
expectTypeOf<Extract<MultiOp, { type: typeof Op.check }>['version']>().toEqualTypeOf<number>()
expectTypeOf<Extract<MultiResult, { type: typeof Op.error }>['err']>().toEqualTypeOf<number>()
