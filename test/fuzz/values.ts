/**
 * Values for declared records, from a seed: what the record's own declaration allows, good and bad,
 * over a few paths so that requests meet.
 */
import type { AnyField, AnyRecord } from '../../ensemble/jute/record.ts'
import { Writer } from '../../ensemble/jute/writer.ts'
import { Op } from '../../ensemble/protocol/op-codes.ts'
import { opTable, type OpEntry } from '../../ensemble/protocol/op-table.ts'
import type { RandomValues } from '../support/random-values.ts'
import { hostileAcl, hostilePath } from './hostile.ts'
import { mutateText } from './mutate.ts'

const DEPTH_MAX = 3

/** A value of a field; `name` tells what a text or a number is about. */
export function valueOf(random: RandomValues, name: string, field: AnyField, depth = 0): unknown {
  if (field.type === 'vector<ACL>') return hostileAcl(random)
  if (field.element !== undefined) {
    if (random.below(12) === 0) return null
    const { element } = field
    const count = depth >= DEPTH_MAX ? 0 : random.below(random.pick([2, 4, 30]))
    return Array.from({ length: count }, () => valueOf(random, name, element, depth + 1))
  }
  if (field.fields !== undefined) {
    const parts = Object.entries(field.fields)
    return Object.fromEntries(
      parts.map(([part, of]) => [part, valueOf(random, part, of, depth + 1)]),
    )
  }
  switch (field.type) {
    case 'int':
      return intOf(random, name)
    case 'long':
      return random.below(3) === 0 ? random.int64() : BigInt(random.below(5000))
    case 'boolean':
      return random.bool()
    case 'byte':
      return random.below(256) - 128
    case 'buffer':
      if (random.below(4) === 0) return Buffer.from(quotaText(random))
      return random.below(10) === 0 ? null : random.bytes(random.pick([0, 20, 600]))
    default:
      return hostilePath(random)
  }
}

/** What a client may write as the limits or the usage of a quota. */
function quotaText(random: RandomValues): string {
  const text = 'count=3,bytes=100=;byteHardLimit=5000;countHardLimit=20'
  return random.bool() ? text : mutateText(random, text)
}

function intOf(random: RandomValues, name: string): number {
  if (random.below(6) === 0) return random.int32()
  if (name === 'flags' && random.bool()) return 0
  if (name === 'version') return random.pick([-1, -1, -1, 0, 1, 2])
  return random.below(8)
}

const REQUESTS = Object.values(opTable).filter(
  (entry): entry is typeof entry & { request: AnyRecord } => entry.request !== null,
)

/** A request with a body that can be written: nearly always one that the protocol has. */
export function requestOf(random: RandomValues): { type: number; body: Buffer } {
  if (random.below(200) === 0) return { type: random.int32(), body: random.bytes(40) }
  if (random.below(6) === 0) return { type: Op.multi, body: multiOf(random) }
  // Without nodes there is little to disturb.
  if (random.below(4) === 0) {
    const entry = random.pick([opTable.create, opTable.create2, opTable.setData])
    return { type: entry.code, body: bodyOf(random, entry.request) }
  }
  const entry: OpEntry = random.pick(REQUESTS)
  if (entry.code === Op.multi || entry.code === Op.multiRead) {
    return { type: entry.code, body: multiOf(random) }
  }
  return { type: entry.code, body: bodyOf(random, entry.request!) }
}

export function bodyOf(random: RandomValues, record: AnyRecord): Buffer {
  return record.encode(valueOf(random, '', record) as never)
}

const PARTS = Object.values(opTable).filter((entry: OpEntry) => entry.inMulti !== undefined)

/** Written by hand, since one that the protocol allows is only one of many. */
function multiOf(random: RandomValues): Buffer {
  const writer = new Writer(256)
  const header = (type: number, done: boolean): void => {
    writer.int(type)
    writer.bool(done)
    writer.int(random.below(20) === 0 ? random.int32() : -1)
  }
  for (let left = random.below(random.pick([1, 3, 6, 60])); left > 0; left--) {
    const entry: OpEntry = random.below(60) === 0 ? opTable.multi : random.pick(PARTS)
    header(random.below(60) === 0 ? random.int32() : entry.code, random.below(90) === 0)
    if (entry.code === Op.multi) writer.raw(random.bytes(30))
    else writer.raw(bodyOf(random, entry.request!))
  }
  if (random.below(15) !== 0) header(-1, true)
  return writer.take()
}
