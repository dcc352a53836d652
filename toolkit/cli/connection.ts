/**
 * The shell's connection to the ensemble: one client, its events printed as zkCli prints them.
 *
 * Invariants:
 * 1. Every watch of the shell is the same watcher, so that an event is printed once.
 * 2. A request waits for no longer than one try of every server: zkCli says ConnectionLoss then.
 *    (Java fails it with the first server that is away, although the next one may be up.)
 * 3. A session ends by `close` alone, as in zkCli; else it is left to its timeout.
 */
import {
  Client,
  parseConnectString,
  validatePath,
  ZkError,
  type ClientState,
  type WatchEvent,
} from '../../ensemble/client/index.ts'
import { nodeClock } from '../../ensemble/sys/node-clock.ts'
import type { Network } from '../../ensemble/sys/network.ts'
import { nodeNetwork } from '../../ensemble/sys/node-network.ts'
import { nodeRandom } from '../../ensemble/sys/node-random.ts'
import { CliError, INTERRUPTED } from './cli-error.ts'
import type { Question } from './command.ts'
import { EVENT_TYPES, type Happening } from './output.ts'

export interface ConnectionOptions {
  readonly servers: string
  readonly sessionTimeoutMs: number
  readonly readOnly: boolean
  /** The ensemble's jute.maxbuffer, when it is not the usual one. */
  readonly frameBytesMax: number | null
  /** `user:password` to log in with; null goes without. */
  readonly sasl: string | null
  /** Over TLS; null: plain. */
  readonly network: Network | null
}

const SYS = { clock: nodeClock, network: nodeNetwork, random: nodeRandom }

export class Connection {
  readonly servers: string
  readonly #client: Client
  readonly #serverCount: number
  readonly #onEvent: (event: Happening) => void
  readonly #over = Promise.withResolvers<void>()
  #isAbandoned = false

  /** @param options `servers` as `check` accepts them */
  constructor(options: ConnectionOptions, onEvent: (event: Happening) => void) {
    this.servers = options.servers
    this.#onEvent = onEvent
    this.#serverCount = parseConnectString(options.servers).servers.length
    const { sessionTimeoutMs, readOnly, frameBytesMax, sasl, network } = options
    const limits =
      frameBytesMax === null
        ? {}
        : { requestBytesMax: frameBytesMax, replyBytesMax: Math.max(frameBytesMax, 2 ** 24) }
    const auth = sasl === null ? [] : [{ scheme: 'sasl', auth: sasl }]
    const session = { sessionTimeoutMs, readOnly, auth }
    this.#client = new Client(
      options.servers,
      { ...session, ...limits },
      { ...SYS, network: network ?? SYS.network },
    )
    this.#client.onState((state) => {
      const states = [this.#stateOf(state)]
      // Java tells of the connection first; our client, once the login is done.
      if (sasl !== null && state === 'connected') states.push('SaslAuthenticated')
      for (const shown of this.#isAbandoned ? [] : states) {
        this.#onEvent({ state: shown, type: 'None', path: null, zxid: -1n })
      }
      if (!this.isAlive) this.#over.resolve()
    })
    this.#client.start()
  }

  /** @throws CliError when `servers` is no connect string */
  static check(servers: string): void {
    try {
      parseConnectString(servers)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new CliError(why.replace('badArguments: ', 'Error: '), 1, { cause: error })
    }
  }

  /** The state in zkCli's words, as in its prompt. */
  get state(): string {
    switch (this.#client.state) {
      case 'connected':
        return this.#client.isReadOnly ? 'CONNECTEDREADONLY' : 'CONNECTED'
      case 'connecting':
      case 'disconnected':
        return 'CONNECTING'
      case 'auth-failed':
        return 'AUTH_FAILED'
      case 'expired':
      case 'closed':
        return 'CLOSED'
    }
  }

  /** Calls `listener` with the reason whenever a connection, or an attempt, has ended. */
  onFailure(listener: (why: string) => void): void {
    this.#client.onFailure(listener)
  }

  get isAlive(): boolean {
    const { state } = this
    return state !== 'CLOSED' && state !== 'AUTH_FAILED'
  }

  get isConnected(): boolean {
    return this.#client.state === 'connected'
  }

  /** Prints an event; give it to every watch. */
  readonly watcher = (event: WatchEvent): void => {
    // Those of the session are printed once, whatever the number of watches.
    if (event.type === 'session') return
    const { path, zxid } = event
    this.#onEvent({ state: 'SyncConnected', type: EVENT_TYPES[event.type], path, zxid })
  }

  /** Prints an event that the server does not send: a watch was removed. */
  report(type: Happening['type'], path: string): void {
    const state = this.isConnected ? 'SyncConnected' : 'Disconnected'
    this.#onEvent({ state, type, path, zxid: -1n })
  }

  /**
   * Asks the ensemble.
   *
   * @param path checked first, unless null
   * @throws CliError for an invalid path, or when `signal` aborts; ZkError
   */
  async ask<T>(
    path: string | null,
    question: Question<T>,
    { signal, isSequential = false }: { signal: AbortSignal; isSequential?: boolean },
  ): Promise<T> {
    const problem = path === null ? null : validatePath(path, isSequential)
    if (problem !== null) throw new CliError(problem)
    const stop = new AbortController()
    let failuresLeft = this.#serverCount
    const unsubscribe = this.#client.onFailure(() => {
      failuresLeft--
      if (failuresLeft === 0) stop.abort()
    })
    try {
      return await question(this.#client, { signal: AbortSignal.any([stop.signal, signal]) })
    } catch (error) {
      if (signal.aborted) throw new CliError('interrupted', INTERRUPTED, { cause: error })
      if (!stop.signal.aborted) throw error
      throw new ZkError('connectionLoss', { path: path ?? undefined, cause: error })
    } finally {
      unsubscribe()
    }
  }

  /** @throws ZkError `connectionLoss` when there is no connection in time */
  async connected(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([AbortSignal.timeout(timeoutMs), signal])
    try {
      await this.#client.connected({ signal: limit })
    } catch (error) {
      throw new ZkError('connectionLoss', { cause: error })
    }
  }

  /** Ends the session; its last event has been printed then. */
  async close(): Promise<void> {
    await this.#client.close()
    await this.settled()
  }

  /** When the session is over: resolves once the event that says so has been printed. */
  async settled(): Promise<void> {
    if (!this.isAlive) await this.#over.promise
  }

  /** Goes without a word: the session lives until its timeout. */
  abandon(): void {
    this.#isAbandoned = true
    this.#client.abandon()
  }

  #stateOf(state: ClientState): string {
    switch (state) {
      case 'connected':
        return this.#client.isReadOnly ? 'ConnectedReadOnly' : 'SyncConnected'
      case 'expired':
        return 'Expired'
      case 'auth-failed':
        return 'AuthFailed'
      case 'closed':
        return 'Closed'
      case 'connecting':
      case 'disconnected':
        return 'Disconnected'
    }
  }
}
