/**
 * Every packet between real servers: decoded, and encoded again to the same bytes. The election port, and
 * the bodies of snapshots and SASL tokens, are no packets of these records.
 */
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

/** One packet of each type and length, of all recordings: repetitions prove nothing more. */
function distinctPackets(): Buffer[] {
  const distinct = new Map<string, Buffer>()
  for (const { port, msg, bytes } of goldenFiles('quorum').flatMap(quorumMessages)) {
    if (port === 'election' || msg === 'SNAPBODY' || msg === 'sasl') continue
    distinct.set(`${msg} ${bytes.length}`, Buffer.from(bytes))
  }
  return [...distinct.values()]
}

test('S-12 X-9 a packet cut short at any byte is a WireError', () => {
  for (const bytes of distinctPackets()) {
    for (let length = 0; length < bytes.length; length++) {
      expect(() => QuorumPacket.decode(bytes.subarray(0, length))).toThrow(WireError)
    }
  }
})

test('S-12 X-9 with any one byte changed, a packet reads and writes stably or is a WireError', () => {
  let [read, refused] = [0, 0]
  for (const bytes of distinctPackets()) {
    for (let at = 0; at < bytes.length; at++) {
      const original = bytes[at]!
      for (const changed of [original ^ (1 << (at & 7)), original ^ 0x80, 0xff]) {
        bytes[at] = changed
        try {
          const packet = QuorumPacket.decode(bytes)
          read++
          expect(QuorumPacket.decode(QuorumPacket.encode(packet))).toEqual(packet)
        } catch (error) {
          if (!(error instanceof WireError)) throw error
          refused++
        }
      }
      bytes[at] = original
    }
  }
  expect(read).toBeGreaterThan(5000)
  expect(refused).toBeGreaterThan(500)
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
