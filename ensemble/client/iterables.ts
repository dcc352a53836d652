/**
 * A node's value, and a node's children, as async iterables: the current one, then each newer one.
 *
 * Invariants: never an older state after a newer one (reads of one session do not go back, I-24);
 * states in between may be skipped when the consumer is slow; a state is not yielded twice. They
 * survive reconnects (the watch is set again with what was seen last), end when `signal` aborts or the
 * client is closed, and throw when the session expires.
 */
import type { Stat } from '../protocol/stat.ts'
import type { Codec } from './codecs.ts'
import { ZkError } from './errors.ts'
import type { SessionEvent } from './session-machine.ts'

type Watcher = (event: SessionEvent) => void

/** What is needed of a client. */
export interface Source {
  get(path: string, options: ReadOptions): Promise<{ data: Buffer | null; stat: Stat }>
  exists(path: string, options: ReadOptions): Promise<Stat | null>
  getChildren(path: string, options: ReadOptions): Promise<{ children: string[]; stat: Stat }>
  forget(path: string, watcher: Watcher): void
  readonly state: string
}
interface ReadOptions {
  watch: Watcher
  signal?: AbortSignal
}

export interface IterateOptions {
  signal?: AbortSignal
}

/** One change of a node's children; sorted, numbers of sequential nodes therefore in their order. */
export interface ChildrenChange {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly all: readonly string[]
}

export async function* valuesOf<T>(
  source: Source,
  path: string,
  codec: Codec<T>,
  options: IterateOptions,
): AsyncGenerator<T, void, undefined> {
  let lastCzxid: bigint | null = null
  let lastMzxid: bigint | null = null
  for await (const found of snapshots(source, path, options, (o) => source.get(path, o))) {
    if (found === null) continue
    const { czxid, mzxid } = found.stat
    if (lastCzxid === czxid && lastMzxid === mzxid) continue
    lastCzxid = czxid
    lastMzxid = mzxid
    yield codec.decode(found.data)
  }
}

export async function* childrenOf(
  source: Source,
  path: string,
  options: IterateOptions,
): AsyncGenerator<ChildrenChange, void, undefined> {
  let before: ReadonlySet<string> | null = null
  for await (const found of snapshots(source, path, options, (o) => source.getChildren(path, o))) {
    if (found === null && before === null) continue
    const all: string[] = (found?.children ?? []).toSorted()
    const now: ReadonlySet<string> = new Set(all)
    const added: string[] = all.filter((name) => before?.has(name) !== true)
    const removed: string[] = [...(before ?? [])].filter((name) => !now.has(name))
    const isFirst = before === null
    before = now
    if (isFirst || added.length + removed.length > 0) yield { added, removed, all }
  }
}

/** Reads again whenever the watch of the last read has fired; null while the node is missing. */
async function* snapshots<T>(
  source: Source,
  path: string,
  { signal }: IterateOptions,
  read: (options: ReadOptions) => Promise<T>,
): AsyncGenerator<T | null, void, undefined> {
  const gate = new Gate()
  const watch: Watcher = (event) => {
    if (event.type !== 'session') gate.open(null)
    else if (event.state === 'expired' || event.state === 'auth-failed') {
      gate.open(new ZkError(event.state === 'expired' ? 'sessionExpired' : 'authFailed', { path }))
    } else if (event.state === 'closed') gate.end()
  }
  const onAbort = () => gate.end()
  signal?.addEventListener('abort', onAbort)
  const options: ReadOptions = { watch, ...(signal === undefined ? {} : { signal }) }
  try {
    while (signal?.aborted !== true && !gate.isEnded) {
      gate.shut()
      const found = await readOrNull(path, read, source, options)
      if (gate.isEnded) return
      if (found === 'again') continue
      yield found.value
      await gate.opened
    }
  } catch (error) {
    if (signal?.aborted !== true && source.state !== 'closed') throw error
  } finally {
    signal?.removeEventListener('abort', onAbort)
    source.forget(path, watch)
  }
}

async function readOrNull<T>(
  path: string,
  read: (options: ReadOptions) => Promise<T>,
  source: Source,
  options: ReadOptions,
): Promise<{ value: T | null } | 'again'> {
  try {
    return { value: await read(options) }
  } catch (error) {
    if (!(error instanceof ZkError)) throw error
    // The next read waits for the next connection.
    if (error.code === 'connectionLoss') return 'again'
    if (error.code !== 'noNode') throw error
  }
  try {
    // The node may have come into being since: then the watch is a data watch, and we read again.
    return (await source.exists(path, options)) === null ? { value: null } : 'again'
  } catch (error) {
    if (error instanceof ZkError && error.code === 'connectionLoss') return 'again'
    throw error
  }
}

/** Opened by a watch, shut before each read: an opening in between is kept. */
class Gate {
  isEnded = false
  opened: Promise<void> = Promise.resolve()
  #settle: (error: Error | null) => void = () => {}

  shut(): void {
    this.opened = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === null ? resolve() : reject(error))
    })
    // Nobody may be waiting yet when the session expires; the next await of `opened` throws.
    this.opened.catch(() => {})
    if (this.isEnded) this.#settle(null)
  }

  open(error: Error | null): void {
    this.#settle(error)
  }

  end(): void {
    this.isEnded = true
    this.#settle(null)
  }
}
