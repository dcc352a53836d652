/** The simulated network keeps the promises of `sys/network.ts`, and fails as D-7 wants it to. */
import { describe, expect, test } from 'vitest'
import type { Connection, ConnectionHandlers } from '../../ensemble/sys/network.ts'
import { calmNetwork, SimNetwork } from './sim-network.ts'
import { World } from './world.ts'

function twoHosts(seed: number, options: Partial<typeof calmNetwork> = {}) {
  const world = new World(seed)
  const near = world.addHost('10.0.0.1')
  const far = world.addHost('10.0.0.2')
  const client = world.startProc(near, 'client')
  const server = world.startProc(far, 'server')
  const network = new SimNetwork(world, { ...calmNetwork, ...options })
  return { world, near, far, client, server, network }
}

function recorder() {
  const events: string[] = []
  const handlers: ConnectionHandlers & { text: string; chunks: number } = {
    text: '',
    chunks: 0,
    onConnect: () => events.push('connect'),
    onData: (chunk) => {
      handlers.text += chunk.toString()
      handlers.chunks++
    },
    onClose: (error) =>
      events.push(error === undefined ? 'close' : `close ${error.message.split(':')[0]}`),
  }
  return { handlers, events }
}

async function connected(seed: number, options: Partial<typeof calmNetwork> = {}) {
  const setup = twoHosts(seed, options)
  const { world, network, client, server } = setup
  const atServer = recorder()
  let serverSide: Connection | null = null
  void network.forProc(server).listen({ host: '0.0.0.0', port: 2181 }, (connection) => {
    serverSide = connection
    return atServer.handlers
  })
  await world.run(1)
  const atClient = recorder()
  const clientSide = network
    .forProc(client)
    .connect({ host: '10.0.0.2', port: 2181 }, atClient.handlers)
  await world.run(200, () => serverSide !== null && atClient.events.length > 0)
  return { ...setup, atServer, atClient, clientSide, serverSide: serverSide! as Connection }
}

describe('a simulated connection', () => {
  test.each([1, 2, 3])('keeps the order of bytes in pieces of any size (seed %i)', async (seed) => {
    const { world, clientSide, atServer } = await connected(seed, { splitChance: 0.9 })
    let sent = ''
    for (let n = 0; n < 200; n++) {
      sent += `message ${n};`
      clientSide.write(Buffer.from(`message ${n};`))
    }
    await world.run(5000, () => atServer.handlers.text.length === sent.length)
    expect(atServer.handlers.text).toBe(sent)
    expect(atServer.handlers.chunks).toBeGreaterThan(20)
  })

  test('holds back what is beyond the window until it has been read, then calls onWritten', async () => {
    const { world, clientSide, serverSide, atServer } = await connected(1, { windowBytes: 100 })
    serverSide.pause()
    let written = 0
    for (let n = 0; n < 10; n++) clientSide.write(Buffer.alloc(50, 97), () => written++)
    await world.run(100)
    expect(written).toBe(2)
    expect(clientSide.queuedBytes).toBe(400)
    serverSide.resume()
    await world.run(1000)
    expect(written).toBe(10)
    expect(atServer.handlers.text.length).toBe(500)
  })

  test('tells when a writer changes bytes that it has handed over', async () => {
    const { world, clientSide } = await connected(1)
    const bytes = Buffer.from('hello')
    clientSide.write(bytes)
    bytes[0] = 0
    await world.run(10)
    expect(world.violations.map((violation) => violation.id)).toEqual(['write'])
  })

  test('closes both sides after both have ended', async () => {
    const { world, clientSide, atClient, atServer } = await connected(1)
    clientSide.write(Buffer.from('bye'))
    clientSide.end()
    await world.run(100)
    expect(atServer.handlers.text).toBe('bye')
    expect(atServer.events).toEqual(['close'])
    expect(atClient.events).toEqual(['connect', 'close'])
  })

  test('is refused when nobody listens, and times out when the host is off', async () => {
    const { world, network, client, far } = twoHosts(1)
    const refused = recorder()
    network.forProc(client).connect({ host: '10.0.0.2', port: 1 }, refused.handlers)
    await world.run(100)
    expect(refused.events).toEqual(['close ECONNREFUSED'])
    far.isUp = false
    const timedOut = recorder()
    network.forProc(client).connect({ host: '10.0.0.2', port: 1 }, timedOut.handlers)
    await world.run(60_000)
    expect(timedOut.events).toEqual(['close ETIMEDOUT'])
  })

  test('stalls on a cut link, and goes on or is reset after healing (F-12)', async () => {
    const outcomes = new Set<string>()
    for (let seed = 1; seed <= 12; seed++) {
      const { world, network, near, far, clientSide, atServer, atClient } = await connected(seed)
      network.cut(near, far)
      clientSide.write(Buffer.from('late'))
      await world.run(2000)
      expect(atServer.handlers.text).toBe('')
      network.healAll()
      await world.run(2000)
      outcomes.add(atClient.events.at(-1) === 'connect' ? atServer.handlers.text : 'reset')
    }
    expect([...outcomes].toSorted()).toEqual(['late', 'reset'])
  })

  test('times out at the sender when the cut lasts (F-13)', async () => {
    const { world, network, near, far, clientSide, serverSide, atClient, atServer } =
      await connected(1)
    network.cut(near, far)
    clientSide.write(Buffer.from('x'))
    serverSide.write(Buffer.from('still heard'))
    await world.run(100)
    expect(atClient.handlers.text).toBe('still heard')
    await world.run(20_000)
    expect(atClient.events.at(-1)).toBe('close ETIMEDOUT')
    expect(atServer.events).toEqual([])
  })

  test('is half open after a power loss: a write is answered by a reset once the host is back (F-16)', async () => {
    const { world, server, far, clientSide, atClient } = await connected(1)
    far.isUp = false
    world.kill(server, 'power-loss')
    await world.run(60_000)
    expect(atClient.events).toEqual(['connect'])
    far.isUp = true
    clientSide.write(Buffer.from('anybody?'))
    await world.run(100)
    expect(atClient.events.at(-1)).toBe('close ECONNRESET')
  })

  test('ends or is reset when the other process is killed', async () => {
    const ends = new Set<string>()
    for (let seed = 1; seed <= 20; seed++) {
      const { world, server, atClient } = await connected(seed)
      world.kill(server, 'kill')
      await world.run(100)
      ends.add(atClient.events.at(-1)!)
    }
    expect([...ends].toSorted()).toEqual(['close', 'close ECONNRESET'])
  })
})
