/**
 * The one table of the client protocol: what each op carries, what it is, and since when.
 * Dispatch, metrics, documentation and tests all read it.
 * Source: ZooDefs.OpCode, Request#isValid, zookeeper.jute, 3.9.5.
 */
import type { AnyRecord } from '../jute/record.ts'
import { ConnectResponse } from './connect.ts'
import { MultiRequest, MultiResponse } from './multi.ts'
import { Op, type OpName } from './op-codes.ts'
import * as replies from './replies.ts'
import * as requests from './requests.ts'
import * as watches from './watches.ts'

/**
 * Who answers an op: `read` from this server's tree; `write` by a transaction; `sync` after the
 * leader was heard; `local` from this server's watches; `connection` by the edge, outside of the
 * order of requests; `internal` servers only: a client that sends one is refused.
 */
export type OpKind = 'read' | 'write' | 'sync' | 'local' | 'connection' | 'internal'

export interface OpEntry {
  readonly code: number
  readonly kind: OpKind
  /** Body of the request; null: it has none. */
  readonly request: AnyRecord | null
  /** Body of a reply with err 0; null: it has none. */
  readonly reply: AnyRecord | null
  /** May be part of a multi (`write`) or of a multiRead (`read`). */
  readonly inMulti?: 'write' | 'read'
  /** First release that has it; absent: all that matter. */
  readonly since?: string
}

export const opTable = {
  notification: { code: Op.notification, kind: 'internal', request: null, reply: null },
  create: {
    code: Op.create,
    kind: 'write',
    request: requests.CreateRequest,
    reply: replies.CreateResponse,
    inMulti: 'write',
  },
  delete: {
    code: Op.delete,
    kind: 'write',
    request: requests.DeleteRequest,
    reply: null,
    inMulti: 'write',
  },
  exists: {
    code: Op.exists,
    kind: 'read',
    request: requests.ExistsRequest,
    reply: replies.ExistsResponse,
  },
  getData: {
    code: Op.getData,
    kind: 'read',
    request: requests.GetDataRequest,
    reply: replies.GetDataResponse,
    inMulti: 'read',
  },
  setData: {
    code: Op.setData,
    kind: 'write',
    request: requests.SetDataRequest,
    reply: replies.SetDataResponse,
    inMulti: 'write',
  },
  getAcl: {
    code: Op.getAcl,
    kind: 'read',
    request: requests.GetAclRequest,
    reply: replies.GetAclResponse,
  },
  setAcl: {
    code: Op.setAcl,
    kind: 'write',
    request: requests.SetAclRequest,
    reply: replies.SetAclResponse,
  },
  getChildren: {
    code: Op.getChildren,
    kind: 'read',
    request: requests.GetChildrenRequest,
    reply: replies.GetChildrenResponse,
    inMulti: 'read',
  },
  sync: {
    code: Op.sync,
    kind: 'sync',
    request: requests.SyncRequest,
    reply: replies.SyncResponse,
  },
  ping: { code: Op.ping, kind: 'read', request: null, reply: null },
  getChildren2: {
    code: Op.getChildren2,
    kind: 'read',
    request: requests.GetChildren2Request,
    reply: replies.GetChildren2Response,
    since: '3.3',
  },
  // Only inside a multi; at top level it is refused like an unknown op, and never logged.
  check: {
    code: Op.check,
    kind: 'internal',
    request: requests.CheckVersionRequest,
    reply: null,
    inMulti: 'write',
    since: '3.4',
  },
  multi: {
    code: Op.multi,
    kind: 'write',
    request: MultiRequest,
    reply: MultiResponse,
    since: '3.4',
  },
  create2: {
    code: Op.create2,
    kind: 'write',
    request: requests.CreateRequest,
    reply: replies.Create2Response,
    inMulti: 'write',
    since: '3.5',
  },
  reconfig: {
    code: Op.reconfig,
    kind: 'write',
    request: requests.ReconfigRequest,
    reply: replies.GetDataResponse,
    since: '3.5',
  },
  checkWatches: {
    code: Op.checkWatches,
    kind: 'local',
    request: watches.CheckWatchesRequest,
    reply: null,
    since: '3.5',
  },
  removeWatches: {
    code: Op.removeWatches,
    kind: 'local',
    request: watches.RemoveWatchesRequest,
    reply: null,
    since: '3.5',
  },
  createContainer: {
    code: Op.createContainer,
    kind: 'write',
    request: requests.CreateRequest,
    reply: replies.Create2Response,
    inMulti: 'write',
    since: '3.5',
  },
  deleteContainer: {
    code: Op.deleteContainer,
    kind: 'write',
    request: requests.DeleteContainerRequest,
    reply: null,
    since: '3.5',
  },
  createTtl: {
    code: Op.createTtl,
    kind: 'write',
    request: requests.CreateTtlRequest,
    reply: replies.Create2Response,
    inMulti: 'write',
    since: '3.5',
  },
  multiRead: {
    code: Op.multiRead,
    kind: 'read',
    request: MultiRequest,
    reply: MultiResponse,
    since: '3.6',
  },
  auth: { code: Op.auth, kind: 'connection', request: requests.AuthPacket, reply: null },
  setWatches: { code: Op.setWatches, kind: 'local', request: watches.SetWatches, reply: null },
  sasl: {
    code: Op.sasl,
    kind: 'connection',
    request: requests.GetSaslRequest,
    reply: replies.SetSaslResponse,
    since: '3.4',
  },
  getEphemerals: {
    code: Op.getEphemerals,
    kind: 'read',
    request: requests.GetEphemeralsRequest,
    reply: replies.GetEphemeralsResponse,
    since: '3.6',
  },
  getAllChildrenNumber: {
    code: Op.getAllChildrenNumber,
    kind: 'read',
    request: requests.GetAllChildrenNumberRequest,
    reply: replies.GetAllChildrenNumberResponse,
    since: '3.6',
  },
  setWatches2: {
    code: Op.setWatches2,
    kind: 'local',
    request: watches.SetWatches2,
    reply: null,
    since: '3.6',
  },
  addWatch: {
    code: Op.addWatch,
    kind: 'local',
    request: watches.AddWatchRequest,
    reply: replies.ErrorResponse,
    since: '3.6',
  },
  whoAmI: {
    code: Op.whoAmI,
    kind: 'read',
    request: null,
    reply: replies.WhoAmIResponse,
    since: '3.7',
  },
  createSession: {
    code: Op.createSession,
    kind: 'internal',
    request: requests.CreateSessionRequest,
    reply: ConnectResponse,
  },
  closeSession: { code: Op.closeSession, kind: 'write', request: null, reply: null },
  error: { code: Op.error, kind: 'internal', request: null, reply: null },
} as const satisfies { readonly [K in OpName]: OpEntry & { readonly code: (typeof Op)[K] } }

const byCode = new Map<number, OpEntry & { readonly name: OpName }>()
for (const [name, entry] of Object.entries(opTable)) {
  // True because the table has exactly the names of Op.
  byCode.set(entry.code, { ...entry, name: name as OpName })
}

/** The entry of an op code; undefined for numbers that are none. */
export function opEntry(code: number): (OpEntry & { readonly name: OpName }) | undefined {
  return byCode.get(code)
}

/** Whether a request of this type becomes a transaction; false for unknown types. */
export function isWrite(code: number): boolean {
  return byCode.get(code)?.kind === 'write'
}
