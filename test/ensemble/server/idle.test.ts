/** Connections that say nothing: closed in time, and not because the server itself stood still. */
import { expect, test } from 'vitest'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { PeerBench } from '../../support/peer-bench.ts'

test('a connection without a connect request is closed after a while, whatever it dribbles (S-13)', async () => {
  await using bench = await PeerBench.start({ tickTimeMs: 1000, sessionlessCnxnTimeoutMs: 4000 })
  const [silent, slow] = [bench.dial(), bench.dial()]
  slow.send(Buffer.from([0, 0, 0, 45]))
  await bench.advance(2000)
  slow.send(Buffer.alloc(4))
  expect([silent.isDestroyed, slow.isDestroyed]).toEqual([false, false])
  await bench.advance(8000)
  await bench.until(() => silent.isDestroyed && slow.isDestroyed)
  expect(await bench.metric('sessionless_connections_expired')).toBe(2)
})

test('a pause of the server cuts off nobody whose bytes wait in the sockets (F-19)', async () => {
  await using bench = await PeerBench.start({ tickTimeMs: 1000, minSessionTimeoutMs: 2000 })
  const newcomer = bench.dial()
  const client = await bench.client()
  await bench.pause(60_000)
  expect([newcomer.isDestroyed, client.isDestroyed]).toEqual([false, false])
  client.request(Op.ping, Buffer.alloc(0), -2)
  newcomer.connect()
  await bench.until(() => newcomer.welcome() !== null)
  expect(client.replies()).toMatchObject([{ xid: -2, err: 0 }])
  await bench.advance(30_000)
  await bench.until(() => client.hasEnded)
})
