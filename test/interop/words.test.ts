/**
 * Four-letter words of our server and of Apache 3.9.5 with the same clients, nodes and watches: the same
 * texts, once numbers, ids, addresses and dates are those of the run.
 *
 * Skips aloud where there is no Java or no Maven.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect as connectSocket } from 'node:net'
import { fourLetterWords } from '../../ensemble/admin/four-letter-words.ts'
import { connect, type Client } from '../../ensemble/client/index.ts'
import { shape, shapeOfList } from '../support/admin-world.ts'
import { apacheMissing } from '../support/apache.ts'
import { apacheServer, ourTimedServer, type RunningServer } from '../support/twin-servers.ts'

const missing = apacheMissing()
if (missing !== null) process.stderr.write(`SKIPPED test/interop/words.test.ts: ${missing}\n`)

const SAME_TEXT = ['ruok', 'isro', 'gtmk', 'crst', 'srst', 'dirs', 'wchs', 'srvr', 'conf']
/** In the order of a hash table. */
const SAME_LINES = ['wchc', 'wchp']
/** How many lines of a kind there are is a matter of load and time. */
const SAME_KINDS = ['dump', 'cons', 'stat', 'hash']
/** Words with bytes behind them, and what is no word. */
const ARGUMENTS = [
  'stmk\0\0\0\0\0\0\0\x07',
  'gtmk\n',
  'stmk\0\0\0\0\0\0\x01\x02',
  'ruok ruok',
  'foo ',
  'RUOK',
]

/** A server with two clients, which have made and watch something. */
class World {
  readonly server: RunningServer
  readonly #clients: readonly Client[]

  private constructor(server: RunningServer, clients: readonly Client[]) {
    this.server = server
    this.#clients = clients
  }

  static async start(server: RunningServer): Promise<World> {
    const address = `127.0.0.1:${server.port}`
    const first = await connect(address, { sessionTimeoutMs: 10_000 })
    const second = await connect(address, { sessionTimeoutMs: 8000 })
    const watch = (): void => {}
    await first.create('/app', Buffer.alloc(0))
    await first.create('/app/eph-', null, { mode: 'ephemeral-sequential' })
    await second.create('/app/eph-', null, { mode: 'ephemeral-sequential' })
    await first.exists('/app', { watch })
    await first.exists('/app/missing', { watch })
    await second.get('/app', { watch })
    await second.getChildren('/app', { watch })
    return new World(server, [first, second])
  }

  /** Statistics that were reset have something to show again. */
  async askSomething(): Promise<void> {
    for (const client of this.#clients) await client.get('/app')
  }

  send(bytes: string): Promise<string> {
    return new Promise((resolve) => {
      let text = ''
      const socket = connectSocket(this.server.port, '127.0.0.1', () => socket.write(bytes))
      socket.setTimeout(20_000, () => socket.destroy())
      socket.on('data', (chunk) => (text += chunk.toString()))
      socket.on('error', () => {})
      socket.on('close', () => resolve(text))
    })
  }

  async close(): Promise<void> {
    for (const client of this.#clients) await client.close()
    await this.server[Symbol.asyncDispose]()
  }
}

describe.skipIf(missing !== null)('four-letter words', () => {
  let ours: World
  let theirs: World
  beforeAll(async () => {
    const setUp = { properties: { 'readonlymode.enabled': 'true' } }
    ours = await World.start(await ourTimedServer(setUp))
    theirs = await World.start(await apacheServer(setUp))
  })
  afterAll(async () => {
    await ours?.close()
    await theirs?.close()
  })

  const both = async (bytes: string): Promise<[string, string]> => {
    await ours.askSomething()
    await theirs.askSomething()
    return [await ours.send(bytes), await theirs.send(bytes)]
  }

  test.each([...SAME_TEXT, ...ARGUMENTS])('%j: the same text', async (word) => {
    const [own, other] = await both(word)
    expect(shape(own)).toBe(shape(other))
  })

  test.each(SAME_LINES)('%s: the same lines', async (word) => {
    const [own, other] = await both(word)
    expect(shape(own).split('\n').toSorted()).toEqual(shape(other).split('\n').toSorted())
  })

  test.each(SAME_KINDS)('%s: lines of the same kinds', async (word) => {
    const [own, other] = await both(word)
    expect(shapeOfList(own).toSorted()).toEqual(shapeOfList(other).toSorted())
  })

  test('envi: the same keys in the same order', async () => {
    const [own, other] = await both('envi')
    const keys = (text: string): string[] => text.split('\n').map((line) => line.split('=')[0]!)
    expect(keys(own)).toEqual(keys(other))
  })

  test('mntr: every name, with a value of the same kind', async () => {
    const [own, other] = await both('mntr')
    const kinds = (text: string): string[] =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => (line.startsWith('zk_version') ? 'zk_version' : shape(line)))
    expect(kinds(own).toSorted()).toEqual(kinds(other).toSorted())
  })

  test('no word is left out', () => {
    const compared = [...SAME_TEXT, ...SAME_LINES, ...SAME_KINDS, 'envi', 'mntr', 'stmk']
    expect(compared.toSorted()).toEqual(fourLetterWords.toSorted())
  })
})
