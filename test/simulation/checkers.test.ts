/** The checkers find what they are for, in histories made by hand (D-26), and accept a good one. */
import { describe, expect, test } from 'vitest'
import { Op } from '../../ensemble/protocol/op-codes.ts'
import type { Stat } from '../../ensemble/protocol/stat.ts'
import type { Txn, TxnBody } from '../../ensemble/protocol/transactions.ts'
import { checkHistory } from './check-history.ts'
import type { WireConnection, WireReply, WireRequest } from './history.ts'
import { Model } from './model.ts'

const SESSION = 0x100n
const NO_NODE = -101

/** A log and the streams of one or two clients, built in the order in which things happened. */
class Script {
  readonly txns: Txn[] = []
  readonly connections: WireConnection[] = []
  #order = 0
  #zxid = 0n

  /** Logs a transaction of a session; returns its zxid. */
  txn(body: TxnBody, clientId = SESSION, cxid = 0): bigint {
    this.#zxid += 1n
    this.txns.push({ clientId, cxid, zxid: this.#zxid, time: 1000, ...body })
    return this.#zxid
  }

  client(sessionId = SESSION): WireConnection {
    const wire: WireConnection = {
      number: this.connections.length,
      who: `client ${this.connections.length}`,
      openedUs: 0,
      lastSeenZxid: 0n,
      askedSessionId: 0n,
      sessionId,
      timeoutMs: 4000,
      isRefused: false,
      entries: [],
      outstanding: [],
      heard: [],
    }
    this.connections.push(wire)
    return wire
  }

  ask(wire: WireConnection, type: number, body: unknown, xid = 0): WireRequest {
    const request: WireRequest = {
      kind: 'request',
      order: this.#order++,
      timeUs: 0,
      xid,
      type,
      body,
      reply: null,
    }
    wire.entries.push(request)
    return request
  }

  answer(wire: WireConnection, request: WireRequest, zxid: bigint, body: unknown, err = 0): void {
    const order = this.#order++
    const reply: WireReply = { kind: 'reply', order, timeUs: 0, zxid, err, body, request }
    request.reply = reply
    wire.entries.push(reply)
  }

  event(wire: WireConnection, zxid: bigint, type: number, path: string): void {
    wire.entries.push({ kind: 'event', order: this.#order++, zxid, type, path })
  }

  /** Asks and is answered at once. */
  call(
    wire: WireConnection,
    type: number,
    body: unknown,
    zxid: bigint,
    answer: unknown,
    { err = 0, xid = 0 } = {},
  ): void {
    this.answer(wire, this.ask(wire, type, body, xid), zxid, answer, err)
  }

  get ids(): string[] {
    return [...new Set(checkHistory(this.connections, this.txns).map((problem) => problem.id))]
  }

  statAt(zxid: bigint, path: string): Stat {
    const model = new Model()
    for (const txn of this.txns) if (txn.zxid <= zxid) model.apply(txn)
    return model.stat(path)!
  }
}

function create(path: string, data = 'x', ephemeral = false, parentCVersion = -1): TxnBody {
  return { type: Op.create, path, data: Buffer.from(data), acl: [], ephemeral, parentCVersion }
}

function setData(path: string, data: string, version: number): TxnBody {
  return { type: Op.setData, path, data: Buffer.from(data), version }
}

const createBody = (path: string, data = 'x', flags = 0) => ({
  path,
  data: Buffer.from(data),
  flags,
})
const setBody = (path: string, data: string) => ({ path, data: Buffer.from(data), version: -1 })

/** A session, and `/a` with data "x". */
function begun() {
  const script = new Script()
  script.txn({ type: Op.createSession, timeOut: 4000 })
  const wire = script.client()
  const zxid = script.txn(create('/a'), SESSION, 1)
  script.call(wire, Op.create, createBody('/a'), zxid, { path: '/a' }, { xid: 1 })
  return { script, wire, zxid }
}

describe('a good history', () => {
  test('has no problems', () => {
    const { script, wire, zxid } = begun()
    const read = { path: '/a', watch: true }
    const before = { data: Buffer.from('x'), stat: script.statAt(zxid, '/a') }
    script.call(wire, Op.getData, read, zxid, before)
    const changed = script.txn(setData('/a', 'y', 1), SESSION, 2)
    script.event(wire, changed, 3, '/a')
    const stat = script.statAt(changed, '/a')
    script.call(wire, Op.setData, setBody('/a', 'y'), changed, { stat }, { xid: 2 })
    script.call(wire, Op.getData, read, changed, { data: Buffer.from('y'), stat })
    script.call(wire, Op.getChildren, { path: '/', watch: false }, changed, {
      children: ['zookeeper', 'a'],
    })
    script.call(wire, Op.exists, { path: '/b', watch: false }, changed, null, { err: NO_NODE })
    expect(checkHistory(script.connections, script.txns)).toEqual([])
  })
})

describe('the checkers find', () => {
  test('a lost acknowledged write (I-6)', () => {
    const { script, wire } = begun()
    script.call(wire, Op.create, createBody('/b'), 3n, { path: '/b' }, { xid: 2 })
    expect(script.ids).toEqual(['I-6'])
  })

  test('an acknowledged write whose zxid another one took after a crash (I-6)', () => {
    const { script, wire } = begun()
    script.call(wire, Op.create, createBody('/b'), 3n, { path: '/b' }, { xid: 2 })
    script.txn(create('/c'), SESSION, 3)
    expect(script.ids).toEqual(['I-6'])
  })

  test('a read of what was never durable (I-6)', () => {
    const { script, wire } = begun()
    script.call(wire, Op.exists, { path: '/b', watch: false }, 9n, null, { err: NO_NODE })
    expect(script.ids).toEqual(['I-6'])
  })

  test('a write that was refused and done (I-21)', () => {
    const { script, wire } = begun()
    const zxid = script.txn(setData('/a', 'y', 1), SESSION, 2)
    script.call(wire, Op.setData, setBody('/a', 'y'), zxid, null, { xid: 2, err: -103 })
    expect(script.ids).toEqual(['I-21'])
  })

  test('a write that was done twice (I-21)', () => {
    const { script } = begun()
    script.txn(setData('/a', '#1', 1), SESSION, 2)
    script.txn(setData('/a', '#1', 2), SESSION, 3)
    expect(script.ids).toEqual(['I-21'])
  })

  test('a write that was done otherwise than asked (I-21)', () => {
    const { script, wire } = begun()
    const zxid = script.txn(setData('/a', 'z', 1), SESSION, 2)
    const stat = script.statAt(zxid, '/a')
    script.call(wire, Op.setData, setBody('/a', 'y'), zxid, { stat }, { xid: 2 })
    expect(script.ids).toEqual(['I-21'])
  })

  test('a split multi (I-27)', () => {
    const { script, wire } = begun()
    const ops = [
      { type: Op.setData, ...setBody('/a', 'y') },
      { type: Op.create, ...createBody('/b') },
    ]
    const zxid = script.txn({ type: Op.multi, txns: [setData('/a', 'y', 1)] }, SESSION, 2)
    const results = [{ type: Op.setData }, { type: Op.create, path: '/b' }]
    script.call(wire, Op.multi, ops, zxid, results, { xid: 2 })
    expect(script.ids).toEqual(['I-21'])
  })

  test('writes against real time (I-20)', () => {
    const { script, wire } = begun()
    const other = script.client()
    const early = script.txn(create('/b'), SESSION, 2)
    const late = script.txn(create('/c'), SESSION, 3)
    script.call(wire, Op.create, createBody('/c'), late, { path: '/c' }, { xid: 3 })
    script.call(other, Op.create, createBody('/b'), early, { path: '/b' }, { xid: 2 })
    expect(script.ids).toContain('I-20')
  })

  test('a stale read, also after sync (I-26)', () => {
    const { script, wire, zxid } = begun()
    const other = script.client(0x200n)
    const changed = script.txn(setData('/a', 'y', 1), SESSION, 2)
    const stat = script.statAt(changed, '/a')
    script.call(wire, Op.setData, setBody('/a', 'y'), changed, { stat }, { xid: 2 })
    const old = { data: Buffer.from('x'), stat: script.statAt(zxid, '/a') }
    script.call(other, Op.getData, { path: '/a', watch: false }, zxid, old)
    expect(script.ids).toEqual(['I-26'])
  })

  test('a session that goes back (I-24)', () => {
    const { script, wire } = begun()
    const pending = script.ask(wire, Op.getChildren, { path: '/', watch: false })
    script.call(wire, Op.exists, { path: '/b', watch: false }, 2n, null, { err: NO_NODE })
    script.answer(wire, pending, 1n, { children: ['zookeeper'] })
    expect(script.ids).toContain('I-24')
  })

  test('a read that shows another moment than its zxid (I-23)', () => {
    const { script, wire, zxid } = begun()
    const wrong = { data: Buffer.from('y'), stat: script.statAt(zxid, '/a') }
    script.call(wire, Op.getData, { path: '/a', watch: false }, zxid, wrong)
    expect(script.ids).toEqual(['I-23'])
  })

  test('a wrong stat (I-23)', () => {
    const { script, wire, zxid } = begun()
    const stat = { ...script.statAt(zxid, '/a'), cversion: 7 }
    script.call(wire, Op.exists, { path: '/a', watch: false }, zxid, { stat })
    expect(script.ids).toEqual(['I-23'])
  })

  test('an ephemeral that outlives its session, for a reader and in the log (I-23, I-50)', () => {
    const { script } = begun()
    script.txn(create('/e', 'x', true), SESSION, 2)
    const zxid = script.txn({ type: Op.closeSession, paths: [] })
    const other = script.client(0x200n)
    const stat = { ...script.statAt(zxid, '/a'), ephemeralOwner: SESSION }
    script.call(other, Op.exists, { path: '/e', watch: false }, zxid, { stat })
    expect(script.ids.toSorted()).toEqual(['I-23', 'I-50'])
  })

  test('a resurrected session (I-53)', () => {
    const { script } = begun()
    script.txn({ type: Op.closeSession, paths: [] })
    script.txn(create('/e', 'x', true), SESSION, 2)
    expect(script.ids).toEqual(['I-53'])
  })

  test('a session that ends twice (I-50)', () => {
    const { script } = begun()
    script.txn({ type: Op.closeSession, paths: [] })
    script.txn({ type: Op.closeSession, paths: [] })
    expect(script.ids).toEqual(['I-50'])
  })

  test('a sequential name used twice (I-28)', () => {
    const { script } = begun()
    script.txn(create('/q', 'x', false, 2))
    script.txn(create('/q/n-0000000000', 'x', false, 1))
    script.txn({ type: Op.delete, path: '/q/n-0000000000' })
    script.txn(create('/q/n-0000000000', 'x', false, 1))
    expect(script.ids).toEqual(['I-28'])
  })

  test('a hole in the log (I-12)', () => {
    const { script } = begun()
    script.txns.splice(1, 1)
    script.txn(create('/b'))
    expect(script.ids).toContain('I-12')
  })

  describe('in the watches', () => {
    /** `/a` is watched, and then changed. */
    function watched() {
      const { script, wire, zxid } = begun()
      const stat = script.statAt(zxid, '/a')
      const data = Buffer.from('x')
      script.call(wire, Op.getData, { path: '/a', watch: true }, zxid, { data, stat })
      const changed = script.txn(setData('/a', 'y', 1), 0n)
      return { script, wire, zxid, changed }
    }

    test('an event behind the data that it announces (I-40)', () => {
      const { script, wire, changed } = watched()
      script.call(wire, Op.exists, { path: '/b', watch: false }, changed, null, { err: NO_NODE })
      script.event(wire, changed, 3, '/a')
      expect(script.ids).toEqual(['I-40'])
    })

    test('an event that never comes (I-40, I-42)', () => {
      const { script, wire } = watched()
      const later = script.txn(create('/b'), 0n)
      const stat = script.statAt(later, '/b')
      script.call(wire, Op.exists, { path: '/b', watch: false }, later, { stat })
      expect(script.ids).toEqual(['I-40'])
    })

    test('an event that comes twice (I-41)', () => {
      const { script, wire, changed } = watched()
      script.event(wire, changed, 3, '/a')
      script.event(wire, changed, 3, '/a')
      expect(script.ids).toEqual(['I-41'])
    })

    test('an event for a change before the registration (I-41)', () => {
      const { script, wire, zxid } = watched()
      script.event(wire, zxid, 1, '/a')
      expect(script.ids).toEqual(['I-41'])
    })

    test('events out of order (I-41)', () => {
      const { script, wire, changed } = watched()
      const root = { path: '/', watch: true }
      script.event(wire, changed, 3, '/a')
      script.call(wire, Op.getChildren, root, changed, { children: ['a', 'zookeeper'] })
      const stat = script.statAt(changed, '/a')
      script.call(wire, Op.exists, { path: '/a', watch: true }, changed, { stat })
      const first = script.txn(setData('/a', 'z', 2), 0n)
      const second = script.txn(create('/b'), 0n)
      script.event(wire, second, 4, '/')
      script.event(wire, first, 3, '/a')
      expect(script.ids).toEqual(['I-41'])
    })

    test('what setWatches forgot to report (I-42)', () => {
      const { script, zxid, changed } = watched()
      const again = script.client()
      const body = { relativeZxid: zxid, dataWatches: ['/a'], existWatches: [], childWatches: [] }
      script.call(again, Op.setWatches, body, changed, null)
      expect(script.ids).toEqual(['I-42'])
    })

    test('nothing wrong with what setWatches reports', () => {
      const { script, zxid, changed } = watched()
      const again = script.client()
      const body = {
        relativeZxid: zxid,
        dataWatches: ['/a', '/gone'],
        existWatches: ['/a', '/later'],
        childWatches: ['/'],
      }
      const request = script.ask(again, Op.setWatches, body)
      script.event(again, -1n, 3, '/a')
      script.event(again, -1n, 2, '/gone')
      script.event(again, -1n, 1, '/a')
      script.answer(again, request, changed, null)
      const later = script.txn(create('/later'), 0n)
      script.event(again, later, 1, '/later')
      script.event(again, later, 4, '/')
      expect(script.ids).toEqual([])
    })
  })
})
