/** Every packet between real servers: decoded, and encoded again to the same bytes. */
import { expect, test } from 'vitest'
import { Reader } from '../../../ensemble/jute/reader.ts'
import { WireError } from '../../../ensemble/jute/wire-error.ts'
import {
  LearnerInfo,
  PacketType,
  packetTypeName,
  QuorumPacket,
} from '../../../ensemble/protocol/quorum-packets.ts'
import { goldenFiles, quorumMessages } from '../../support/golden.ts'

test.each(goldenFiles('quorum'))('%s: both ways, byte for byte', (file) => {
  for (const { port, msg, bytes, line } of quorumMessages(file)) {
    if (port === 'election' || msg === 'SNAPBODY' || msg === 'sasl') continue
    const place = `${file}:${line} ${msg}`
    const reader = new Reader(bytes)
    const packet = QuorumPacket.read(reader)
    expect(reader.remaining, place).toBe(0)
    expect(packetTypeName(packet.type)!.toUpperCase(), place).toBe(msg)
    expect(QuorumPacket.encode(packet).equals(bytes), place).toBe(true)
    if (packet.type === PacketType.followerInfo || packet.type === PacketType.observerInfo) {
      expect(LearnerInfo.encode(LearnerInfo.decode(packet.data!)).equals(packet.data!)).toBe(true)
    }
  }
})

test('S-12 X-9 a packet cut short at any byte is a WireError', () => {
  const lengths = new Set<number>()
  for (const { port, msg, bytes } of quorumMessages('ops.jsonl')) {
    if (port === 'election' || msg === 'SNAPBODY' || lengths.has(bytes.length)) continue
    lengths.add(bytes.length)
    for (let length = 0; length < bytes.length; length++) {
      expect(() => QuorumPacket.decode(bytes.subarray(0, length))).toThrow(WireError)
    }
  }
})

test('each recorded packet type is in the table, each number once', () => {
  const recorded = new Set(
    goldenFiles('quorum')
      .flatMap(quorumMessages)
      .filter(({ port, msg }) => port !== 'election' && msg !== 'SNAPBODY' && msg !== 'sasl')
      .map(({ bytes }) => QuorumPacket.decode(bytes).type),
  )
  expect([...recorded].sort((a, b) => a - b)).toEqual(Object.values(PacketType))
  expect(packetTypeName(99)).toBeUndefined()
})
