/**
 * What a learner and a leader send each other on the quorum port.
 *
 * Packets follow one another without a length prefix; the only other bytes on the stream are SASL
 * before the first one and the raw snapshot behind SNAP.
 * Source: zookeeper.jute (module quorum), Leader.java, 3.9.5; quorum-protocol section 4.
 */
import { buffer, int, long, record, vector, type Infer } from '../jute/record.ts'
import { Id } from './acl.ts'

export const QuorumPacket = record('QuorumPacket', {
  type: int, // PacketType
  zxid: long,
  data: buffer,
  authinfo: vector(Id), // null but in REQUEST: the ids of the client's connection
})
export type QuorumPacket = Infer<typeof QuorumPacket>

export const PacketType = {
  request: 1,
  proposal: 2,
  ack: 3,
  commit: 4,
  ping: 5,
  revalidate: 6,
  sync: 7,
  inform: 8,
  commitAndActivate: 9,
  newLeader: 10,
  followerInfo: 11,
  upToDate: 12,
  diff: 13,
  trunc: 14,
  snap: 15,
  observerInfo: 16,
  leaderInfo: 17,
  ackEpoch: 18,
  informAndActivate: 19,
} as const
export type PacketTypeName = keyof typeof PacketType

// True because Object.entries loses the literal types of an object that nothing else extends.
const names = new Map<number, PacketTypeName>(
  (Object.entries(PacketType) as [PacketTypeName, number][]).map(([name, type]) => [type, name]),
)

/** The name of a packet type, undefined for numbers that are none. */
export function packetTypeName(type: number): PacketTypeName | undefined {
  return names.get(type)
}

/** Data of FOLLOWERINFO and OBSERVERINFO; old learners end after 8 or 12 of its 20 bytes. */
export const LearnerInfo = record('LearnerInfo', {
  serverid: long,
  protocolVersion: int, // 0x10000
  configVersion: long,
})
export type LearnerInfo = Infer<typeof LearnerInfo>
