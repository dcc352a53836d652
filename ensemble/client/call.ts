/**
 * One call of the application: a request of the session machine with a promise, and with the signal
 * by which the caller may stop waiting.
 *
 * Invariant: an aborted call rejects with outcome `unknown`; it never claims that nothing was done.
 */
import type { Reader } from '../jute/reader.ts'
import type { Writer } from '../jute/writer.ts'
import { Code } from '../protocol/error-codes.ts'
import { codeNameOf, ZkError, type ZkErrorContext } from './errors.ts'
import { newSlot, type Request, type SessionEvent, type WatchOnReply } from './session-machine.ts'

export type Watcher = (event: SessionEvent) => void

export interface CallSpec<T> {
  readonly type: number
  /** As the caller wrote it: for errors. */
  readonly path?: string
  readonly encode?: (writer: Writer) => void
  readonly decode: (reader: Reader) => T
  readonly watch?: WatchOnReply<Watcher> | null
  readonly signal?: AbortSignal | undefined
  /** The result when the node does not exist; without it that is an error. */
  readonly whenNoNode?: T
}

export class Call implements Request<Watcher> {
  readonly type: number
  readonly watch: WatchOnReply<Watcher> | null
  readonly slot = newSlot()
  readonly #spec: CallSpec<unknown>
  readonly #resolve: (value: unknown) => void
  readonly #reject: (error: Error) => void
  readonly #onAbort: (() => void) | null
  #isSettled = false

  constructor(
    spec: CallSpec<unknown>,
    resolve: (value: unknown) => void,
    reject: (error: Error) => void,
    abandon: (call: Call) => void,
  ) {
    this.type = spec.type
    this.watch = spec.watch ?? null
    this.#spec = spec
    this.#resolve = resolve
    this.#reject = reject
    this.#onAbort = null
    const signal = spec.signal
    if (signal === undefined) return
    this.#onAbort = () => {
      abandon(this)
      const message = 'the caller stopped waiting'
      this.fail(
        this.#error('operationTimeout', { cause: signal.reason, outcome: 'unknown', message }),
      )
    }
    signal.addEventListener('abort', this.#onAbort)
  }

  get path(): string | undefined {
    return this.#spec.path
  }

  encode(writer: Writer): void {
    this.#spec.encode?.(writer)
  }

  decode(reader: Reader): unknown {
    return this.#spec.decode(reader)
  }

  /** @param value what `decode` returned; without meaning when `err` is not 0 */
  reply(err: number, value: unknown): void {
    if (this.#isSettled) return
    if (err === Code.ok) this.#succeed(value)
    else if (err === Code.noNode && 'whenNoNode' in this.#spec) {
      this.#succeed(this.#spec.whenNoNode)
    } else {
      const code = codeNameOf(err)
      this.fail(this.#error(code, code === 'systemError' ? { message: `code ${err}` } : {}))
    }
  }

  fail(error: Error): void {
    if (this.#isSettled) return
    this.#settle()
    this.#reject(error)
  }

  #succeed(value: unknown): void {
    this.#settle()
    this.#resolve(value)
  }

  #settle(): void {
    this.#isSettled = true
    if (this.#onAbort !== null) this.#spec.signal?.removeEventListener('abort', this.#onAbort)
  }

  #error(code: ZkError['code'], context: ZkErrorContext): ZkError {
    return new ZkError(code, { path: this.#spec.path, ...context })
  }
}
