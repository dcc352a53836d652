/** The session machine by script: every input, and every effect it has. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'vitest'
import {
  newSlot,
  SessionMachine,
  type Effect,
  type Request,
  type RequestSlot,
  type SessionOptions,
  type WatchOnReply,
} from '../../../ensemble/client/session-machine.ts'
import { DigestMd5Server, userSecrets } from '../../../ensemble/auth/digest-md5-server.ts'
import { saslCredentials } from '../../../ensemble/client/sasl-login.ts'
import type { Reader } from '../../../ensemble/jute/reader.ts'
import type { Writer } from '../../../ensemble/jute/writer.ts'
import { ConnectRequest } from '../../../ensemble/protocol/connect.ts'
import { Code, type CodeName } from '../../../ensemble/protocol/error-codes.ts'
import { CLIENT_SERVICE } from '../../../ensemble/protocol/digest-md5.ts'
import { GetSaslRequest } from '../../../ensemble/protocol/requests.ts'
import { Op, opName, type OpName } from '../../../ensemble/protocol/op-codes.ts'
import { runScript, type Interpreter } from '../../support/script.ts'
import { connectResponse, event, frame, readRequest, reply } from '../../support/zk-frames.ts'

const SCRIPTS = join(import.meta.dirname, 'scripts')

test.each(readdirSync(SCRIPTS).filter((name) => name.endsWith('.txt')))(
  'script %s (I-21, I-22, I-24, I-40, I-42, X-16, B-59)',
  async (name) => runScript(join(SCRIPTS, name), interpreter()),
)

class ScriptRequest implements Request<string> {
  readonly type: number
  readonly label: string
  readonly watch: WatchOnReply<string> | null
  readonly slot: RequestSlot = newSlot()
  readonly #path: string
  readonly #padding: number

  constructor(
    label: string,
    op: OpName,
    path: string,
    watcher: string | undefined,
    padding: number,
  ) {
    this.label = label
    this.type = Op[op]
    this.#path = path
    this.#padding = padding
    const kinds: Partial<Record<OpName, WatchOnReply<string>['kind']>> = {
      getData: 'data',
      exists: 'exist',
      getChildren2: 'child',
      addWatch: 'persistent',
    }
    const kind = kinds[op]
    this.watch = watcher === undefined || kind === undefined ? null : { path, kind, watcher }
  }

  encode(writer: Writer): void {
    writer.string(this.#path)
    if (this.#padding > 0) writer.raw(Buffer.alloc(this.#padding))
    writer.int(-1) // covers the watch flag and a version
  }

  decode(reader: Reader): string | null {
    return reader.remaining === 0 ? null : reader.string()
  }
}

type Machine = SessionMachine<ScriptRequest, string>

function interpreter(): Interpreter {
  let machine: Machine | null = null
  let nowMs = 0
  let isOpen = false
  let taken: Buffer = Buffer.alloc(0)
  const requests = new Map<string, ScriptRequest>()
  let login: DigestMd5Server | null = null

  /** What a server answers to the token in `bytes`; `kind` is one that has none, or only pretends. */
  function saslReply(bytes: Buffer, kind = 'honest'): Buffer {
    const xid = bytes.readInt32BE(4)
    const { token } = GetSaslRequest.decode(bytes.subarray(12))
    const answer = (body: Buffer | null, err = 0) =>
      frame((writer) => {
        writer.int(xid)
        writer.long(0n)
        writer.int(err)
        writer.buffer(body)
      })
    if (kind === 'none') return answer(null)
    if (token!.length === 0 || login === null) {
      const users = userSecrets(new Map([['bob', 'secret']]), CLIENT_SERVICE)
      const nonces = { secureBytes: (length: number) => Buffer.alloc(length, 3) }
      login = new DigestMd5Server(CLIENT_SERVICE, users, nonces)
    }
    const step = login.evaluate(token!)
    if (step.kind === 'failed') return answer(null, Code.authFailed)
    return answer(kind === 'impostor' ? Buffer.from(`rspauth=${'0'.repeat(32)}`) : step.token)
  }

  return (words, options) => {
    const [verb = '', ...args] = words
    if (verb === 'client') {
      machine = new SessionMachine(sessionOptions(options), {
        // No jitter, and an order that a reader can follow: the list as it was written.
        uint32: () => (machine === null ? 0xffff_ffff : 0),
        secureBytes: (length) => Buffer.alloc(length),
      })
      return []
    }
    if (machine === null) throw new Error('a script starts with a client')
    const lines: string[] = []
    const input = (run: (m: Machine) => void) => {
      run(machine!)
      for (const effect of machine!.takeEffects()) {
        if (effect.kind === 'connect') isOpen = true
        if (effect.kind === 'disconnect') isOpen = false
        lines.push(effectText(effect))
      }
    }
    switch (verb) {
      case 'start':
        input((m) => m.onStart(nowMs))
        break
      case 'at':
        nowMs = Number(args[0])
        input((m) => m.onTick(nowMs))
        break
      case 'wake':
        lines.push(`wakes at ${machine.wakeAtMs}`)
        break
      case 'opened':
        input((m) => m.onOpened(nowMs))
        break
      case 'cut':
        isOpen = false
        input((m) => m.onClosed(args.length === 0 ? null : new Error(args.join(' ')), nowMs))
        break
      case 'take':
        taken = machine.takeBytes(nowMs)
        lines.push(...takenText(taken))
        break
      case 'echo':
        input((m) => m.onBytes(Buffer.from(taken), nowMs))
        break
      case 'granted': {
        const session = {
          id: BigInt(options['session'] ?? '1'),
          timeoutMs: Number(options['timeout'] ?? 9000),
        }
        const readOnly = options['readOnly'] === 'true'
        input((m) => m.onBytes(connectResponse({ ...session, readOnly }), nowMs))
        break
      }
      case 'submit': {
        const [label = '', op = '', path = ''] = args
        const request = new ScriptRequest(
          label,
          op as OpName,
          path,
          options['watcher'],
          Number(options['padding'] ?? 0),
        )
        requests.set(label, request)
        input((m) => m.submit(request))
        break
      }
      case 'abandon':
        input((m) => m.abandon(requests.get(args[0] ?? '')!))
        break
      case 'auth':
        input((m) => m.addAuth({ scheme: args[0] ?? '', auth: Buffer.from(args[1] ?? '') }))
        break
      case 'close': {
        const request = new ScriptRequest('close', 'closeSession', '', undefined, 0)
        input((m) => m.close(request, nowMs + Number(options['within'] ?? 1000)))
        break
      }
      case 'server':
        if (!isOpen) throw new Error('there is no connection for the server to write to')
        input((m) => m.onBytes(serverBytes(args, options), nowMs))
        break
      case 'sasl':
        input((m) => m.onBytes(saslReply(taken, options['server']), nowMs))
        break
      case 'heard':
        lines.push(`last heard ${machine.lastHeardMs}, last zxid ${machine.lastZxid}`)
        break
      case 'watches':
        lines.push(...machine.watches.restoreBatches().map((batch) => JSON.stringify(batch)))
        break
      default:
        throw new Error(`unknown input ${verb}`)
    }
    return lines
  }
}

function sessionOptions(options: Readonly<Record<string, string>>): SessionOptions {
  const count = Number(options['servers'] ?? 3)
  const resumed = options['resume']
  return {
    servers: Array.from({ length: count }, (_, i) => ({ host: 's' + String(i + 1), port: 2181 })),
    sessionTimeoutMs: Number(options['timeout'] ?? 9000),
    readOnly: options['readOnly'] === 'true',
    session: resumed === undefined ? null : { id: BigInt(resumed), password: Buffer.alloc(16, 7) },
    auth:
      options['auth'] === undefined
        ? []
        : [{ scheme: 'digest', auth: Buffer.from(options['auth']) }],
    sasl: saslCredentials(Buffer.from(options['sasl'] ?? '')),
    requestsMax: Number(options['requestsMax'] ?? 100),
    requestBytesMax: 1000,
    replyBytesMax: 1000,
    ownExpiry: options['ownExpiry'] !== 'false',
  }
}

function serverBytes(args: string[], options: Readonly<Record<string, string>>): Buffer {
  const [what = '', ...rest] = args
  const zxid = BigInt(options['zxid'] ?? '0')
  if (what === 'event')
    return event(Number(rest[0]), rest[1] ?? '', BigInt(options['zxid'] ?? '-1'))
  if (what === 'bytes') return Buffer.from(rest.join(''), 'hex')
  const code = options['err']
  const err = code === undefined ? 0 : Code[code as CodeName]
  const body = (writer: Writer) => {
    if (rest[0] !== undefined) writer.string(rest[0])
  }
  return reply({ xid: Number(what), zxid, err }, body)
}

function effectText(effect: Effect<ScriptRequest, string>): string {
  switch (effect.kind) {
    case 'connect':
      return `connect ${effect.target.host}`
    case 'disconnect':
    case 'flush':
      return effect.kind
    case 'reply':
      return `reply ${effect.request.label} err=${effect.err} zxid=${effect.zxid} value=${String(effect.value)}`
    case 'fail':
      return `fail ${effect.request.label} ${effect.code} ${effect.outcome}: ${effect.cause?.message}`
    case 'event': {
      const { type, path, zxid, state } = effect.event
      return `event ${type} ${path}${state ?? ''} zxid=${zxid} to ${[...effect.watchers].join(',')}`
    }
    case 'state':
      return `state ${effect.state}: ${effect.why}`
    case 'auth':
      return `auth ${effect.auth.scheme} ${effect.code}`
    case 'lost':
      return `lost: ${effect.why}`
  }
}

function takenText(bytes: Buffer): string[] {
  const lines: string[] = []
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readInt32BE(at)
    const body = bytes.subarray(at + 4, at + 4 + length)
    at += 4 + length
    // A connect request starts with protocol version 0 and is 45 bytes long; no request is both.
    if (length === 45 && body.readInt32BE(0) === 0) {
      const { sessionId, lastZxidSeen, timeOut, readOnly } = ConnectRequest.decode(body)
      lines.push(
        `wrote connect session=${sessionId} lastZxid=${lastZxidSeen} timeout=${timeOut} readOnly=${readOnly}`,
      )
    } else lines.push(`wrote ${requestText(body)}`)
  }
  return lines
}

function requestText(body: Buffer): string {
  const xid = body.readInt32BE(0)
  const name = opName(body.readInt32BE(4)) ?? '?'
  if (name !== 'auth' && !name.startsWith('setWatches')) return `${xid} ${name}`
  const shown = JSON.stringify(readRequest(body).body, (_, value: unknown) =>
    typeof value === 'bigint' ? Number(value) : value,
  )
  return `${xid} ${name} ${shown}`
}
