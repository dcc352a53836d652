/**
 * paths of any bytes, held to the rule as one reads it: a regular expression, and a set of the
 * nodes that there are.
 */
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import { GetChildrenResponse } from '../../../ensemble/protocol/replies.ts'
import { CreateRequest, GetChildrenRequest } from '../../../ensemble/protocol/requests.ts'
import { Writer } from '../../../ensemble/jute/writer.ts'
import { PipelineBench, type BenchClient, type Reply } from '../../support/pipeline-bench.ts'
import { anyPath, hostilePath } from '../hostile.ts'
import { mutateBytes } from '../mutate.ts'
import { must, randomOf, shown, type Target } from '../target.ts'

const INPUTS = 300
const OPEN = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
/** Reads and writes of these need no node of that name: the path of a node of ours. */
const BYSTANDER = '/bystander'

/** Source: the rules in the documentation of the data model (ZooKeeper Programmer's Guide). */
const FORBIDDEN = '\\0-\\x1f\\x7f-\\x9f\\ud800-\\uf8ff\\ufff0-\\uffff'
const VALID = new RegExp(`^(/|(/(?!\\.{1,2}(/|$))[^/${FORBIDDEN}]+)+)$`)

export const paths: Target = {
  name: 'paths',
  about:
    'paths of creates, reads and deletes: the verdict of a regular expression and a set of nodes',
  seeds: 10,
  run(seed) {
    const random = randomOf(seed)
    const bench = new PipelineBench()
    const bystander = bench.client()
    const stranger = bench.client()
    const nodes = new Set(['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config'])
    ask(bench, bystander, Op.create, createBody(Buffer.from(BYSTANDER), 0))
    nodes.add(BYSTANDER)
    for (let at = 0; at < INPUTS; at++) {
      const drawn = random.bool() ? anyPath(random) : (hostilePath(random) ?? '/x')
      const whole = Buffer.from(drawn, 'utf8')
      const bytes =
        random.below(3) === 0 ? mutateBytes(random, whole, Buffer.of(0xed, 0xa0)) : whole
      const path = bytes.toString('utf8')
      const isSequential = random.below(6) === 0
      const err = create(bench, stranger, bytes, isSequential ? 2 : 0).err
      const created = isSequential ? numbered(path, nodes, bench) : path
      const expected = verdict(isSequential ? `${path}1` : path, created, nodes)
      must(err === expected, () => `create ${shown(bytes)}: ${err}, expected ${expected}`)
      if (err === Code.ok) nodes.add(created)
      readBack(bench, stranger, created, nodes)
      if (random.below(4) === 0) remove(bench, stranger, random.pick([...nodes]), nodes)
      const answer = ask(bench, bystander, Op.exists, pathBody(Buffer.from(BYSTANDER), true))
      must(answer.err === Code.ok, 'the bystander is answered')
    }
    must(
      bench.tree.treeDigest === bench.tree.digestFromScratch(),
      'the digest is that of the nodes',
    )
    return INPUTS
  },
}

function verdict(checked: string, created: string, nodes: ReadonlySet<string>): number {
  // Apache looks for the parent before it looks at the name.
  if (!checked.includes('/') || checked.includes('\0')) return Code.badArguments
  const slash = checked.lastIndexOf('/')
  if (!nodes.has(slash === 0 ? '/' : checked.slice(0, slash))) return Code.noNode
  if (!VALID.test(checked)) return Code.badArguments
  return nodes.has(created) ? Code.nodeExists : Code.ok
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

/** What a sequential create makes of a path: the parent's cversion counts. */
function numbered(path: string, nodes: ReadonlySet<string>, bench: PipelineBench): string {
  const last = bench.txns.at(-1)!.txn
  if (last.type === Op.create) return last.path
  return nodes.has(parentOf(path)) ? path : `${path}1`
}

function readBack(
  bench: PipelineBench,
  client: BenchClient,
  path: string,
  nodes: ReadonlySet<string>,
): void {
  const isThere = nodes.has(path)
  const { err } = ask(bench, client, Op.exists, pathBody(Buffer.from(path), true))
  const expected = isThere ? Code.ok : path.includes('\0') ? Code.badArguments : Code.noNode
  // The empty path is the root's other name.
  if (path !== '') must(err === expected, () => `exists ${path}: ${err}, expected ${expected}`)
  if (!isThere || path === '/') return
  const children = GetChildrenRequest.encode({ path: parentOf(path), watch: false })
  const names = GetChildrenResponse.decode(ask(bench, client, Op.getChildren, children).body)
  const name = path.slice(path.lastIndexOf('/') + 1)
  must(names.children?.includes(name) === true, () => `${path} is in the list of its parent`)
}

function remove(bench: PipelineBench, client: BenchClient, path: string, nodes: Set<string>): void {
  if (path === BYSTANDER || path.startsWith('/zookeeper') || path === '/') return
  const hasChildren = [...nodes].some((other) => other.startsWith(`${path}/`))
  const { err } = ask(bench, client, Op.delete, deleteBody(path))
  const expected = hasChildren ? Code.notEmpty : Code.ok
  must(err === expected, () => `delete ${path}: ${err}, expected ${expected}`)
  if (err === Code.ok) nodes.delete(path)
}

function ask(bench: PipelineBench, client: BenchClient, type: number, body: Buffer): Reply {
  client.send(type, body)
  bench.durable()
  const reply = client.replies().at(-1)
  must(reply !== undefined, () => `no answer to ${type} ${shown(body)}`)
  return reply
}

function create(bench: PipelineBench, client: BenchClient, path: Buffer, flags: number): Reply {
  return ask(bench, client, Op.create, createBody(path, flags))
}

/** As bytes: a path need not be well-formed UTF-8. */
function createBody(path: Buffer, flags: number): Buffer {
  const rest = CreateRequest.encode({ path: '', data: null, acl: OPEN, flags }).subarray(4)
  return Buffer.concat([lengthOf(path), path, rest])
}

function pathBody(path: Buffer, isRead: boolean): Buffer {
  return Buffer.concat([lengthOf(path), path, isRead ? Buffer.of(0) : Buffer.alloc(0)])
}

function deleteBody(path: string): Buffer {
  const writer = new Writer(4)
  writer.int(-1)
  return Buffer.concat([pathBody(Buffer.from(path), false), writer.take()])
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  return length
}
