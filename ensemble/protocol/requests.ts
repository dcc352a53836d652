/**
 * Bodies of the requests, behind a RequestHeader; those about watches are in `watches.ts`, multi is
 * in `multi.ts`. Source: zookeeper.jute (module proto), 3.9.5.
 */
import { bool, buffer, int, long, record, string, type Infer } from '../jute/record.ts'
import { AclList } from './acl.ts'

export const RequestHeader = record('RequestHeader', {
  xid: int, // echoed by the reply; see Xid
  type: int, // op code
})
export type RequestHeader = Infer<typeof RequestHeader>

/** Xids with a meaning. Every other one, 0 and negative ones too, is only echoed. */
export const Xid = {
  notification: -1, // server to client only
  ping: -2, // the reply to a ping has it whatever the request had
  auth: -4,
  setWatches: -8, // a convention of some clients; the server echoes any
} as const

export const CreateRequest = record('CreateRequest', {
  path: string,
  data: buffer,
  acl: AclList,
  flags: int, // CreateMode
})
export type CreateRequest = Infer<typeof CreateRequest>

/** The `flags` of a create. Source: CreateMode.java */
export const CreateMode = {
  persistent: 0,
  ephemeral: 1,
  persistentSequential: 2,
  ephemeralSequential: 3,
  container: 4,
  persistentWithTtl: 5,
  persistentSequentialWithTtl: 6,
} as const

export const CreateTtlRequest = record('CreateTTLRequest', {
  path: string,
  data: buffer,
  acl: AclList,
  flags: int,
  ttl: long, // milliseconds, 1 to 0xffffffffff
})
export type CreateTtlRequest = Infer<typeof CreateTtlRequest>

export const DeleteRequest = record('DeleteRequest', {
  path: string,
  version: int, // -1 matches any
})
export type DeleteRequest = Infer<typeof DeleteRequest>

/** Apache codes the path as a buffer: the same bytes. */
export const DeleteContainerRequest = record('DeleteContainerRequest', {
  path: string,
})
export type DeleteContainerRequest = Infer<typeof DeleteContainerRequest>

export const ExistsRequest = record('ExistsRequest', {
  path: string,
  watch: bool,
})
export type ExistsRequest = Infer<typeof ExistsRequest>

export const GetDataRequest = record('GetDataRequest', {
  path: string,
  watch: bool,
})
export type GetDataRequest = Infer<typeof GetDataRequest>

export const SetDataRequest = record('SetDataRequest', {
  path: string,
  data: buffer,
  version: int, // -1 matches any
})
export type SetDataRequest = Infer<typeof SetDataRequest>

export const GetAclRequest = record('GetACLRequest', {
  path: string,
})
export type GetAclRequest = Infer<typeof GetAclRequest>

export const SetAclRequest = record('SetACLRequest', {
  path: string,
  acl: AclList,
  version: int, // of the ACL; -1 matches any
})
export type SetAclRequest = Infer<typeof SetAclRequest>

export const GetChildrenRequest = record('GetChildrenRequest', {
  path: string,
  watch: bool,
})
export type GetChildrenRequest = Infer<typeof GetChildrenRequest>

export const GetChildren2Request = record('GetChildren2Request', {
  path: string,
  watch: bool,
})
export type GetChildren2Request = Infer<typeof GetChildren2Request>

export const SyncRequest = record('SyncRequest', {
  path: string, // has no influence and is echoed, null too
})
export type SyncRequest = Infer<typeof SyncRequest>

/** Only inside a multi: at top level a server must refuse it, and never log it. */
export const CheckVersionRequest = record('CheckVersionRequest', {
  path: string,
  version: int, // -1 matches any
})
export type CheckVersionRequest = Infer<typeof CheckVersionRequest>

export const ReconfigRequest = record('ReconfigRequest', {
  joiningServers: string, // each of the three may be null
  leavingServers: string,
  newMembers: string,
  curConfigId: long, // -1 matches any
})
export type ReconfigRequest = Infer<typeof ReconfigRequest>

export const AuthPacket = record('AuthPacket', {
  type: int, // 0, ignored
  scheme: string,
  auth: buffer,
})
export type AuthPacket = Infer<typeof AuthPacket>

export const GetSaslRequest = record('GetSASLRequest', {
  token: buffer,
})
export type GetSaslRequest = Infer<typeof GetSaslRequest>

export const GetEphemeralsRequest = record('GetEphemeralsRequest', {
  prefixPath: string, // a plain prefix; null, blank or "/" means all of the session
})
export type GetEphemeralsRequest = Infer<typeof GetEphemeralsRequest>

export const GetAllChildrenNumberRequest = record('GetAllChildrenNumberRequest', {
  path: string,
})
export type GetAllChildrenNumberRequest = Infer<typeof GetAllChildrenNumberRequest>

/** What a learner forwards for a new session: not a published record, but its one field is. */
export const CreateSessionRequest = record('CreateSessionRequest', {
  timeOut: int, // milliseconds
})
export type CreateSessionRequest = Infer<typeof CreateSessionRequest>
