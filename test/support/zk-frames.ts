/** Frames as a server would send them, for tests of the client; and its requests, read back. */
import { Writer } from '../../ensemble/jute/writer.ts'
import { Reader } from '../../ensemble/jute/reader.ts'
import { ConnectResponse } from '../../ensemble/protocol/connect.ts'
import { WatcherEvent } from '../../ensemble/protocol/watches.ts'
import { opTable } from '../../ensemble/protocol/op-table.ts'
import type { AnyRecord } from '../../ensemble/jute/record.ts'

export function frame(fill: (writer: Writer) => void): Buffer {
  const writer = new Writer(256)
  writer.int(0)
  fill(writer)
  writer.patchInt(0, writer.position - 4)
  return writer.take()
}

export function connectResponse(session: {
  id: bigint
  timeoutMs: number
  readOnly?: boolean
}): Buffer {
  return frame((writer) =>
    ConnectResponse.write(writer, {
      protocolVersion: 0,
      timeOut: session.timeoutMs,
      sessionId: session.id,
      passwd: Buffer.alloc(16, session.id === 0n ? 0 : 7),
      readOnly: session.readOnly ?? false,
    }),
  )
}

export function reply(
  header: { xid: number; zxid?: bigint; err?: number },
  body: (writer: Writer) => void = () => {},
): Buffer {
  return frame((writer) => {
    writer.int(header.xid)
    writer.long(header.zxid ?? 0n)
    writer.int(header.err ?? 0)
    if ((header.err ?? 0) === 0) body(writer)
  })
}

export function event(type: number, path: string, zxid = -1n): Buffer {
  return reply({ xid: -1, zxid }, (writer) => WatcherEvent.write(writer, { type, state: 3, path }))
}

export interface SeenRequest {
  readonly xid: number
  readonly name: string
  readonly body: Record<string, unknown>
}

const byCode = new Map(
  Object.entries(opTable).map(([name, op]) => [op.code as number, { name, op }]),
)

/** A request as a server reads it. */
export function readRequest(bytes: Buffer): SeenRequest {
  const reader = new Reader(bytes)
  const xid = reader.int()
  const found = byCode.get(reader.int())
  if (found === undefined) throw new Error(`unknown op in ${bytes.toString('hex')}`)
  const request: AnyRecord | null = found.op.request
  return { xid, name: found.name, body: request === null ? {} : request.read(reader) }
}
