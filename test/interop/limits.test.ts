/**
 * Throttles of connections and of large requests: ours beside Apache ZooKeeper 3.9.5 with the same
 * zoo.cfg, asked the same (S-15). Skips aloud where there is no Java or no Maven.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ConnectRequest, ConnectResponse } from '../../ensemble/protocol/connect.ts'
import { Op } from '../../ensemble/protocol/op-codes.ts'
import { CreateRequest } from '../../ensemble/protocol/requests.ts'
import { apache, apacheMissing } from '../support/apache.ts'
import { fourLetters, freePort, ours, ServerProcess } from '../support/server-process.ts'
import { framed, RawConnection } from './differential/raw-connection.ts'

const missing = apacheMissing()
if (missing !== null) process.stderr.write(`SKIPPED test/interop/limits.test.ts: ${missing}\n`)

const ANSWER_MS = 10_000
const OPEN = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
const SETTINGS = {
  connection_throttle_tokens: 4,
  connection_throttle_fill_time: 1_000_000,
  connection_throttle_weight_enabled: 'true',
  largeRequestThreshold: 1000,
  largeRequestMaxBytes: 1500,
}
const METRICS =
  /^zk_(.*(token_deficit|connection_rejected|drop_probability|connection_request|large_requests).*)$/

/** A connection that has asked for a session; null when it was closed without an answer. */
async function connect(port: number, former: ConnectResponse | null = null) {
  const link = new RawConnection(port)
  const request = {
    protocolVersion: 0,
    lastZxidSeen: 0n,
    timeOut: 10_000,
    sessionId: former?.sessionId ?? 0n,
    passwd: former?.passwd ?? Buffer.alloc(16),
    readOnly: false,
  }
  link.write(framed((writer) => ConnectRequest.write(writer, request)))
  expect(await link.until(() => link.answers > 0 || link.isClosed, ANSWER_MS)).toBe(true)
  const frame = link.takeFirst()
  return frame === undefined ? null : { link, session: ConnectResponse.decode(frame) }
}

/** What a server says to a list of demands, and what its metrics say of them. */
async function conversation(port: number): Promise<string[]> {
  const lines: string[] = []
  // Twelve tokens: three for a new session, two for one that comes back.
  const first = await connect(port)
  await connect(port)
  await connect(port)
  const again = await connect(port, first!.session)
  lines.push(`resumed ${again!.session.timeOut}`)
  const refused = [await connect(port), await connect(port, first!.session)]
  lines.push(`refused ${refused.filter((one) => one === null).length}`)
  const { link } = again!
  let xid = 0
  for (const size of [100, 1200, 1200, 1600]) {
    xid++
    const value = { path: `/${xid}`, data: Buffer.alloc(size), acl: OPEN, flags: 0 }
    const body = CreateRequest.encode(value)
    link.write(
      framed((writer) => {
        writer.int(xid)
        writer.int(Op.create)
        writer.raw(body)
      }),
    )
    const before = link.answers
    expect(await link.until(() => link.answers > before || link.isClosed, ANSWER_MS)).toBe(true)
    lines.push(`${size} answered ${link.answers} closed ${link.isClosed}`)
  }
  for (const line of (await fourLetters(port, 'mntr')).split('\n')) {
    const match = METRICS.exec(line)
    if (match !== null) lines.push(match[1] ?? '')
  }
  return lines.toSorted()
}

test.skipIf(missing !== null)(
  'connections and large requests are refused as by Apache 3.9.5, and its metrics say the same (S-15)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'howdah-limits-'))
    await using cleaning = new AsyncDisposableStack()
    cleaning.defer(() => rmSync(folder, { recursive: true, force: true }))
    const answers: string[][] = []
    for (const program of [ours, apache()]) {
      await using server = await ServerProcess.start(program, {
        folder: join(folder, program.name),
        port: await freePort(),
        settings: SETTINGS,
      })
      answers.push(await conversation(server.port))
    }
    expect(answers[0]).toEqual(answers[1])
    expect(answers[0]).toContain('1600 answered 3 closed true')
    expect(answers[0]).toContain('connection_rejected\t2')
  },
)
