/**
 * Who is connected: every global session, its timeout, and when it ends if nothing is heard.
 *
 *     add ──opened()──▶ live ──touch──▶ live ──due()──▶ closing ──remove──▶ gone
 *                                └───────beginClose()──────┘
 *
 * Invariants:
 *  1. A session that is closing is never touched back to life: it ends by the one closeSession
 *     transaction that was made for it (I-50, I-53).
 *  2. Only `due` and `beginClose` make a session closing, each at most once.
 * Source: SessionTrackerImpl, ZooKeeper 3.9.5 (client-protocol 7).
 */
import { assert } from '../assert.ts'
import { ExpiryBuckets, type Expiring } from './expiry-buckets.ts'

export interface Session extends Expiring {
  readonly id: bigint
  /** As granted to the last connection that the session had. */
  timeoutMs: number
  /** Its createSession transaction has been applied; before, nobody else knows of it. */
  isOpen: boolean
  isClosing: boolean
  /** Connections that it has had: who has not the last one speaks for it no more. */
  connections: number
  /** Of its last write, which may be in flight. */
  lastWriteZxid: bigint
}

export class SessionTable {
  readonly #sessions = new Map<bigint, Session>()
  readonly #buckets: ExpiryBuckets<Session>

  constructor(tickMs: number, nowMs: number) {
    this.#buckets = new ExpiryBuckets(tickMs, nowMs)
  }

  get size(): number {
    return this.#sessions.size
  }

  get(id: bigint): Session | undefined {
    return this.#sessions.get(id)
  }

  /**
   * Session id and timeout of every open session, closing ones included: what a snapshot holds. One
   * whose creation is in flight is not in it: a crash may still take it back.
   */
  timeouts(): Map<bigint, number> {
    const timeouts = new Map<bigint, number>()
    for (const session of this.#sessions.values()) {
      if (session.isOpen) timeouts.set(session.id, session.timeoutMs)
    }
    return timeouts
  }

  buckets(): [number, ReadonlySet<Session>][] {
    return this.#buckets.buckets()
  }

  /** Adds a session with its full timeout; an existing one is touched and kept. */
  add(id: bigint, timeoutMs: number, nowMs: number): Session {
    assert(id !== 0n, 'a session has an id')
    let session = this.#sessions.get(id)
    if (session === undefined) {
      const state = { isOpen: false, isClosing: false, connections: 0, lastWriteZxid: 0n }
      session = { id, timeoutMs, ...state, bucketMs: 0 }
      this.#sessions.set(id, session)
    }
    this.touch(session, nowMs)
    return session
  }

  /** The createSession transaction has been applied, in this run or one before. */
  opened(id: bigint): void {
    const session = this.#sessions.get(id)
    if (session !== undefined) session.isOpen = true
  }

  touch(session: Session, nowMs: number): void {
    if (!session.isClosing) this.#buckets.touch(session, session.timeoutMs, nowMs)
  }

  /** Sessions that ran out of time since the last call; each is closing from now on. */
  due(nowMs: number): Session[] {
    const sessions = this.#buckets.due(nowMs)
    for (const session of sessions) session.isClosing = true
    return sessions
  }

  beginClose(session: Session): void {
    session.isClosing = true
    this.#buckets.remove(session)
  }

  /** The closeSession transaction has been applied. */
  remove(id: bigint): void {
    const session = this.#sessions.get(id)
    if (session === undefined) return
    this.#buckets.remove(session)
    session.isClosing = true
    this.#sessions.delete(id)
  }
}
