/** Leader election and a lock, over the same line of candidates: see `grant.ts` for what holds. */
import {
  Line,
  type Grant,
  type GrantOptions,
  type GrantSource,
  type GrantSys,
  type LineOptions,
} from './grant.ts'

export interface ElectionOptions extends LineOptions {
  /** Who we are, for those who look: the data of our node. */
  id?: string | undefined
}

export class Election {
  readonly #line: Line

  constructor(source: GrantSource, sys: GrantSys, path: string, options: ElectionOptions) {
    this.#line = new Line(source, sys, path, options.id ?? '', options)
  }

  /** Waits until we lead. `await using leadership = await election.win({ signal })`. */
  win(options: GrantOptions = {}): Promise<Grant> {
    return this.#line.wait(options)
  }

  /** Who leads now, as far as this server knows. */
  async leader(): Promise<{ id: string; token: bigint } | null> {
    const holder = await this.#line.holder()
    return holder === null ? null : { id: holder.data?.toString() ?? '', token: holder.token }
  }
}

export class Lock {
  readonly #line: Line

  constructor(source: GrantSource, sys: GrantSys, path: string, options: ElectionOptions) {
    this.#line = new Line(source, sys, path, options.id ?? '', options)
  }

  /** Waits until the lock is ours, first come, first served. `await using held = await lock.acquire()`. */
  acquire(options: GrantOptions = {}): Promise<Grant> {
    return this.#line.wait(options)
  }
}
