/**
 * What time does, on our server and on Apache ZooKeeper 3.9.5: containers and TTL nodes are reaped and
 * sessions expire, with the same events in the same order at the same zxids. Skips aloud where there
 * is no Java or no Maven.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ConnectRequest } from '../../ensemble/protocol/connect.ts'
import { Op } from '../../ensemble/protocol/op-codes.ts'
import * as requests from '../../ensemble/protocol/requests.ts'
import { AddWatchMode, AddWatchRequest, EventType } from '../../ensemble/protocol/watches.ts'
import { serverSettings, startServer } from '../../ensemble/server/index.ts'
import { silent } from '../../ensemble/sys/logger.ts'
import { apache, apacheMissing } from '../support/apache.ts'
import { freePort, ServerProcess } from '../support/server-process.ts'
import { View } from './differential/answers.ts'
import { framed, isNotification, RawConnection } from './differential/raw-connection.ts'

const missing = apacheMissing()
if (missing !== null) {
  process.stderr.write(`SKIPPED test/interop/differential-time.test.ts: ${missing}\n`)
}

const OPEN = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
const CHECK_MS = 300
const TICK_MS = 200
const WAIT_MS = 30_000

/** A session on one server. */
class Session {
  readonly #link: RawConnection
  readonly #view = new View()
  readonly events: string[] = []

  private constructor(link: RawConnection) {
    this.#link = link
  }

  static async open(port: number, timeOut: number): Promise<Session> {
    const link = new RawConnection(port)
    const passwd = Buffer.alloc(16)
    const request = { protocolVersion: 0, lastZxidSeen: 0n, timeOut, sessionId: 0n, passwd }
    link.write(framed((writer) => ConnectRequest.write(writer, { ...request, readOnly: false })))
    await link.until(() => link.answers > 0, WAIT_MS)
    link.takeFirst()
    return new Session(link)
  }

  async ask(type: number, body: Buffer): Promise<string> {
    this.#link.write(
      framed((writer) => {
        writer.int(1)
        writer.int(type)
        writer.raw(body)
      }),
    )
    await this.#link.until(() => this.#link.answers > 0, WAIT_MS)
    const frames = this.#link.take()
    for (const frame of frames) if (isNotification(frame)) this.#note(frame)
    const answer = frames.find((frame) => !isNotification(frame))
    return answer === undefined ? 'no answer' : this.#view.answer(type, answer).text
  }

  async create(path: string, flags = 0): Promise<string> {
    const type = flags === requests.CreateMode.container ? Op.createContainer : Op.create
    return this.ask(type, requests.CreateRequest.encode({ path, data: null, acl: OPEN, flags }))
  }

  async delete(path: string): Promise<string> {
    return this.ask(Op.delete, requests.DeleteRequest.encode({ path, version: -1 }))
  }

  /** Until the node's end has been told. */
  async gone(path: string): Promise<void> {
    const isTold = () => {
      for (const frame of this.#link.inbox.splice(0)) this.#note(frame)
      return this.events.some((event) =>
        event.startsWith(`event ${EventType.nodeDeleted} 3 "${path}"`),
      )
    }
    await this.#link.until(isTold, WAIT_MS)
  }

  #note(frame: Buffer): void {
    this.events.push(this.#view.event(frame).text)
  }

  close(): void {
    this.#link.destroy()
  }
}

/** The same on either server: what was answered and told. */
async function story(port: number): Promise<string[]> {
  const [watcher, actor] = [await Session.open(port, 30_000), await Session.open(port, 30_000)]
  const answers: string[] = []
  const mode = AddWatchMode.persistentRecursive
  answers.push(await watcher.ask(Op.addWatch, AddWatchRequest.encode({ path: '/', mode })))

  // A container goes once its last child has gone, and not before it had one.
  answers.push(await actor.create('/unused', requests.CreateMode.container))
  answers.push(await actor.create('/outer', requests.CreateMode.container))
  answers.push(await actor.create('/outer/inner', requests.CreateMode.container))
  answers.push(await actor.create('/outer/inner/child'))
  answers.push(await actor.delete('/outer/inner/child'))
  await watcher.gone('/outer')

  const ttl = { path: '/brief', data: null, acl: OPEN, flags: 5, ttl: 1n }
  answers.push(await actor.ask(Op.createTtl, requests.CreateTtlRequest.encode(ttl)))
  await watcher.gone('/brief')

  const mortal = await Session.open(port, 2 * TICK_MS)
  answers.push(await mortal.create('/ephemeral', 1))
  await watcher.gone('/ephemeral')

  answers.push(await actor.create('/last'))
  answers.push(
    await watcher.ask(Op.exists, requests.ExistsRequest.encode({ path: '/unused', watch: false })),
  )
  for (const session of [watcher, actor, mortal]) session.close()
  return [...answers, ...watcher.events]
}

test.skipIf(missing !== null)(
  'containers, TTL nodes and sessions end as on Apache 3.9.5, with the same events (I-52, I-58)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'howdah-time-'))
    await using cleaning = new AsyncDisposableStack()
    cleaning.defer(() => rmSync(folder, { recursive: true, force: true }))
    await using theirs = await ServerProcess.start(
      apache([
        '-Dzookeeper.extendedTypesEnabled=true',
        `-Dznode.container.checkIntervalMs=${CHECK_MS}`,
      ]),
      {
        folder: join(folder, 'apache'),
        port: await freePort(),
        settings: { tickTime: TICK_MS, maxSessionTimeout: 60_000 },
      },
    )
    await using ours = await startServer(
      serverSettings({
        dataDir: join(folder, 'ours'),
        clientPort: 0,
        clientPortAddress: '127.0.0.1',
        tickTimeMs: TICK_MS,
        maxSessionTimeoutMs: 60_000,
        extendedTypesEnabled: true,
        containerCheckIntervalMs: CHECK_MS,
      }),
      silent,
    )
    const [own, other] = await Promise.all([story(ours.clientPort!), story(theirs.port)])
    expect(own).toEqual(other)
    expect(own.filter((line) => line.startsWith(`event ${EventType.nodeDeleted}`))).toHaveLength(5)
  },
)
