/**
 * A pipeline by itself: no network and no disk. Requests go in as frames, transactions wait until the
 * test calls them durable, and what each client was sent is decoded.
 */
import { digestScheme, ipScheme } from '../../ensemble/auth/schemes.ts'
import { WireError } from '../../ensemble/jute/wire-error.ts'
import { Reader } from '../../ensemble/jute/reader.ts'
import { Writer } from '../../ensemble/jute/writer.ts'
import type { RecordType } from '../../ensemble/jute/record.ts'
import { ClientLink, WriterPool } from '../../ensemble/pipeline/client-link.ts'
import { noLimits, type ClientLimit } from '../../ensemble/pipeline/client-limits.ts'
import type { QuotaExcess } from '../../ensemble/pipeline/quota-check.ts'
import { Pipeline, type PipelineSettings } from '../../ensemble/pipeline/pipeline.ts'
import { ConnectRequest, ConnectResponse } from '../../ensemble/protocol/connect.ts'
import { readTxn, type Txn, type TxnRecord } from '../../ensemble/protocol/transactions.ts'
import { WatcherEvent } from '../../ensemble/protocol/watches.ts'
import { SessionIds } from '../../ensemble/session/session-ids.ts'
import { secretPasswords } from '../../ensemble/session/session-passwords.ts'
import { SessionTable } from '../../ensemble/session/session-table.ts'
import { Tree } from '../../ensemble/tree/tree.ts'
import { Watches } from '../../ensemble/tree/watches.ts'

export interface Reply {
  readonly xid: number
  readonly zxid: bigint
  readonly err: number
  readonly body: Buffer
}

export class PipelineBench {
  readonly tree: Tree
  readonly sessions = new SessionTable(2000, 0)
  readonly watches = new Watches<ClientLink>()
  readonly passwords = secretPasswords(Buffer.from('a secret of thirty-two bytes....'))
  readonly txns: { txn: Txn; treeDigest: bigint | null }[] = []
  readonly closed: { link: ClientLink; why: string }[] = []
  readonly limited: ClientLimit[] = []
  readonly excesses: QuotaExcess[] = []
  readonly pipeline: Pipeline
  nowMs = 1000
  wallMs = 1_700_000_000_000

  /** @param given `before`: what the tree has been through already */
  constructor(
    settings: Partial<PipelineSettings> = {},
    { serverId = 1, before = [] }: { serverId?: number; before?: readonly Txn[] } = {},
  ) {
    this.tree = new Tree({ extendedTypes: settings.extendedTypesEnabled ?? true })
    for (const txn of before) this.tree.apply(txn, null)
    const schemes = new Map(
      [digestScheme('super:xQJmxLMiHGwaqBvst5y6rkB6HQs='), ipScheme].map((s) => [s.name, s]),
    )
    this.pipeline = new Pipeline({
      tree: this.tree,
      sessions: this.sessions,
      watches: this.watches,
      passwords: this.passwords,
      sessionIds: new SessionIds({ serverId, wallMs: this.wallMs, known: [] }),
      log: { append: (txn) => this.txns.push(decoded(txn)) },
      edge: {
        close: (link, why) => this.closed.push({ link, why }),
        answered: () => {},
        applied: () => {},
        wrote: () => {},
        wroteAt: () => {},
        fired: () => {},
        read: () => {},
        denied: () => {},
        limited: (_sessionId, limit) => this.limited.push(limit),
        exceeded: (excess) => this.excesses.push(excess),
      },
      settings: {
        minSessionTimeoutMs: 4000,
        maxSessionTimeoutMs: 40_000,
        schemes,
        skipAcl: false,
        extendedTypesEnabled: true,
        reconfigEnabled: false,
        enforceQuota: false,
        frameBytesMax: 0xfffff,
        limits: noLimits,
        digestEnabled: true,
        sasl: null,
        enforcedSchemes: null,
        allowSaslFailedClients: false,
        ...settings,
      },
    })
    this.turn()
  }

  turn(): void {
    this.pipeline.beginTurn({ nowMs: this.nowMs, sessionMs: this.nowMs, wallMs: this.wallMs })
  }

  advance(ms: number): void {
    this.nowMs += ms
    this.wallMs += ms
    this.turn()
  }

  /** Everything appended so far is durable now. */
  durable(): void {
    this.pipeline.onDurable(this.txns.at(-1)?.txn.zxid ?? 0n)
  }

  /** A new connection with a new session, welcomed. */
  client(): BenchClient {
    const client = this.connection()
    client.connect()
    this.durable()
    client.welcome()
    return client
  }

  connection(): BenchClient {
    return new BenchClient(this)
  }
}

/** What the log would hold. */
function decoded(record: TxnRecord): { txn: Txn; treeDigest: bigint | null } {
  const writer = new Writer()
  record.writeTo(writer)
  const { txn, digest } = readTxn(new Reader(writer.take()))
  return { txn, treeDigest: digest?.treeDigest ?? null }
}

export class BenchClient {
  readonly link: ClientLink
  readonly #bench: PipelineBench
  #xid = 0
  welcomed: ConnectResponse | undefined

  constructor(bench: PipelineBench) {
    this.#bench = bench
    const client = { address: '127.0.0.1', port: 40_000, nowMs: bench.nowMs }
    this.link = new ClientLink({ wake: () => {} }, new WriterPool(), client)
  }

  connect(request: Partial<ConnectRequest> = {}): void {
    const bytes = ConnectRequest.encode({
      protocolVersion: 0,
      lastZxidSeen: 0n,
      timeOut: 10_000,
      sessionId: 0n,
      passwd: Buffer.alloc(16),
      readOnly: false,
      ...request,
    })
    this.#bench.pipeline.connect(this.link, bytes, 0, bytes.length)
  }

  welcome(): ConnectResponse {
    const frame = this.frames()[0]!
    this.welcomed = ConnectResponse.decode(frame)
    return this.welcomed
  }

  /** Sends a request and returns its xid. */
  send(type: number, body: Buffer = Buffer.alloc(0), xid = ++this.#xid): number {
    const writer = new Writer()
    writer.int(xid)
    writer.int(type)
    writer.raw(body)
    this.sendFrame(writer.take())
    return xid
  }

  sendFrame(bytes: Buffer): void {
    try {
      this.#bench.pipeline.request(this.link, bytes, 0, bytes.length)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.link.isClosing = true // as the edge does
    }
  }

  /** Sends a request, makes it durable, and returns the last reply. */
  call<T>(
    type: number,
    request: { record: RecordType<T>; value: Parameters<RecordType<T>['encode']>[0] },
  ): Reply {
    this.send(type, request.record.encode(request.value))
    this.#bench.durable()
    return this.replies().at(-1)!
  }

  replies(): Reply[] {
    return this.frames().map((frame) => {
      const reader = new Reader(frame)
      const [xid, zxid, err] = [reader.int(), reader.long(), reader.int()]
      return { xid, zxid, err, body: frame.subarray(reader.position) }
    })
  }

  frames(): Buffer[] {
    const writer = this.link.takeReplies()
    if (writer === null) return []
    const bytes = Buffer.from(writer.written())
    const frames: Buffer[] = []
    for (let at = 0; at < bytes.length;) {
      const length = bytes.readInt32BE(at)
      frames.push(bytes.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
    return frames
  }
}

export function eventOf(reply: Reply): { type: number; path: string | null; zxid: bigint } {
  const { type, path } = WatcherEvent.decode(reply.body)
  return { type, path, zxid: reply.zxid }
}
