/**
 * One client that writes all the time to a server that gets killed, and knows what must be there.
 *
 * A write is `known` once it was acknowledged, or seen after a restart (I-6); a write that ended in
 * `connectionLoss` may have happened or not, once and whole (I-21, I-27). Its own nodes are below
 * `/load/<name>`; no other client writes there:
 *
 *     hot        many sets in flight, answered in order
 *     multi      its version counts the transactions that happened
 *     e          ephemeral nodes
 *     r<round>   plain nodes, pairs `a<n>` and `b<n>` of one transaction, and `q` with numbered ones
 */
import { acl, ZkError, type Client, type Stat } from '../../ensemble/client/index.ts'
import type { DumpedNode } from './tree-dump.ts'
import type { RandomValues } from './random-values.ts'

interface Known {
  readonly data: string
  readonly stat: Pick<Stat, 'czxid' | 'mzxid' | 'version' | 'aversion' | 'ephemeralOwner'>
}

interface Pending {
  readonly kind: 'create' | 'set' | 'delete' | 'acl'
  readonly data: string
  /** The transaction's other node. */
  readonly twin?: string
}

/** Writes in flight at a time. */
const WIDTH = 16
const SHARED = '/shared'

export class CrashLoad {
  readonly name: string
  readonly client: Client
  /** What must be there. */
  readonly known = new Map<string, Known>()
  /** Numbered nodes in the parent that all clients share: path -> value. */
  readonly shared = new Map<string, string>()
  /** Values that may be in there too. */
  readonly perhapsShared = new Set<string>()
  acknowledged = 0
  readonly #base: string
  readonly #random: RandomValues
  #pending = new Map<string, Pending>()
  #touched = new Set<string>()
  #unsureNumbered = new Set<string>()
  #leaves: string[] = []
  #serial = 0
  #round = -1
  #hot: { sent: number; acknowledged: number; version: number; mzxid: bigint }
  #multis = 0
  #isStopping = false

  private constructor(name: string, client: Client, random: RandomValues) {
    this.name = name
    this.client = client
    this.#base = `/load/${name}`
    this.#random = random
    this.#hot = { sent: 0, acknowledged: 0, version: 0, mzxid: 0n }
    client.onState((state) => {
      if (state !== 'connected') this.#isStopping = true
    })
  }

  static async create(name: string, client: Client, random: RandomValues): Promise<CrashLoad> {
    const load = new CrashLoad(name, client, random)
    const base = load.#base
    for (const path of [SHARED, '/load']) await ignoreExisting(client.create(path))
    for (const path of [base, `${base}/e`]) load.#know(path, '', await client.create(path, ''))
    load.#know(`${base}/multi`, '', await client.create(`${base}/multi`, ''))
    const hot = await client.create(`${base}/hot`, '0')
    load.#hot.mzxid = hot.stat.mzxid
    return load
  }

  /** Writes until the connection is lost; resolves when every write has ended. */
  async run(round: number): Promise<void> {
    this.#round = round
    this.#isStopping = false
    this.#touched = new Set()
    const folder = this.#folder
    await this.#createFolder(folder)
    if (!this.known.has(folder)) return
    const queue = `${folder}/q`
    await this.#createFolder(queue)
    if (!this.known.has(queue)) return
    await Promise.all(Array.from({ length: WIDTH }, () => this.#writeOneByOne()))
  }

  get #folder(): string {
    return `${this.#base}/r${this.#round}`
  }

  async #writeOneByOne(): Promise<void> {
    while (!this.#isStopping) {
      const what = this.#random.below(100)
      if (what < 30) await this.#create()
      else if (what < 50) await this.#set()
      else if (what < 62) await this.#setHot()
      else if (what < 70) await this.#createNumbered()
      else if (what < 76) await this.#createShared()
      else if (what < 84) await this.#multi()
      else if (what < 88) await this.#createEphemeral()
      else if (what < 97) await this.#delete()
      else await this.#setAcl()
    }
  }

  // Writes ------------------------------------------------------------------------------------

  async #create(): Promise<void> {
    const path = `${this.#folder}/n${this.#serial++}`
    const data = this.#value()
    await this.#write(path, { kind: 'create', data }, async () => {
      const isPrivate = this.#random.below(8) === 0
      const options = isPrivate ? { acl: acl.creatorAll } : {}
      this.#know(path, data, await this.client.create(path, data, options))
    })
  }

  async #createFolder(path: string): Promise<void> {
    const send = async (): Promise<void> => {
      this.#know(path, '', await this.client.create(path, ''))
    }
    await this.#write(path, { kind: 'create', data: '' }, send, false)
  }

  async #createEphemeral(): Promise<void> {
    const path = `${this.#base}/e/n${this.#serial++}`
    const data = this.#value()
    await this.#write(path, { kind: 'create', data }, async () => {
      this.#know(path, data, await this.client.create(path, data, { mode: 'ephemeral' }))
    })
  }

  async #set(): Promise<void> {
    const path = this.#takeLeaf()
    if (path === null) return this.#create()
    const data = this.#value()
    await this.#write(path, { kind: 'set', data }, async () => {
      const stat = await this.client.set(path, data, this.known.get(path)!.stat.version)
      this.#know(path, data, { stat })
    })
  }

  async #setAcl(): Promise<void> {
    const path = this.#takeLeaf()
    if (path === null) return this.#create()
    const { data } = this.known.get(path)!
    await this.#write(path, { kind: 'acl', data }, async () => {
      const list = [...acl.readUnsafe, ...acl.digest('load', 'secret')]
      this.#know(path, data, { stat: await this.client.setAcl(path, list) })
    })
  }

  async #delete(): Promise<void> {
    const path = this.#takeLeaf()
    if (path === null) return this.#create()
    const { data } = this.known.get(path)!
    await this.#write(path, { kind: 'delete', data }, async () => {
      await this.client.delete(path, this.known.get(path)!.stat.version)
      this.known.delete(path)
    })
  }

  async #setHot(): Promise<void> {
    const value = ++this.#hot.sent
    await this.#attempt(async () => {
      const stat = await this.client.set(`${this.#base}/hot`, String(value))
      if (value <= this.#hot.acknowledged) throw new Error('answers are out of order (I-22)')
      this.#hot = { ...this.#hot, acknowledged: value, version: stat.version, mzxid: stat.mzxid }
    })
  }

  async #createNumbered(): Promise<void> {
    const data = this.#value()
    this.#unsureNumbered.add(data)
    await this.#attempt(async () => {
      const prefix = `${this.#folder}/q/s-`
      const created = await this.client.create(prefix, data, { mode: 'persistent-sequential' })
      this.#unsureNumbered.delete(data)
      this.#touched.add(created.path)
      this.#know(created.path, data, created)
    })
  }

  async #createShared(): Promise<void> {
    const data = this.#value()
    this.perhapsShared.add(data)
    await this.#attempt(async () => {
      const created = await this.client.create(`${SHARED}/s-`, data, {
        mode: 'persistent-sequential',
      })
      this.perhapsShared.delete(data)
      this.shared.set(created.path, data)
    })
  }

  async #multi(): Promise<void> {
    const serial = this.#serial++
    const [a, b] = [`${this.#folder}/a${serial}`, `${this.#folder}/b${serial}`]
    const data = this.#value()
    this.#pending.set(a, { kind: 'create', data, twin: b })
    this.#pending.set(b, { kind: 'create', data, twin: a })
    await this.#attempt(async () => {
      const [first, second] = await this.client
        .transaction()
        .create(a, data)
        .create(b, data)
        .set(`${this.#base}/multi`, '')
        .commit()
      this.#multis++
      for (const [path, { stat }] of [[a, first] as const, [b, second] as const]) {
        if (stat === null) throw new Error('no stat in a transaction')
        this.#pending.delete(path)
        this.#touched.add(path)
        this.#know(path, data, { stat })
      }
    })
  }

  async #write(
    path: string,
    pending: Pending,
    send: () => Promise<void>,
    isLeaf = true,
  ): Promise<void> {
    this.#pending.set(path, pending)
    await this.#attempt(async () => {
      await send()
      this.#pending.delete(path)
      this.#touched.add(path)
      // Only now: others may take it.
      if (isLeaf && this.known.has(path)) this.#leaves.push(path)
    })
  }

  async #attempt(send: () => Promise<void>): Promise<void> {
    try {
      await send()
      this.acknowledged++
    } catch (error) {
      this.#isStopping = true
      if (!(error instanceof ZkError) || error.code !== 'connectionLoss') throw error
    }
  }

  #know(path: string, data: string, { stat }: { stat: Stat }): void {
    this.known.set(path, { data, stat })
  }

  #value(): string {
    return `${this.name}-${this.#serial++}-${'x'.repeat(this.#random.below(200))}`
  }

  /** A node that has no write in flight, and gets none until it is put back. */
  #takeLeaf(): string | null {
    if (this.#leaves.length < 20) return null
    const [path] = this.#leaves.splice(this.#random.below(this.#leaves.length), 1)
    return path ?? null
  }

  // What must be there ------------------------------------------------------------------------

  /** After a restart: compares every node that this round has touched; what is seen becomes known. */
  async check(): Promise<string[]> {
    const problems: string[] = []
    await Promise.all([
      ...Array.from(this.#touched, (path) => this.#checkKnown(path, problems)),
      ...Array.from(this.#pending, ([path, pending]) => this.#settle(path, pending, problems)),
      this.#checkHot(problems),
    ])
    this.#pending = new Map()
    if (this.known.has(`${this.#folder}/q`)) await this.#checkNumbered(problems)
    await this.#checkMultis(problems)
    return problems.map((problem) => `round ${this.#round}, ${this.name}: ${problem}`)
  }

  async #checkKnown(path: string, problems: string[]): Promise<void> {
    if (this.#pending.has(path)) return
    const found = await this.#read(path)
    const known = this.known.get(path)
    if (known === undefined && found !== null) problems.push(`${path} is back`)
    if (known !== undefined) problems.push(...compare(path, known, found))
  }

  async #settle(path: string, pending: Pending, problems: string[]): Promise<void> {
    const found = await this.#read(path)
    const known = this.known.get(path)
    if (pending.kind === 'create') {
      if (found !== null && found.data !== pending.data) {
        problems.push(`${path}: '${pending.data}' was asked for, it is ${describe(found)}`)
      }
      if (pending.twin !== undefined) {
        const twin = await this.#read(pending.twin)
        if ((twin === null) !== (found === null)) problems.push(`half a transaction: ${path}`)
        if (found !== null && path < pending.twin) this.#multis++
      }
    } else {
      const isDone =
        pending.kind === 'delete'
          ? found === null
          : pending.kind === 'set'
            ? found?.data === pending.data && found.stat.version === known!.stat.version + 1
            : found?.stat.aversion === known!.stat.aversion + 1 && found.data === known!.data
      if (!isDone) {
        const asked = ` (asked for: ${pending.kind} '${pending.data.slice(0, 12)}')`
        problems.push(...compare(path, known!, found).map((problem) => problem + asked))
      }
    }
    if (found === null) this.known.delete(path)
    else {
      this.known.set(path, found)
      const isFolder = path === this.#folder || path.endsWith('/q')
      if (!isFolder && pending.twin === undefined) this.#leaves.push(path)
    }
  }

  async #checkHot(problems: string[]): Promise<void> {
    const found = await this.#read(`${this.#base}/hot`)
    const { acknowledged, version, mzxid, sent } = this.#hot
    const value = Number(found?.data)
    const isKnown = value === acknowledged && found?.stat.mzxid === mzxid
    const isLater = value > acknowledged && value <= sent && found!.stat.mzxid > mzxid
    // Sets that were never answered take effect in order, each once.
    const isInOrder = found?.stat.version === version + value - acknowledged
    if (!(isKnown || isLater) || !isInOrder) {
      problems.push(
        `hot is ${found?.data} v${found?.stat.version}, after ${acknowledged} v${version}`,
      )
    }
    // Sets that were lost have no number any more.
    this.#hot = {
      sent: value,
      acknowledged: value,
      version: found?.stat.version ?? 0,
      mzxid: found?.stat.mzxid ?? 0n,
    }
  }

  async #checkNumbered(problems: string[]): Promise<void> {
    const queue = `${this.#folder}/q`
    const { children } = await this.client.getChildren(queue)
    const numbered = new Set(children.map((name) => `${queue}/${name}`))
    for (const path of this.known.keys()) {
      if (path.startsWith(`${queue}/`) && !numbered.has(path)) problems.push(`${path} is missing`)
    }
    for (const path of numbered) {
      if (this.known.has(path)) continue
      const found = await this.#read(path)
      if (found === null || !this.#unsureNumbered.delete(found.data)) {
        problems.push(`${path} was never asked for, or twice`)
      } else this.known.set(path, found)
    }
  }

  async #checkMultis(problems: string[]): Promise<void> {
    const path = `${this.#base}/multi`
    const found = await this.#read(path)
    if (found?.stat.version !== this.#multis) {
      problems.push(
        `${this.#multis} transactions happened, the counter says ${found?.stat.version}`,
      )
    }
    if (found !== null) this.known.set(path, found)
  }

  async #read(path: string): Promise<Known | null> {
    try {
      const { data, stat } = await this.client.get(path)
      return { data: data?.toString() ?? '', stat }
    } catch (error) {
      if (error instanceof ZkError && error.code === 'noNode') return null
      throw error
    }
  }

  /** Compares all of a tree's nodes below `/load/<name>`: none lost, none more. */
  checkAll(tree: ReadonlyMap<string, DumpedNode>): string[] {
    const problems: string[] = []
    for (const [path, known] of this.known) {
      const node = tree.get(path)
      const found = node === undefined ? null : { data: textOf(node), stat: node.stat }
      problems.push(...compare(path, known, found))
    }
    for (const path of tree.keys()) {
      const isOwn = path.startsWith(`${this.#base}/`) && path !== `${this.#base}/hot`
      if (isOwn && !this.known.has(path)) problems.push(`${path} should not be there`)
    }
    return problems
  }
}

/** The nodes that all clients number together: unique, complete, in the order of creation (I-28). */
export function checkShared(
  tree: ReadonlyMap<string, DumpedNode>,
  loads: readonly CrashLoad[],
): string[] {
  const problems: string[] = []
  const acknowledged = new Map(loads.flatMap((load) => [...load.shared]))
  const perhaps = new Set(loads.flatMap((load) => [...load.perhapsShared]))
  const paths = [...tree.keys()].filter((path) => path.startsWith(`${SHARED}/`)).toSorted()
  for (const [path, data] of acknowledged) {
    const node = tree.get(path)
    if (node === undefined || textOf(node) !== data)
      problems.push(`${path} is missing or another's`)
  }
  let zxid = 0n
  for (const path of paths) {
    const node = tree.get(path)!
    if (node.stat.czxid <= zxid) problems.push(`${path} is numbered out of order`)
    zxid = node.stat.czxid
    if (!acknowledged.has(path) && !perhaps.delete(textOf(node))) problems.push(`${path} is new`)
  }
  return problems
}

function textOf(node: DumpedNode): string {
  return Buffer.from(node.data ?? '', 'base64').toString()
}

const COMPARED = ['czxid', 'mzxid', 'version', 'aversion', 'ephemeralOwner'] as const

function compare(path: string, known: Known, found: Known | null): string[] {
  if (found === null) return [`${path} is lost`]
  const isSame = COMPARED.every((field) => found.stat[field] === known.stat[field])
  if (isSame && found.data === known.data) return []
  return [`${path}: ${describe(known)} became ${describe(found)}`]
}

function describe({ data, stat }: Known): string {
  const fields = COMPARED.map((field) => `${field} ${stat[field]}`)
  return `'${data.slice(0, 12)}' (${data.length}) ${fields.join(' ')}`
}

async function ignoreExisting(created: Promise<unknown>): Promise<void> {
  try {
    await created
  } catch (error) {
    if (!(error instanceof ZkError) || error.code !== 'nodeExists') throw error
  }
}
