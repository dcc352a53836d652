/**
 * a server that sends nonsense. Whatever comes, every request ends with a result or a ZkError, the
 * client asks for a new connection, and nothing is thrown anywhere else.
 */
import { expect, test } from 'vitest'
import { Client } from '../../../ensemble/client/client.ts'
import { ZkError } from '../../../ensemble/client/errors.ts'
import * as replies from '../../../ensemble/protocol/replies.ts'
import { below, type Random } from '../../../ensemble/sys/random.ts'
import { FakeNetwork } from '../../support/fake-network.ts'
import { StepClock } from '../../support/step-clock.ts'
import { connectResponse, event, reply } from '../../support/zk-frames.ts'

function seeded(seed: number): Random {
  let state = (seed * 2_654_435_761) >>> 0 || 1
  const uint32 = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>>= 0)
  }
  return { uint32, secureBytes: (length) => Buffer.alloc(length) }
}

const stat = {
  czxid: 1n,
  mzxid: 2n,
  ctime: 0,
  mtime: 0,
  version: 0,
  cversion: 0,
  aversion: 0,
  ephemeralOwner: 0n,
  dataLength: 0,
  numChildren: 0,
  pzxid: 1n,
}

/** What an honest server would send, greeting included. */
function honest(): Buffer {
  return Buffer.concat([
    connectResponse({ id: 5n, timeoutMs: 9000 }),
    reply({ xid: 1, zxid: 5n }, (w) =>
      replies.GetDataResponse.write(w, { data: Buffer.from('abc'), stat }),
    ),
    event(3, '/a', 6n),
    reply({ xid: 2, zxid: 6n }, (w) =>
      replies.GetChildren2Response.write(w, { children: ['x', 'y'], stat }),
    ),
    reply({ xid: 3, zxid: 6n, err: -101 }),
    reply({ xid: 4, zxid: 7n }, (w) =>
      replies.GetAclResponse.write(w, {
        acl: [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }],
        stat,
      }),
    ),
    reply({ xid: 5, zxid: 7n }, (w) =>
      replies.WhoAmIResponse.write(w, { clientInfo: [{ authScheme: 'ip', user: '::1' }] }),
    ),
  ])
}

function spoilt(random: Random): Buffer {
  const bytes = honest()
  const changes = 1 + below(random, 3)
  for (let i = 0; i < changes; i++) {
    const at = below(random, bytes.length)
    const values = [0, 0xff, 0x7f, 0x80, below(random, 256)]
    bytes[at] = values[below(random, values.length)]!
  }
  if (below(random, 4) === 0) return bytes.subarray(0, below(random, bytes.length))
  return bytes
}

async function run(seed: number): Promise<{ settled: number; code: Set<string> }> {
  const random = seeded(seed)
  const clock = new StepClock()
  const network = new FakeNetwork()
  const client = new Client('a:1,b:2', { sessionTimeoutMs: 9000 }, { clock, network, random })
  client.start()
  const watch = () => {}
  const calls: Promise<unknown>[] = [
    client.get('/a', { watch }),
    client.getChildren('/b', { watch }),
    client.exists('/c', { watch }),
    client.getAcl('/d'),
    client.whoAmI(),
  ]
  const code = new Set<string>()
  let settled = 0
  for (const call of calls) {
    void call.then(
      () => settled++,
      (error: unknown) => {
        expect(error).toBeInstanceOf(ZkError)
        code.add((error as ZkError).code)
        settled++
      },
    )
  }
  await clock.settle()
  network.last.accept()
  await clock.settle()
  const bytes = spoilt(random)
  const connection = network.last
  for (let at = 0; at < bytes.length;) {
    const length = 1 + below(random, 60)
    connection.receive(bytes.subarray(at, at + length))
    at += length
    await clock.settle()
  }
  // From here on the servers are silent: time must end what the bytes did not.
  await clock.advance(60_000)
  const closed = client.close()
  await clock.advance(20_000)
  await closed
  expect(clock.timers).toBe(0)
  expect(client.pendingRequests).toBe(0)
  expect(['closed', 'expired', 'auth-failed']).toContain(client.state)
  return { settled, code }
}

test('spoilt replies of 300 seeds: every request ends, with a reason (X-16)', async () => {
  const codes = new Set<string>()
  for (let seed = 1; seed <= 300; seed++) {
    const { settled, code } = await run(seed)
    expect(settled, `seed ${seed}`).toBe(5)
    for (const name of code) codes.add(name)
  }
  // The spoiling has an effect, and it is not always the same.
  expect(codes).toContain('connectionLoss')
  expect(codes).toContain('sessionExpired')
})
