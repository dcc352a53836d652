/**
 * Exchanges that neither the recordings nor the differential run hold: connections used oddly, sessions that
 * end, lists and paths that are very long. The same bytes go to our server and to Apache 3.9.5, and what
 * comes back must be the same.
 *
 * Skips aloud where there is no Java or no Maven.
 */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Acl } from '../../ensemble/protocol/acl.ts'
import { ConnectResponse, type ConnectRequest } from '../../ensemble/protocol/connect.ts'
import { MultiRequest, type MultiOp } from '../../ensemble/protocol/multi.ts'
import { Op } from '../../ensemble/protocol/op-codes.ts'
import * as requests from '../../ensemble/protocol/requests.ts'
import * as watches from '../../ensemble/protocol/watches.ts'
import { apacheMissing } from '../support/apache.ts'
import { connectFrame, requestFrame } from '../support/replay/frames.ts'
import { Link } from '../support/replay/link.ts'
import { Pending, Transcript } from '../support/replay/transcript.ts'
import { apacheServer, ourTimedServer, type RunningServer } from '../support/twin-servers.ts'

const missing = apacheMissing()
if (missing !== null) process.stderr.write(`SKIPPED test/interop/edges.test.ts: ${missing}\n`)

const WAIT_MS = 30_000
const TICK_MS = 200
const OPEN: Acl[] = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
const DATA = Buffer.from('x')

/** One server as seen by one story: what it answered is added to `lines`. */
class Told {
  readonly lines: string[] = []
  readonly port: number
  readonly transcript = new Transcript(true)
  readonly #links: Link[] = []

  constructor(port: number) {
    this.port = port
  }

  open(): Talk {
    const link = new Link(this.port, false)
    this.#links.push(link)
    return new Talk(this, link)
  }

  async session(request: Partial<ConnectRequest> = {}): Promise<Talk> {
    const talk = this.open()
    await talk.connect(request)
    return talk
  }

  close(): void {
    for (const link of this.#links) link.destroy()
  }
}

/** One connection. */
class Talk {
  sessionId = 0n
  passwd = Buffer.alloc(16)
  readonly link: Link
  readonly #told: Told
  readonly #pending = new Pending()
  #isGreeted = false
  #xid = 0

  constructor(told: Told, link: Link) {
    this.#told = told
    this.link = link
  }

  async connect(request: Partial<ConnectRequest> = {}): Promise<void> {
    this.link.write(connectBytes(request))
    await this.hears(1)
  }

  frame(type: number, body: Buffer = Buffer.alloc(0), xid = ++this.#xid): Buffer {
    const frame = requestFrame(xid, type, body)
    this.#pending.sent(frame.subarray(4))
    return frame
  }

  /** In one segment; waits for so many frames. */
  async asks(frames: readonly Buffer[], answers = frames.length): Promise<void> {
    this.link.write(Buffer.concat(frames))
    await this.hears(answers)
  }

  async hears(count: number): Promise<void> {
    let heard = 0
    const take = (): boolean => {
      for (const frame of this.link.take()) {
        heard++
        this.#note(frame)
      }
      return heard >= count || this.link.isClosed
    }
    await this.link.until(take, WAIT_MS)
    take()
  }

  /** Until the server closes it. */
  async ends(): Promise<void> {
    await this.hears(Infinity)
    this.#told.lines.push(this.link.isClosed ? 'closed' : 'not closed')
  }

  #note(frame: Buffer): void {
    if (this.#isGreeted) {
      this.#told.lines.push(brief(this.#told.transcript.frame(frame, this.#pending)))
      return
    }
    this.#isGreeted = true
    this.#told.lines.push(this.#told.transcript.greeting(frame))
    const { sessionId, passwd } = ConnectResponse.decode(frame)
    this.sessionId = sessionId
    this.passwd = Buffer.from(passwd ?? [])
  }
}

function brief(text: string): string {
  if (text.length < 2000) return text
  return `${text.slice(0, 100)}… ${createHash('sha256').update(text).digest('hex')}`
}

function connectBytes(request: Partial<ConnectRequest>): Buffer {
  return connectFrame({
    protocolVersion: 0,
    lastZxidSeen: 0n,
    timeOut: 10_000,
    sessionId: 0n,
    passwd: Buffer.alloc(16),
    readOnly: false,
    ...request,
  })
}

const create = (path: string, acl = OPEN, flags = 0): Buffer =>
  requests.CreateRequest.encode({ path, data: DATA, acl, flags })
const exists = (path: string, watch = false): Buffer =>
  requests.ExistsRequest.encode({ path, watch })
const auth = (scheme: string, text: string): Buffer =>
  requests.AuthPacket.encode({ type: 0, scheme, auth: Buffer.from(text) })
const AUTH_XID = -4

const stories: Readonly<Record<string, (told: Told) => Promise<void>>> = {
  async 'credentials, and requests that need them, in one segment'(told) {
    const talk = await told.session()
    const acl = [{ perms: 31, id: { scheme: 'auth', id: '' } }]
    await talk.asks([
      talk.frame(Op.auth, auth('digest', 'alice:pw'), AUTH_XID),
      talk.frame(Op.create, create('/by-alice', acl)),
      talk.frame(Op.getAcl, requests.GetAclRequest.encode({ path: '/by-alice' })),
      talk.frame(Op.whoAmI),
    ])
  },

  async 'an ACL of many ids of one connection, in its order'(told) {
    const talk = await told.session()
    for (const name of ['zoe', 'adam', 'berta', 'carl', 'dora', 'emil', 'fritz', 'Äsop']) {
      await talk.asks([talk.frame(Op.auth, auth('digest', `${name}:pw`), AUTH_XID)])
    }
    const acl = [{ perms: 31, id: { scheme: 'auth', id: '' } }]
    await talk.asks([talk.frame(Op.create, create('/by-many', acl))])
    await talk.asks([talk.frame(Op.getAcl, requests.GetAclRequest.encode({ path: '/by-many' }))])
  },

  async 'refused credentials, and a request behind them'(told) {
    const talk = await told.session()
    await talk.asks([talk.frame(Op.auth, auth('nobody', 'x'), AUTH_XID), talk.frame(Op.ping)], 1)
    await talk.ends()
  },

  async 'a step of SASL without a token'(told) {
    const talk = await told.session()
    await talk.asks([talk.frame(Op.sasl, requests.GetSaslRequest.encode({ token: null }))], 1)
    await talk.ends()
  },

  async 'requests behind closeSession change nothing'(told) {
    const talk = await told.session()
    const frames = [
      talk.frame(Op.closeSession),
      talk.frame(Op.create, create('/too-late')),
      talk.frame(Op.exists, exists('/')),
    ]
    await talk.asks(frames, 1)
    await talk.ends()
    const next = await told.session()
    await next.asks([next.frame(Op.exists, exists('/too-late'))])
    // As timing has it, Apache answers them with SESSIONEXPIRED or UNKNOWNSESSION or not at all, and the
    // write uses a zxid or does not.
    const answered = told.lines.filter((line) => !/ (unknownSession|sessionExpired)$/.test(line))
    const last = answered.pop()?.replace(/zxid \S+/, 'zxid') ?? ''
    told.lines.splice(0, Infinity, ...answered, last)
  },

  async 'a second connect request on a connection'(told) {
    const talk = await told.session()
    talk.link.write(connectBytes({}))
    await talk.ends()
  },

  async 'a session resumed by a client that is ahead: its connection stays'(told) {
    const talk = await told.session()
    const { sessionId, passwd } = talk
    const ahead = told.open()
    ahead.link.write(connectBytes({ sessionId, passwd, lastZxidSeen: 0x7fff_ffffn }))
    await ahead.ends()
    await talk.asks([talk.frame(Op.exists, exists('/'))])
  },

  async 'a session taken over, twice, and what it has'(told) {
    const first = await told.session()
    const { sessionId, passwd } = first
    await first.asks([first.frame(Op.create, create('/taken', OPEN, 1))])
    const second = await told.session({ sessionId, passwd })
    await first.ends()
    await second.asks([second.frame(Op.exists, exists('/taken'))])
    const third = await told.session({ sessionId, passwd, readOnly: true })
    await second.ends()
    await third.asks([
      third.frame(Op.getEphemerals, requests.GetEphemeralsRequest.encode({ prefixPath: '/ta' })),
    ])
    await third.asks([third.frame(Op.closeSession)])
    await third.ends()
    const late = told.open()
    late.link.write(connectBytes({ sessionId, passwd }))
    await late.ends()
  },

  async 'timeouts at, below and above the bounds'(told) {
    for (const timeOut of [399, 400, 401, 0, -1, 59_999, 60_000, 60_001, 0x7fffffff]) {
      const talk = await told.session({ timeOut })
      await talk.asks([talk.frame(Op.closeSession)])
      await talk.ends()
    }
  },

  async 'a session expires, its connection is closed, its nodes go, and it is refused'(told) {
    const watcher = await told.session({ timeOut: 60_000 })
    const talk = await told.session({ timeOut: 10 * TICK_MS })
    const { sessionId, passwd } = talk
    await talk.asks([talk.frame(Op.create, create('/mortal', OPEN, 1))])
    await watcher.asks([watcher.frame(Op.exists, exists('/mortal', true))])
    await watcher.hears(1)
    await talk.ends()
    const late = told.open()
    late.link.write(connectBytes({ sessionId, passwd }))
    await late.ends()
  },

  async 'connections that say nothing, or half of it, are closed'(told) {
    const [silent, slow] = [told.open(), told.open()]
    slow.link.write(connectBytes({}).subarray(0, 20))
    await silent.ends()
    await slow.ends()
  },

  async 'paths that are long, and deep'(told) {
    const talk = await told.session()
    const [long, deep] = [`/${'l'.repeat(1_000_000)}`, '/d'.repeat(100_000)]
    await talk.asks([talk.frame(Op.create, create(long))])
    await talk.asks([talk.frame(Op.exists, exists(long, true))])
    await talk.asks(
      [talk.frame(Op.delete, requests.DeleteRequest.encode({ path: long, version: 0 }))],
      2,
    )
    await talk.asks([talk.frame(Op.create, create(deep))])
    await talk.asks([talk.frame(Op.exists, exists(deep))])
    const persistentRecursive = watches.AddWatchRequest.encode({ path: deep, mode: 1 })
    await talk.asks([talk.frame(Op.addWatch, persistentRecursive)])
  },

  async 'a multi of many parts, its failure at the end, and a multiRead of them'(told) {
    const talk = await told.session()
    const made: MultiOp[] = Array.from({ length: 5000 }, (_, index) => ({
      type: Op.create,
      path: `/many-${index}`,
      data: DATA,
      acl: OPEN,
      flags: 0,
    }))
    const failing: MultiOp = { type: Op.check, path: '/none', version: 0 }
    await talk.asks([talk.frame(Op.multi, MultiRequest.encode([...made, failing]))])
    await talk.asks([talk.frame(Op.multi, MultiRequest.encode(made))])
    const reads: MultiOp[] = made.map((op, index) => ({
      type: index % 2 === 0 ? Op.getData : Op.getChildren,
      path: 'path' in op ? op.path : null,
      watch: true,
    }))
    await talk.asks([talk.frame(Op.multiRead, MultiRequest.encode(reads))])
    await talk.asks([
      talk.frame(Op.getChildren, requests.GetChildrenRequest.encode({ path: '/', watch: false })),
    ])
  },

  async 'an ACL of a thousand entries'(told) {
    const talk = await told.session()
    const acl: Acl[] = Array.from({ length: 1000 }, (_, index) => ({
      perms: index % 32,
      id: { scheme: 'ip', id: `10.0.${index >> 8}.${index & 255}` },
    }))
    await talk.asks([talk.frame(Op.create, create('/listed', [...acl, ...acl, ...OPEN]))])
    await talk.asks([talk.frame(Op.getAcl, requests.GetAclRequest.encode({ path: '/listed' }))])
  },

  async 'watches set again, thousands at once, and all of them told'(told) {
    const [talk, other] = [await told.session(), await told.session()]
    const paths = Array.from({ length: 3000 }, (_, index) => `/watched-${index}`)
    const lists = {
      relativeZxid: 0n,
      dataWatches: ['/', ...paths],
      existWatches: paths,
      childWatches: ['/', ...paths],
      persistentWatches: paths,
      persistentRecursiveWatches: ['/watched-1', '/'],
    }
    await talk.asks([talk.frame(Op.setWatches2, watches.SetWatches2.encode(lists))], 2 * 3000 + 2)
    await other.asks([other.frame(Op.create, create('/watched-1'))])
    await talk.asks([talk.frame(Op.ping)], 2)
    for (const type of [1, 2, 3, 4, 5]) {
      const body = watches.CheckWatchesRequest.encode({ path: '/watched-2', type })
      await talk.asks([talk.frame(Op.checkWatches, body), talk.frame(Op.removeWatches, body)])
    }
  },
}

describe.skipIf(missing !== null)('the same bytes, the same answers', () => {
  let ours: RunningServer
  let theirs: RunningServer
  beforeAll(async () => {
    const setUp = {
      settings: { tickTime: String(TICK_MS), maxSessionTimeout: '60000' },
      properties: { 'zookeeper.nio.sessionlessCnxnTimeout': '500' },
    }
    ours = await ourTimedServer(setUp)
    theirs = await apacheServer(setUp)
  })
  afterAll(async () => {
    await ours?.[Symbol.asyncDispose]()
    await theirs?.[Symbol.asyncDispose]()
  })

  test.each(Object.keys(stories))('%s', async (name) => {
    const told = async (port: number): Promise<readonly string[]> => {
      const one = new Told(port)
      try {
        await stories[name]!(one)
      } finally {
        one.close()
      }
      return one.lines
    }
    const [own, other] = await Promise.all([told(ours.port), told(theirs.port)])
    expect(own).toEqual(other)
    expect(own.length).toBeGreaterThan(0)
  })
})
