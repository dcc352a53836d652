/**
 * requests about watches, good and bad, between changes of the nodes they are about. Every event
 * is held to a second, naive account of who watches what.
 */
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import * as requests from '../../../ensemble/protocol/requests.ts'
import * as watches from '../../../ensemble/protocol/watches.ts'
import { eventOf, PipelineBench, type BenchClient } from '../../support/pipeline-bench.ts'
import { must, randomOf, type Target } from '../target.ts'

const INPUTS = 300
const OPEN = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
const { nodeCreated, nodeDeleted, nodeDataChanged, nodeChildrenChanged } = watches.EventType
const NODES = ['/a', '/b', '/a/x', '/a/y', '/a/x/z'] as const
const PATHS = [...NODES, '/', '', '/missing', 'nothing', '/a/', '//', '/own']
type Random = ReturnType<typeof randomOf>

export const watchLists: Target = {
  name: 'watches',
  about: 'requests about watches: each gets its code, and each client exactly its events',
  seeds: 10,
  run(seed) {
    const random = randomOf(seed)
    const bench = new PipelineBench()
    const writer = bench.client()
    const watchers = [new Watcher(bench), new Watcher(bench)]
    const nodes = new Set<string>()
    const zxids: bigint[] = [0n]
    for (let at = 0; at < INPUTS; at++) {
      if (random.below(3) === 0) {
        const changes = change(bench, writer, random, nodes)
        for (const watcher of watchers) watcher.expectChanges(changes)
        zxids.push(bench.tree.lastZxid)
      } else random.pick(watchers).ask(random, nodes, zxids)
    }
    return INPUTS
  },
}

type Change = readonly [type: number, path: string]

/** One transaction, or a refusal; what it changed, in the order in which events are due. */
function change(
  bench: PipelineBench,
  writer: BenchClient,
  random: Random,
  nodes: Set<string>,
): Change[] {
  const path = random.pick(NODES)
  const parent = path.slice(0, path.lastIndexOf('/')) || '/'
  const send = (type: number, body: Buffer): boolean => {
    writer.send(type, body)
    bench.durable()
    return writer.replies().at(-1)?.err === Code.ok
  }
  switch (random.below(3)) {
    case 0: {
      const body = requests.CreateRequest.encode({ path, data: null, acl: OPEN, flags: 0 })
      if (!send(Op.create, body)) return []
      nodes.add(path)
      return [
        [nodeCreated, path],
        [nodeChildrenChanged, parent],
      ]
    }
    case 1: {
      if (!send(Op.delete, requests.DeleteRequest.encode({ path, version: -1 }))) return []
      nodes.delete(path)
      return [
        [nodeDeleted, path],
        [nodeChildrenChanged, parent],
      ]
    }
    default: {
      const body = requests.SetDataRequest.encode({ path, data: null, version: -1 })
      return send(Op.setData, body) ? [[nodeDataChanged, path]] : []
    }
  }
}

/** A client, and what it should be told. */
class Watcher {
  readonly #bench: PipelineBench
  readonly #client: BenchClient
  readonly #data = new Set<string>()
  readonly #child = new Set<string>()
  readonly #persistent = new Set<string>()
  readonly #recursive = new Set<string>()
  /** What is due and has not come. */
  #expected: string[] = []

  constructor(bench: PipelineBench) {
    this.#bench = bench
    this.#client = bench.client()
  }

  expectChanges(changes: readonly Change[]): void {
    for (const [type, path] of changes) if (this.#isTold(type, path)) this.#expect(type, path)
    this.#check()
  }

  #isTold(type: number, path: string): boolean {
    let isTold = this.#persistent.has(path)
    if (type === nodeChildrenChanged) return this.#child.delete(path) || isTold
    if (this.#data.delete(path)) isTold = true
    if (type === nodeDeleted && this.#child.delete(path)) isTold = true
    for (let above = path; above !== ''; above = above.slice(0, above.lastIndexOf('/'))) {
      if (this.#recursive.has(above)) isTold = true
    }
    return isTold || this.#recursive.has('/')
  }

  #expect(type: number, path: string): void {
    this.#expected.push(`${type} ${path}`)
  }

  ask(random: Random, nodes: ReadonlySet<string>, zxids: readonly bigint[]): void {
    switch (random.below(4)) {
      case 0:
        return this.#addWatch(random)
      case 1:
        return this.#read(random, nodes)
      case 2:
        return this.#setWatches(random, nodes, zxids)
      default:
        return this.#remove(random)
    }
  }

  #send(type: number, body: Buffer, err: number): void {
    this.#client.send(type, body)
    this.#check(err)
  }

  /** What came is what was expected; the last of it is the answer, when there is one. */
  #check(err?: number): void {
    const replies = this.#client.replies()
    if (err !== undefined) {
      const answer = replies.pop()
      must(answer?.err === err, () => `answered ${answer?.err}, expected ${err}`)
    }
    const told = replies.map((reply) => {
      const { type, path } = eventOf(reply)
      return `${type} ${path}`
    })
    must(
      told.join() === this.#expected.join(),
      () => `events ${told.join()}, expected ${this.#expected.join()}`,
    )
    this.#expected = []
  }

  #addWatch(random: Random): void {
    const path = random.below(10) === 0 ? null : random.pick(PATHS)
    const mode = random.below(4) === 0 ? random.int32() : random.below(2)
    const isGood = path !== null && (mode === 0 || mode === 1)
    if (isGood) (mode === 0 ? this.#persistent : this.#recursive).add(path)
    const body = watches.AddWatchRequest.encode({ path, mode })
    this.#send(Op.addWatch, body, isGood ? Code.ok : Code.marshallingError)
  }

  #read(random: Random, nodes: ReadonlySet<string>): void {
    const path = random.pick(NODES)
    const isThere = nodes.has(path)
    const type = random.pick([Op.exists, Op.getData, Op.getChildren2])
    if (type === Op.exists || (type === Op.getData && isThere)) this.#data.add(path)
    if (type === Op.getChildren2 && isThere) this.#child.add(path)
    const body = requests.GetDataRequest.encode({ path, watch: true })
    this.#send(type, body, isThere ? Code.ok : Code.noNode)
  }

  #setWatches(random: Random, nodes: ReadonlySet<string>, zxids: readonly bigint[]): void {
    const list = (): (string | null)[] | null => {
      if (random.below(20) === 0) return null
      const length = random.below(random.pick([2, 6, 300]))
      return Array.from({ length }, () => (random.below(60) === 0 ? null : random.pick(NODES)))
    }
    const relativeZxid = random.below(4) === 0 ? random.int64() : random.pick(zxids)
    const lists = { dataWatches: list(), existWatches: list(), childWatches: list() }
    const tree = this.#bench.tree
    const each = (paths: (string | null)[] | null, tell: (path: string) => void): boolean => {
      if (paths === null) return false
      for (const path of paths) {
        if (path === null) return false
        tell(path)
      }
      return true
    }
    const isDone =
      each(lists.dataWatches, (path) => {
        if (!nodes.has(path)) this.#expect(nodeDeleted, path)
        else if (tree.mzxid(tree.find(path)) > relativeZxid) this.#expect(nodeDataChanged, path)
        else this.#data.add(path)
      }) &&
      each(lists.existWatches, (path) => {
        if (nodes.has(path)) this.#expect(nodeCreated, path)
        else this.#data.add(path)
      }) &&
      each(lists.childWatches, (path) => {
        if (!nodes.has(path)) this.#expect(nodeDeleted, path)
        else if (tree.pzxid(tree.find(path)) > relativeZxid) {
          this.#expect(nodeChildrenChanged, path)
        } else this.#child.add(path)
      })
    const body = watches.SetWatches.encode({ relativeZxid, ...lists })
    this.#send(Op.setWatches, body, isDone ? Code.ok : Code.marshallingError)
  }

  /** Kinds 1 to 5: children, data, any, persistent, recursive; every other number is none. */
  #remove(random: Random): void {
    const path = random.pick(PATHS)
    const kind = random.below(4) === 0 ? random.int32() : 1 + random.below(5)
    const isChecked = random.bool()
    const [isPersistent, isRecursive] = [this.#persistent.has(path), this.#recursive.has(path)]
    const has = [
      false,
      this.#child.has(path),
      this.#data.has(path),
      this.#child.has(path) || this.#data.has(path) || isPersistent || isRecursive,
      isPersistent,
      isRecursive,
    ]
    const isKind = kind >= 1 && kind <= 5
    const err = !isKind ? Code.marshallingError : has[kind] ? Code.ok : Code.noWatcher
    if (!isChecked && err === Code.ok) {
      if (kind === 1 || kind === 3) this.#child.delete(path)
      if (kind === 2 || kind === 3) this.#data.delete(path)
      if (kind === 3 || kind === 4) this.#persistent.delete(path)
      if (kind === 3 || kind === 5) this.#recursive.delete(path)
    }
    const body = watches.CheckWatchesRequest.encode({ path, type: kind })
    this.#send(isChecked ? Op.checkWatches : Op.removeWatches, body, err)
  }
}
