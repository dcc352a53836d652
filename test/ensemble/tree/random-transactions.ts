/**
 * Transactions by chance, mostly such as a leader makes, and some as in the replay of a log over a
 * snapshot that is ahead of it: creates of what exists, deletes of what does not, old cversions.
 */
import type { Acl } from '../../../ensemble/protocol/acl.ts'
import type { Txn, TxnBody } from '../../../ensemble/protocol/transactions.ts'
import type { NaiveTree } from './naive-tree.ts'

/** Numbers in [0, 1) that a seed decides (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const NAMES = ['a', 'b', 'lock-0000000001', 'ünï', '节点', 'x'.repeat(60), 'c', 'd']
const SESSIONS = [0x1000020ff3f0000n, 0x2000020ff3f0001n, -0x7000_0000_0000_0001n]
const ACLS: Acl[][] = [
  [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }],
  [{ perms: 1, id: { scheme: 'world', id: 'anyone' } }],
  [
    { perms: 31, id: { scheme: 'digest', id: 'u:x' } },
    { perms: 1, id: { scheme: 'ip', id: '10.0.0.0/8' } },
  ],
  [],
]
const LENGTHS = [0, 1, 7, 8, 9, 40, 100, 250, 256, 257, 300, 1000, 5000, 30_000, 32_768, 40_000]

export class RandomTransactions {
  readonly #random: () => number
  readonly #tree: NaiveTree
  #zxid = 0x1_0000_0000n
  #time = 1_795_000_000_000

  /** @param tree looked at to make transactions that fit; never changed */
  constructor(seed: number, tree: NaiveTree) {
    this.#random = randomOf(seed)
    this.#tree = tree
  }

  next(): Txn {
    this.#zxid += BigInt(1 + this.#int(3))
    this.#time += this.#int(1000)
    const header = {
      clientId: this.#pick(SESSIONS),
      cxid: this.#int(100),
      zxid: this.#zxid,
      time: this.#time,
    }
    if (this.#random() < 0.02) {
      return { ...header, type: -11, paths: this.#random() < 0.3 ? null : this.#owned(header) }
    }
    if (this.#random() < 0.15) {
      const txns = Array.from({ length: 1 + this.#int(4) }, () => this.#body())
      if (this.#random() < 0.2) txns[this.#int(txns.length)] = { type: -1, err: -103 }
      return { ...header, type: 14, txns }
    }
    return { ...header, ...this.#body() }
  }

  #body(): TxnBody {
    const chance = this.#random()
    const path = this.#somePath()
    const parent = this.#tree.nodes.get(path)
    if (chance < 0.45) {
      const created = `${path}/${this.#pick(NAMES)}`
      const cversion = (parent?.cversion ?? 0) + 1
      const parentCVersion = this.#random() < 0.9 ? cversion : this.#int(cversion + 1) - 1
      const body = { path: created, data: this.#data(), acl: this.#pick(ACLS), parentCVersion }
      if (chance < 0.03) return { type: 19, ...body }
      if (chance < 0.06) return { type: 21, ...body, ttl: 1n + BigInt(this.#int(100_000)) }
      return { type: chance < 0.25 ? 1 : 15, ...body, ephemeral: this.#random() < 0.2 }
    }
    if (chance < 0.65) {
      const victim = this.#random() < 0.1 ? `${path}/gone` : path
      const isBuiltIn = victim === '' || victim.startsWith('/zookeeper')
      if (isBuiltIn) return { type: -1, err: -8 }
      const hasChildren = this.#tree.nodes.get(victim)?.children.size ?? 0
      if (hasChildren > 0 && this.#random() < 0.9) return { type: -1, err: -111 }
      return { type: this.#random() < 0.1 ? 20 : 2, path: victim }
    }
    if (chance < 0.9) {
      return { type: 5, path, data: this.#data(), version: (parent?.version ?? 0) + 1 }
    }
    if (chance < 0.97) {
      return { type: 7, path, acl: this.#pick(ACLS), version: (parent?.aversion ?? 0) + 1 }
    }
    return { type: -10, timeOut: 30_000 }
  }

  #owned({ clientId }: { clientId: bigint }): string[] {
    const owned = [...this.#tree.nodes].filter(([, node]) => node.owner === clientId)
    return owned.map(([path]) => path).filter(() => this.#random() < 0.9)
  }

  #somePath(): string {
    const paths = [...this.#tree.nodes.keys()]
    return this.#pick(paths)
  }

  #data(): Buffer | null {
    if (this.#random() < 0.1) return null
    return Buffer.alloc(this.#pick(LENGTHS), this.#int(256))
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#int(values.length)]!
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below)
  }
}
