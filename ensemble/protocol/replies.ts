/**
 * Bodies of the replies, behind a ReplyHeader with err 0; a reply with an error has none.
 * Source: zookeeper.jute (module proto), 3.9.5.
 */
import { buffer, int, long, record, string, vector, type Infer } from '../jute/record.ts'
import { AclList } from './acl.ts'
import { Stat } from './stat.ts'

export const ReplyHeader = record('ReplyHeader', {
  xid: int,
  zxid: long, // clients take lastZxidSeen only from values above 0
  err: int, // Code
})
export type ReplyHeader = Infer<typeof ReplyHeader>

export const REPLY_HEADER_BYTES = 16

export const CreateResponse = record('CreateResponse', {
  path: string, // the final name, with the sequence number
})
export type CreateResponse = Infer<typeof CreateResponse>

/** Of create2, createContainer and createTTL. */
export const Create2Response = record('Create2Response', {
  path: string,
  stat: Stat,
})
export type Create2Response = Infer<typeof Create2Response>

export const ExistsResponse = record('ExistsResponse', {
  stat: Stat,
})
export type ExistsResponse = Infer<typeof ExistsResponse>

/** Also of reconfig, with the text of the new configuration. */
export const GetDataResponse = record('GetDataResponse', {
  data: buffer,
  stat: Stat,
})
export type GetDataResponse = Infer<typeof GetDataResponse>

export const SetDataResponse = record('SetDataResponse', {
  stat: Stat,
})
export type SetDataResponse = Infer<typeof SetDataResponse>

export const GetAclResponse = record('GetACLResponse', {
  acl: AclList,
  stat: Stat,
})
export type GetAclResponse = Infer<typeof GetAclResponse>

export const SetAclResponse = record('SetACLResponse', {
  stat: Stat,
})
export type SetAclResponse = Infer<typeof SetAclResponse>

export const GetChildrenResponse = record('GetChildrenResponse', {
  children: vector(string), // last components, in no order; never null
})
export type GetChildrenResponse = Infer<typeof GetChildrenResponse>

export const GetChildren2Response = record('GetChildren2Response', {
  children: vector(string),
  stat: Stat,
})
export type GetChildren2Response = Infer<typeof GetChildren2Response>

export const SyncResponse = record('SyncResponse', {
  path: string,
})
export type SyncResponse = Infer<typeof SyncResponse>

/** Of addWatch (with 0), and of each op of a failed multi. */
export const ErrorResponse = record('ErrorResponse', {
  err: int,
})
export type ErrorResponse = Infer<typeof ErrorResponse>

export const SetSaslResponse = record('SetSASLResponse', {
  token: buffer, // null after a failed step, which has a body in spite of its error
})
export type SetSaslResponse = Infer<typeof SetSaslResponse>

export const GetEphemeralsResponse = record('GetEphemeralsResponse', {
  ephemerals: vector(string),
})
export type GetEphemeralsResponse = Infer<typeof GetEphemeralsResponse>

export const GetAllChildrenNumberResponse = record('GetAllChildrenNumberResponse', {
  totalNumber: int,
})
export type GetAllChildrenNumberResponse = Infer<typeof GetAllChildrenNumberResponse>

export const ClientInfo = record('ClientInfo', {
  authScheme: string,
  user: string,
})
export type ClientInfo = Infer<typeof ClientInfo>

export const WhoAmIResponse = record('WhoAmIResponse', {
  clientInfo: vector(ClientInfo),
})
export type WhoAmIResponse = Infer<typeof WhoAmIResponse>
