/**
 * The member in the ensemble: its session, what it sees of the group, its own node, and the lock.
 *
 * Invariants:
 * 1. Events of an older session object change nothing (H-9).
 * 2. A session is resumed once; when the ensemble says that it is gone, it is gone.
 * 3. Nothing is written to a node that a dying session owns: it is replaced by version (H-9).
 */
import { codeOf } from './coordination.ts'
import type { Coordination, OpenSession, SessionState } from './coordination.ts'
import type { ControllerContext } from './controller-context.ts'
import { encodeValue } from './group-nodes.ts'
import { GroupObserver } from './group-observer.ts'
import type { ClockReading } from './lease.ts'
import { viewOfGroup } from './view-of-group.ts'
import type { GroupView, View } from './view.ts'
import type { WatchdogLink } from './watchdog-link.ts'

/** How often we look whether another session still holds our member's node. */
export const HELD_LOOK_MS = 1000

export class Membership {
  readonly #context: ControllerContext
  readonly #openSession: OpenSession
  #session: Coordination | null = null
  #state: View['session']['state'] = 'none'
  #retryAtMs = 0
  #observer: GroupObserver | null = null
  #forgetSession: () => void = () => {}
  /** The session timeout that the ensemble granted last. */
  #granted = 0
  /** Sessions of ours that have ended or will: their nodes may be replaced (H-9). */
  readonly #formerSessions = new Set<bigint>()
  /** While another session holds our member's node; confirming: read afresh before we give up. */
  #held: { readonly sinceMs: number; readonly isConfirming: boolean } | null = null
  #published: { text: string; inFlight: boolean } = { text: '', inFlight: false }

  constructor(context: ControllerContext, openSession: OpenSession) {
    this.#context = context
    this.#openSession = openSession
  }

  /** Null before the first session. */
  get session(): Coordination | null {
    return this.#session
  }

  get observer(): GroupObserver | null {
    return this.#observer
  }

  get isHeld(): boolean {
    return this.#held !== null
  }

  get view(): View['session'] {
    return {
      state: this.#state,
      id: this.#session?.sessionId ?? 0n,
      timeoutMs: this.#granted,
      retryAtMs: this.#retryAtMs,
    }
  }

  /** @throws Error while there is no connection */
  connected(): Coordination {
    if (this.#session === null || this.#state !== 'connected') {
      throw new Error('not connected to the ensemble')
    }
    return this.#session
  }

  /** What was seen of the group on this session; which of it is ours is told by the record. */
  groupAt(now: ClockReading): GroupView | null {
    const { settings, incarnation, state } = this.#context
    if (this.#observer === null || this.#session === null) return null
    return viewOfGroup(this.#observer, {
      settings,
      sessionId: this.#session.sessionId,
      formerSessions: this.#formerSessions,
      incarnation,
      breadcrumb: state.record.breadcrumb,
      now,
    })
  }

  /** The session of the run before ends, or is resumed: in both cases its nodes are ours. */
  remember(sessionId: bigint): void {
    this.#formerSessions.add(sessionId)
  }

  /** Looks no more; the session goes on until it is closed or detached. */
  leave(): void {
    this.#observer?.close()
    this.#forgetSession()
  }

  // ---- session

  open(): void {
    this.leave()
    const { settings, state, paths, sys, times, wake } = this.#context
    const resumed = this.#session === null ? state.record.session : null
    const session = this.#openSession({
      servers: settings.ensembleConnect,
      sessionTimeoutMs: settings.sessionTimeoutMs,
      auth: settings.auth ?? [],
      session: resumed,
    })
    this.#session = session
    this.#observer = new GroupObserver({ session, paths, clock: sys.clock, onChange: wake })
    this.#published.text = ''
    this.#state = 'connecting'
    this.#retryAtMs = sys.clock.monotonicMs() + times.retryMs
    this.#forgetSession = session.onState((entered) => this.#onState(session, entered))
    session.start()
  }

  #onState(session: Coordination, state: SessionState): void {
    if (session !== this.#session) return // of an older session (H-9)
    this.#state = state
    if (state === 'connected') this.#granted = session.sessionTimeoutMs
    if (state !== 'connected') this.#observer?.markStale()
    if (state === 'expired' || state === 'closed') this.#formerSessions.add(session.sessionId)
    const id = `0x${session.sessionId.toString(16)}`
    this.#context.log.info({ state, session: id }, 'session')
    this.#context.wake()
  }

  /** Reads the group afresh; the session's credentials are durable before it is relied on. */
  async readGroup(watchdog: WatchdogLink): Promise<void> {
    const session = this.#session
    const observer = this.#observer
    if (session === null || observer === null) return
    const { settings, state } = this.#context
    const known = state.record.session
    if (known === null || known.id !== session.sessionId) {
      const { sessionId: id, sessionPassword: password } = session
      await state.update({ session: { id, password } })
    }
    watchdog.sessionIs({
      servers: settings.ensembleConnect,
      id: session.sessionId.toString(),
      password: session.sessionPassword.toString('hex'),
      timeoutMs: session.sessionTimeoutMs,
    })
    await observer.readAll()
  }

  // ---- the own node

  get #ownPath(): string {
    return `${this.#context.paths.members}/${this.#context.settings.member}`
  }

  async register(text: string): Promise<void> {
    const session = this.#session
    const observer = this.#observer
    if (session === null || observer === null) return
    const present = observer.members.get(this.#context.settings.member)
    if (present !== undefined && present.stat.ephemeralOwner !== session.sessionId) {
      // Of a session of ours that is ending: replaced by version, never written to (H-9).
      await ignoring(session.delete(this.#ownPath, present.stat.version), ['noNode', 'badVersion'])
    }
    const options = { mode: 'ephemeral', acl: this.#context.acl } as const
    await ignoring(session.create(this.#ownPath, text, options), ['nodeExists'])
    this.#published.text = text
    await observer.refresh('members')
  }

  /** Writes the own node when its text is new; `onNew` hears of a new text first. */
  publish(view: View, text: string, onNew: () => void): void {
    if (text === this.#published.text) return
    if (this.#published.inFlight) return
    onNew()
    const session = this.#session
    if (view.session.state !== 'connected' || view.group?.registered !== 'mine') return
    if (session === null || view.group.isStale) return
    this.#published = { text, inFlight: true }
    session
      .set(this.#ownPath, text)
      .catch(() => {
        // Told again with the next change, or after the next registration.
        this.#published.text = ''
      })
      .finally(() => {
        this.#published.inFlight = false
        if (this.#published.text !== '') this.#context.wake()
      })
  }

  /** True when a live session that is not ours has held our member's node for too long (H-17). */
  isHeldTooLong(view: View): boolean {
    const { group } = view
    if (group?.registered !== 'held') {
      this.#held = null
      return false
    }
    if (group.isStale) {
      if (this.#held?.isConfirming !== true) this.#held = null
      return false
    }
    this.#held ??= { sinceMs: view.now.monotonicMs, isConfirming: false }
    const { sinceMs, isConfirming } = this.#held
    // A session that died a moment ago keeps its nodes for its timeout; a live one keeps them longer.
    const { sessionTimeoutMs } = this.#context.settings
    const limitMs = 2 * Math.max(this.#granted, sessionTimeoutMs)
    if (view.now.monotonicMs - sinceMs <= limitMs) return false
    if (isConfirming) return true
    // What we know may be as old as a pause that has just ended (H-11).
    this.#held = { sinceMs, isConfirming: true }
    this.#observer?.markStale()
    this.#context.wake()
    return false
  }

  // ---- the lock

  async createLock(): Promise<void> {
    const session = this.#session
    const observer = this.#observer
    if (session === null || observer === null) return
    const { settings, paths, acl } = this.#context
    const { member, address } = settings
    const value = encodeValue({ member, address })
    const options = { mode: 'ephemeral', acl } as const
    // Of unknown outcome it is never repeated blindly: the reading tells the owner (H-9).
    await ignoring(session.create(paths.lock, value, options), ['nodeExists'])
    await observer.refresh('lock')
  }

  /** Deletes the lock if it is this session's and has this token. */
  async releaseLock(token: bigint): Promise<void> {
    const session = this.#session
    const observer = this.#observer
    if (session === null || observer === null) return
    await observer.refresh('lock')
    const { lock } = observer
    if (lock?.stat.czxid === token && lock.stat.ephemeralOwner === session.sessionId) {
      const deleted = session.delete(this.#context.paths.lock, lock.stat.version)
      await ignoring(deleted, ['noNode', 'badVersion'])
      await observer.refresh('lock')
    }
  }
}

/** Awaits an operation for which these outcomes are as good as success. */
export async function ignoring(done: Promise<unknown>, codes: readonly string[]): Promise<void> {
  try {
    await done
  } catch (error) {
    if (!codes.includes(codeOf(error) ?? '')) throw error
  }
}
