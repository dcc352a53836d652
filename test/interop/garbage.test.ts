/**
 * Garbage on the client port of a real server, and clients that do not read (X-1, X-2, X-7, F-22,
 * F-24): the connection ends or is answered, the server lives on within its memory, nothing is lost,
 * and a bystander's reads and writes are answered all the time.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectSocket, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { connect, type Client } from '../../ensemble/client/index.ts'
import { Reader } from '../../ensemble/jute/reader.ts'
import { Writer } from '../../ensemble/jute/writer.ts'
import { ConnectRequest, ConnectResponse } from '../../ensemble/protocol/connect.ts'
import { Op } from '../../ensemble/protocol/op-codes.ts'
import { GetDataRequest, SetDataRequest } from '../../ensemble/protocol/requests.ts'
import { RandomValues } from '../support/random-values.ts'
import { fourLetters, freePort, ours, ServerProcess } from '../support/server-process.ts'

const MIB = 1024 * 1024
/** `jute.maxbuffer`, Apache's default. */
const FRAME_BYTES_MAX = 0xfffff
/** A server closes a connection that does not say who it is after so long. */
const SILENCE_MS = 2000
/** No answer to the bystander may take longer; the machine may be busy. */
const ANSWER_MS_MAX = 2000

let folder = ''
let server: ServerProcess
let bystander: Bystander

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'howdah-garbage-'))
  const settings = { 'nio.sessionlessCnxnTimeout': SILENCE_MS }
  server = await ServerProcess.start(ours, { folder, port: await freePort(), settings })
  bystander = await Bystander.start(server.connectString)
})

afterEach(async () => {
  expect(server.isAlive, server.output).toBe(true)
  await bystander.check()
})

afterAll(async () => {
  await bystander?.stop()
  await server?.kill()
  rmSync(folder, { recursive: true, force: true })
})

describe('before a session', () => {
  test.each([
    ['a length of -1', int(-1)],
    ['the least length', int(-0x8000_0000)],
    ['the greatest length', int(0x7fff_ffff)],
    ['one byte above the limit', int(FRAME_BYTES_MAX + 1)],
    ['a length of 0', int(0)],
    ['a frame of one byte', Buffer.concat([int(1), Buffer.alloc(1)])],
    ['a frame full of zeros', frame(Buffer.alloc(45))],
    ['a frame full of ones', frame(Buffer.alloc(45, 0xff))],
    ['a password of a million bytes that are not there', connectFrame({ passwdLength: 1_000_000 })],
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['an SSH banner', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')],
    ['a TLS hello', tlsHello()],
    ['ten thousand frames of nothing', Buffer.concat(Array.from({ length: 10_000 }, () => int(0)))],
    [
      'ten thousand small frames',
      Buffer.concat(Array.from({ length: 10_000 }, () => frame(int(0)))),
    ],
  ])('%s: the connection ends (X-1)', async (_, bytes) => {
    const raw = await Raw.open(server.port)
    raw.send(bytes)
    await raw.ended(SILENCE_MS + 15_000)
  })

  test.each([
    ['nothing at all', Buffer.alloc(0)],
    ['half a length', Buffer.alloc(2)],
    ['a length and then silence', int(45)],
    ['the longest length and then silence', int(FRAME_BYTES_MAX)],
    ['half a word', Buffer.from('ruo')],
  ])('%s: the connection ends by its deadline (X-1, X-7, F-24)', async (_, bytes) => {
    const raw = await Raw.open(server.port)
    raw.send(bytes)
    await raw.ended(SILENCE_MS + 15_000)
  })

  test('four letters that nobody knows, in capitals, and in two pieces (X-7)', async () => {
    for (const word of ['abcd', 'RUOK', '\0\0\0\0']) {
      const raw = await Raw.open(server.port)
      raw.send(Buffer.from(word))
      await raw.ended(SILENCE_MS + 15_000)
    }
    const raw = await Raw.open(server.port)
    raw.send(Buffer.from('ru'))
    await delay(50)
    raw.send(Buffer.from('ok'))
    await raw.ended(3000)
    expect(raw.received.toString()).toBe('imok')
  })

  test('a thousand words at once (X-7)', async () => {
    const answers = await Promise.all(
      Array.from({ length: 1000 }, () => fourLetters(server.port, 'ruok')),
    )
    expect(answers.every((answer) => answer === 'imok')).toBe(true)
  })

  test('a session is opened a byte at a time (X-1)', async () => {
    const raw = await Raw.open(server.port)
    for (const byte of connectFrame()) {
      raw.send(Buffer.of(byte))
      await delay(5)
    }
    expect((await raw.connectResponse()).sessionId).not.toBe(0n)
    raw.destroy()
  })

  test('random bytes (X-1)', async () => {
    const random = new RandomValues(20_261_121)
    const connections = await Promise.all(Array.from({ length: 300 }, () => Raw.open(server.port)))
    for (const raw of connections) {
      const bytes = Buffer.from(Array.from({ length: random.below(400) }, () => random.below(256)))
      // Half of them have a length that makes a frame of what follows.
      if (bytes.length >= 4 && random.bool()) bytes.writeInt32BE(Math.max(0, bytes.length - 4), 0)
      raw.send(bytes)
    }
    await Promise.all(connections.map((raw) => raw.ended(SILENCE_MS + 15_000)))
  })

  test('timeouts, passwords and zxids that no client has (X-2)', async () => {
    const cases: [Partial<ConnectFields>, 'granted' | 'refused'][] = [
      [{ timeOut: -1 }, 'granted'],
      [{ timeOut: 0x7fff_ffff }, 'granted'],
      [{ passwd: null }, 'granted'],
      [{ passwd: Buffer.alloc(0) }, 'granted'],
      [{ passwd: Buffer.alloc(17) }, 'granted'],
      [{ passwd: Buffer.alloc(900_000) }, 'granted'],
      [{ sessionId: 0x1234n }, 'refused'],
      [{ sessionId: -1n }, 'refused'],
      [{ lastZxidSeen: 0x7fff_ffff_ffff_ffffn }, 'refused'],
      [{ lastZxidSeen: -1n }, 'granted'],
    ]
    for (const [fields, outcome] of cases) {
      const raw = await Raw.open(server.port)
      raw.send(connectFrame(fields))
      if (outcome === 'granted') {
        const response = await raw.connectResponse()
        expect(response.sessionId, Object.keys(fields)[0]).not.toBe(0n)
        expect(response.timeOut).toBeGreaterThanOrEqual(1000)
        expect(response.timeOut).toBeLessThanOrEqual(10_000)
        raw.destroy()
      } else {
        await raw.ended(3000)
        if (raw.received.length > 0) {
          expect((await raw.connectResponse()).sessionId, Object.keys(fields)[0]).toBe(0n)
        }
      }
    }
  })

  test("another client's session with a wrong password: its owner goes on (X-2, S-20)", async () => {
    await using owner = await connect(server.connectString)
    const states: string[] = []
    owner.onState((state) => states.push(state))
    await owner.create('/owned', null, { mode: 'ephemeral' })
    for (const passwd of [null, Buffer.alloc(16), Buffer.alloc(0)]) {
      const raw = await Raw.open(server.port)
      raw.send(connectFrame({ sessionId: owner.sessionId, passwd }))
      await raw.ended(3000)
      expect((await raw.connectResponse()).sessionId).toBe(0n)
    }
    expect((await owner.exists('/owned'))?.ephemeralOwner).toBe(owner.sessionId)
    expect(states).toEqual([])
  })
})

describe('within a session', () => {
  test.each([
    ['a length of -1', int(-1)],
    ['the greatest length', int(0x7fff_ffff)],
    ['one byte above the limit', int(FRAME_BYTES_MAX + 1)],
    ['a frame of nothing', int(0)],
    ['half a header', frame(int(1))],
    ['a second connect request', connectFrame()],
  ])('%s: answered or ended, with the session left to its timeout (X-1, X-2)', async (_, bytes) => {
    const raw = await Raw.session(server.port)
    raw.send(bytes)
    await raw.endedOrAnswered()
    raw.destroy()
  })

  test('operations that do not exist, are internal, or are cut short (X-3)', async () => {
    const random = new RandomValues(7)
    const types = [
      -11,
      -10,
      -1,
      0,
      10,
      13,
      16,
      20,
      99,
      108,
      1000,
      0x7fff_ffff,
      ...Object.values(Op),
    ]
    for (const type of types) {
      const raw = await Raw.session(server.port)
      for (const length of [0, 1, 4, 40]) {
        const body = Buffer.from(Array.from({ length }, () => random.below(256)))
        raw.send(frame(Buffer.concat([int(length + 1), int(type), body])))
      }
      await raw.endedOrAnswered()
      raw.destroy()
    }
  })

  test('ten thousand requests in one segment are answered in order (X-1, I-22)', async () => {
    const raw = await Raw.session(server.port)
    const count = 10_000
    raw.send(Buffer.concat(Array.from({ length: count }, (_, at) => getData(at + 1, '/'))))
    for (let at = 0; at < count; at++) expect((await raw.frame()).readInt32BE(0)).toBe(at + 1)
    raw.destroy()
  })

  test('what is sent behind closeSession is not looked at (X-1)', async () => {
    const raw = await Raw.session(server.port)
    const close = frame(Buffer.concat([int(1), int(Op.closeSession)]))
    raw.send(Buffer.concat([close, Buffer.alloc(5000, 0xff)]))
    expect((await raw.frame()).readInt32BE(0)).toBe(1)
    await raw.ended(3000)
  })

  test('requests with flipped bits (X-3)', async () => {
    const random = new RandomValues(99)
    const before = await bystander.client.getChildren('/')
    for (let at = 0; at < 300; at++) {
      const raw = await Raw.session(server.port)
      const bytes = Buffer.concat([getData(1, '/bystander'), getData(2, '/')])
      for (let flips = 1 + random.below(4); flips > 0; flips--) {
        const where = random.below(bytes.length)
        bytes[where]! ^= 1 << random.below(8)
      }
      raw.send(bytes)
      await delay(1)
      raw.destroy()
    }
    // Whatever it was taken for, no node came or went by it.
    expect((await bystander.client.getChildren('/')).children).toEqual(before.children)
  })
})

describe('a client that does not read (F-22, N-9)', () => {
  test('and asks for a gigabyte: its memory is bounded, others are served', async () => {
    await bystander.client.create('/big', Buffer.alloc(500_000, 0x61))
    const raw = await Raw.session(server.port)
    raw.pause()
    const beforeBytes = server.residentBytes
    let mostBytes = 0
    for (let batch = 0; batch < 20; batch++) {
      raw.send(Buffer.concat(Array.from({ length: 100 }, (_, at) => getData(at + 1, '/big'))))
      await delay(50)
      mostBytes = Math.max(mostBytes, server.residentBytes)
    }
    await delay(500)
    mostBytes = Math.max(mostBytes, server.residentBytes)
    expect((mostBytes - beforeBytes) / MIB).toBeLessThan(250)
    await bystander.check()
    raw.destroy()
  })

  test('many of them, that ask for all of it in one segment', async () => {
    const readers = await Promise.all(Array.from({ length: 4 }, () => Raw.session(server.port)))
    const beforeBytes = server.residentBytes
    for (const raw of readers) raw.pause()
    const requests = Buffer.concat(Array.from({ length: 2000 }, (_, at) => getData(at, '/big')))
    for (const raw of readers) raw.send(requests)
    let mostBytes = 0
    for (let look = 0; look < 20; look++) {
      await delay(100)
      mostBytes = Math.max(mostBytes, server.residentBytes)
    }
    expect((mostBytes - beforeBytes) / MIB).toBeLessThan(600)
    await bystander.check()
    for (const raw of readers) raw.destroy()
  })
})

test('a client that reads gets all of it in order, also what it asked for behind a write (F-22, I-22)', async () => {
  const raw = await Raw.session(server.port)
  const beforeBytes = server.residentBytes
  const count = 400
  const reads = Array.from({ length: count }, (_, at) => getData(at + 2, '/big'))
  raw.send(Buffer.concat([setData(1, '/big', Buffer.alloc(500_000, 0x62)), ...reads]))
  expect((await raw.frame()).readInt32BE(0)).toBe(1)
  for (let at = 0; at < count; at++) {
    const reply = await raw.frame()
    expect(reply.readInt32BE(0)).toBe(at + 2)
    expect(reply.length).toBeGreaterThan(500_000)
  }
  expect((server.residentBytes - beforeBytes) / MIB).toBeLessThan(300)
  raw.destroy()
})

test('in the end: memory is as before, connections are gone, the data is there (X-1)', async () => {
  await delay(SILENCE_MS)
  const answer = await fourLetters(server.port, 'mntr')
  // The bystander's, and the one that asks.
  expect(Number(/zk_num_alive_connections\s+(\d+)/.exec(answer)?.[1])).toBeLessThanOrEqual(2)
  expect(server.residentBytes / MIB).toBeLessThan(700)
  expect(server.stderr).toBe('')
  const { data } = await bystander.client.get('/big')
  expect(data?.length).toBe(500_000)
})

// What the tests are made of ---------------------------------------------------------------------

/** A client that minds its own business: reads, writes, a watch, an ephemeral; how long it took is noted. */
class Bystander {
  readonly client: Client
  #answers = 0
  #worstMs = 0
  #problem: unknown = null
  #isRunning = true
  #value = 0
  readonly #loop: Promise<void>

  private constructor(client: Client) {
    this.client = client
    client.onState((state) => (this.#problem ??= new Error(`the bystander is ${state}`)))
    this.#loop = this.#run()
  }

  static async start(connectString: string): Promise<Bystander> {
    const client = await connect(connectString)
    await client.create('/bystander', '0')
    await client.create('/bystander-here', null, { mode: 'ephemeral' })
    return new Bystander(client)
  }

  async #run(): Promise<void> {
    while (this.#isRunning) {
      const startMs = performance.now()
      try {
        let tell = (): void => {}
        const told = new Promise<void>((resolve) => (tell = resolve))
        const { data } = await this.client.get('/bystander', { watch: tell })
        if (data?.toString() !== String(this.#value)) throw new Error(`read ${data?.toString()}`)
        await this.client.set('/bystander', String(++this.#value))
        // The event comes before the answer to the write, or never.
        await within(told, ANSWER_MS_MAX, 'the watch did not fire')
      } catch (error) {
        this.#problem ??= error
        return
      }
      this.#worstMs = Math.max(this.#worstMs, performance.now() - startMs)
      this.#answers++
      await delay(2)
    }
  }

  /** It gets answers now, and got them in time since the last look. */
  async check(): Promise<void> {
    const answers = this.#answers
    const endMs = performance.now() + 5000
    while (this.#answers < answers + 3 && this.#problem === null && performance.now() < endMs) {
      await delay(5)
    }
    expect(this.#problem).toBeNull()
    expect(this.#answers).toBeGreaterThanOrEqual(answers + 3)
    const worstMs = this.#worstMs
    this.#worstMs = 0 // what one look found late, the next does not find again
    expect(worstMs).toBeLessThan(ANSWER_MS_MAX)
    const here = await this.client.exists('/bystander-here')
    expect(here?.ephemeralOwner).toBe(this.client.sessionId)
  }

  async stop(): Promise<void> {
    this.#isRunning = false
    await this.#loop
    await this.client.close()
  }
}

async function within(promise: Promise<void>, limitMs: number, what: string): Promise<void> {
  const ending = new AbortController()
  const limit = delay(limitMs, undefined, { signal: ending.signal }).then(
    () => Promise.reject(new Error(what)),
    () => {},
  )
  await Promise.race([promise, limit])
  ending.abort()
}

/** A connection without a client behind it. */
class Raw {
  readonly #socket: Socket
  readonly #chunks: Buffer[] = []
  #hasEnded = false
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => {
      this.#chunks.push(chunk)
      this.#wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#hasEnded = true
      this.#wake()
    })
  }

  static open(port: number): Promise<Raw> {
    return new Promise((resolve, reject) => {
      const socket = connectSocket(port, '127.0.0.1', () => resolve(new Raw(socket)))
      socket.once('error', reject)
    })
  }

  static async session(port: number): Promise<Raw> {
    const raw = await Raw.open(port)
    raw.send(connectFrame())
    expect((await raw.connectResponse()).sessionId).not.toBe(0n)
    return raw
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  pause(): void {
    this.#socket.pause()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async ended(timeoutMs: number): Promise<void> {
    await this.#until('the connection to end', () => this.#hasEnded, timeoutMs)
  }

  async endedOrAnswered(): Promise<void> {
    const isSo = () => this.#hasEnded || this.#chunks.length > 0
    await this.#until('the end or a reply', isSo, 15_000)
  }

  /** The next frame's content. */
  async frame(): Promise<Buffer> {
    await this.#until('a length', () => this.#bytesAtLeast(4), 10_000)
    const length = this.#chunks[0]!.readInt32BE(0)
    await this.#until('a frame', () => this.#bytesAtLeast(4 + length), 10_000)
    const [bytes] = this.#chunks
    if (bytes!.length === 4 + length) this.#chunks.shift()
    else this.#chunks[0] = bytes!.subarray(4 + length)
    return bytes!.subarray(4, 4 + length)
  }

  async connectResponse() {
    return ConnectResponse.read(new Reader(await this.frame()))
  }

  /** Puts the first `count` bytes into one chunk. */
  #bytesAtLeast(count: number): boolean {
    if ((this.#chunks[0]?.length ?? 0) >= count) return true
    if (this.#chunks.length < 2) return false
    this.#chunks.splice(0, this.#chunks.length, Buffer.concat(this.#chunks))
    return this.#chunks[0]!.length >= count
  }

  async #until(what: string, isSo: () => boolean, timeoutMs: number): Promise<void> {
    const endMs = performance.now() + timeoutMs
    while (!isSo()) {
      const leftMs = endMs - performance.now()
      if (leftMs <= 0) throw new Error(`waited ${timeoutMs} ms for ${what}`)
      if (this.#hasEnded) throw new Error(`the connection ended before ${what}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function frame(content: Buffer): Buffer {
  return Buffer.concat([int(content.length), content])
}

type ConnectFields = Parameters<typeof ConnectRequest.encode>[0]

function connectFrame({
  passwdLength,
  ...fields
}: Partial<ConnectFields> & { passwdLength?: number } = {}): Buffer {
  const content = ConnectRequest.encode({
    protocolVersion: 0,
    lastZxidSeen: 0n,
    timeOut: 10_000,
    sessionId: 0n,
    passwd: Buffer.alloc(16),
    readOnly: false,
    ...fields,
  })
  if (passwdLength !== undefined) content.writeInt32BE(passwdLength, 24)
  return frame(content)
}

function getData(xid: number, path: string): Buffer {
  const writer = new Writer()
  writer.int(xid)
  writer.int(Op.getData)
  GetDataRequest.write(writer, { path, watch: false })
  return frame(writer.take())
}

function setData(xid: number, path: string, data: Buffer): Buffer {
  const writer = new Writer()
  writer.int(xid)
  writer.int(Op.setData)
  SetDataRequest.write(writer, { path, data, version: -1 })
  return frame(writer.take())
}

/** The start of a TLS 1.2 handshake. */
function tlsHello(): Buffer {
  const hello = Buffer.concat([
    Buffer.of(3, 3),
    Buffer.alloc(32, 7),
    Buffer.alloc(1),
    int(0x0002_c02f),
  ])
  const length = Buffer.of(0, hello.length >> 8, hello.length & 0xff)
  const handshake = Buffer.concat([Buffer.of(1), length, hello])
  return Buffer.concat([
    Buffer.of(22, 3, 1, handshake.length >> 8, handshake.length & 0xff),
    handshake,
  ])
}
