/**
 * What a node costs: memory per node and time per operation, with a million nodes of 100 bytes
 * below 20 parents. Run it as `node --expose-gc bench/memory.ts [nodes]`; `--help` tells the rest.
 *
 * `--naive` measures the obvious layout instead, one object for each node in a Map of paths.
 */
import { Writer } from '../ensemble/jute/writer.ts'
import type { Txn } from '../ensemble/protocol/transactions.ts'
import { SnapshotBodyReader, SnapshotBodyWriter } from '../ensemble/tree/snapshot-body.ts'
import { Tree } from '../ensemble/tree/tree.ts'

const HELP = `usage: node --expose-gc bench/memory.ts [nodes=1000000] [--naive]
Prints heapUsed + external + arrayBuffers per node, RSS, and nanoseconds per operation.`

const PARENTS = 20
const DATA_BYTES = 100
const PIECE_BYTES = 256 * 1024

const args = process.argv.slice(2)
if (args.includes('--help')) {
  console.log(HELP)
  process.exit(0)
}
const nodes = Number(args.find((arg) => /^\d+$/.test(arg)) ?? 1_000_000)

const collect = (): void => {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc')
  for (let i = 0; i < 4; i++) globalThis.gc()
}

type Memory = { heap: number; external: number; rss: number }
function memory(): Memory {
  collect()
  const { heapUsed, external, rss } = process.memoryUsage() // external counts array buffers in
  return { heap: heapUsed, external, rss }
}

function report(what: string, value: number, unit: string): void {
  console.log(`${what.padEnd(44)}${value.toFixed(1).padStart(10)} ${unit}`)
}

/** Processor time, not wall clock: a busy machine distorts it less. */
function timed(what: string, count: number, run: () => void): void {
  const start = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(start)
  report(what, ((user + system) * 1000) / count, 'ns')
}

const pathOf = (index: number): string =>
  `/zkload${index % PARENTS}/n${String(index).padStart(7, '0')}`
const acl = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }]
const data = Buffer.alloc(DATA_BYTES, 7)

/** A decoded transaction has fresh strings, buffers and lists: so have these. */
function createTxn(index: number, path: string): Txn {
  return {
    clientId: 0x1000020ff3f0000n,
    cxid: index,
    zxid: 0x1_0000_0000n + BigInt(index + 100),
    time: 1_795_000_000_000 + index,
    type: 1,
    path,
    data,
    acl: [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }],
    ephemeral: false,
    parentCVersion: Math.floor(index / PARENTS) + 1,
  }
}

function setTxn(index: number, path: string): Txn {
  return {
    clientId: 0x1000020ff3f0000n,
    cxid: index,
    zxid: 0x2_0000_0000n + BigInt(index),
    time: 1_795_100_000_000 + index,
    type: 5,
    path,
    data,
    version: 1,
  }
}

/** Visits the numbers below `count` in an order without locality. */
function scattered(step: number, count: number): number {
  return (step * 7_368_787) % count
}

function measurePacked(): void {
  const before = memory()
  const tree = new Tree()
  for (let parent = 0; parent < PARENTS; parent++) {
    tree.apply(createTxn(parent - 100, `/zkload${parent}`), null)
  }
  timed('create (with making of path and txn)', nodes, () => {
    for (let index = 0; index < nodes; index++) tree.apply(createTxn(index, pathOf(index)), null)
  })
  const after = memory()
  report('heapUsed per node', (after.heap - before.heap) / nodes, 'bytes')
  report('external per node', (after.external - before.external) / nodes, 'bytes')
  report(
    'heapUsed + external per node',
    (after.heap - before.heap + after.external - before.external) / nodes,
    'bytes',
  )
  report('pages of the tree per node', tree.pageBytes / nodes, 'bytes')
  report('RSS, all of it', after.rss / 2 ** 20, 'MiB')
  report('RSS per node', (after.rss - before.rss) / nodes, 'bytes')

  const writer = new Writer(1 << 16)
  timed('path and txn alone', nodes, () => {
    let sink = 0
    for (let index = 0; index < nodes; index++) sink += createTxn(index, pathOf(index)).cxid
    if (sink < 0) throw new Error('unreachable')
  })
  const requests = Buffer.alloc(32 * Math.min(nodes, 100_000))
  for (let i = 0; i * 32 < requests.length; i++) requests.write(pathOf(scattered(i, nodes)), i * 32)
  const pathBytes = (i: number): number => pathOf(scattered(i, nodes)).length
  const lengths = Uint8Array.from({ length: requests.length / 32 }, (_, i) => pathBytes(i))
  for (const round of ['cold', 'warm']) {
    timed(`findBytes + writeData + writeStat, ${round}`, lengths.length, () => {
      for (let i = 0; i < lengths.length; i++) {
        const node = tree.findBytes(requests, i * 32, i * 32 + lengths[i]!)
        if (node === 0) throw new Error('a node is missing')
        writer.reset()
        tree.writeData(node, writer)
        tree.writeStat(node, writer)
      }
    })
  }
  timed('setData, scattered (with path and txn)', nodes, () => {
    for (let index = 0; index < nodes; index++) {
      tree.apply(setTxn(index, pathOf(scattered(index, nodes))), null)
    }
  })

  const start = process.hrtime.bigint()
  const frozen = tree.freeze()
  report('freeze', Number(process.hrtime.bigint() - start) / 1e3, 'us')
  timed('setData after a freeze, scattered', 100_000, () => {
    for (let index = 0; index < 100_000; index++) {
      tree.apply(setTxn(index, pathOf(scattered(index, nodes))), null)
    }
  })
  const body = new SnapshotBodyWriter(frozen, new Map())
  const pieces: Buffer[] = []
  let longestMs = 0
  timed('snapshot body, written', nodes, () => {
    const pieceWriter = new Writer(PIECE_BYTES * 2)
    for (let more = true; more;) {
      const began = process.hrtime.bigint()
      pieceWriter.reset()
      more = body.next(pieceWriter, PIECE_BYTES)
      longestMs = Math.max(longestMs, Number(process.hrtime.bigint() - began) / 1e6)
      pieces.push(Buffer.from(pieceWriter.written()))
    }
  })
  report(`longest piece of ${PIECE_BYTES} bytes`, longestMs, 'ms')
  const releaseStart = process.hrtime.bigint()
  frozen.release()
  report('release', Number(process.hrtime.bigint() - releaseStart) / 1e3, 'us')
  timed('snapshot body, read', nodes, () => {
    const reader = new SnapshotBodyReader()
    for (const piece of pieces) reader.push(piece)
    if (reader.result().tree.nodeCount !== tree.nodeCount) throw new Error('nodes got lost')
  })
  pieces.length = 0
  const began = process.hrtime.bigint()
  globalThis.gc!()
  report('one full collection', Number(process.hrtime.bigint() - began) / 1e6, 'ms')
  timed('delete, scattered (with path and txn)', nodes, () => {
    for (let index = 0; index < nodes; index++) {
      const header = { clientId: 1n, cxid: 1, zxid: 0x3_0000_0000n + BigInt(index), time: 1 }
      tree.apply({ ...header, type: 2, path: pathOf(scattered(index, nodes)) }, null)
    }
  })
  if (tree.nodeCount !== 5 + PARENTS) throw new Error('nodes are left')
}

/** The layout to beat: bigints, a stat, a set of children and a Buffer for each node. */
function measureNaive(): void {
  const before = memory()
  type Node = {
    parent: string
    data: Buffer | null
    acl: number
    children: Set<string> | null
    stat: {
      czxid: bigint
      mzxid: bigint
      pzxid: bigint
      ctime: number
      mtime: number
      version: number
      cversion: number
      aversion: number
      ephemeralOwner: bigint
    }
  }
  const map = new Map<string, Node>()
  const add = (index: number, path: string): void => {
    const zxid = 0x1_0000_0000n + BigInt(index + 100)
    const time = 1_795_000_000_000 + index
    const parent = path.slice(0, path.lastIndexOf('/'))
    const above = map.get(parent)
    if (above !== undefined) (above.children ??= new Set()).add(path.slice(parent.length + 1))
    map.set(path, {
      parent,
      data: Buffer.from(data),
      acl: acl.length,
      children: null,
      stat: {
        czxid: zxid,
        mzxid: zxid,
        pzxid: zxid,
        ctime: time,
        mtime: time,
        version: 0,
        cversion: 0,
        aversion: 0,
        ephemeralOwner: 0n,
      },
    })
  }
  for (let parent = 0; parent < PARENTS; parent++) add(parent - 100, `/zkload${parent}`)
  timed('create, one object a node', nodes, () => {
    for (let index = 0; index < nodes; index++) add(index, pathOf(index))
  })
  const after = memory()
  const bytes = after.heap - before.heap + after.external - before.external
  report('heapUsed + external per node', bytes / nodes, 'bytes')
  report('RSS per node', (after.rss - before.rss) / nodes, 'bytes')
  const found = Math.min(nodes, 100_000)
  let sink = 0
  timed('get, scattered (with making of path)', found, () => {
    for (let i = 0; i < found; i++) {
      const node = map.get(pathOf(scattered(i, nodes)))!
      sink += node.data!.length + Number(node.stat.mzxid & 1n)
    }
  })
  timed('set, scattered (with making of path)', nodes, () => {
    for (let index = 0; index < nodes; index++) {
      const node = map.get(pathOf(scattered(index, nodes)))!
      node.data = Buffer.from(data)
      node.stat.mzxid = 0x2_0000_0000n + BigInt(index)
      node.stat.mtime = index
      node.stat.version++
    }
  })
  if (sink === 0) throw new Error('nothing was read')
  const began = process.hrtime.bigint()
  globalThis.gc!()
  report('one full collection', Number(process.hrtime.bigint() - began) / 1e6, 'ms')
  if (map.size !== nodes + PARENTS) throw new Error('nodes got lost')
}

if (args.includes('--naive')) measureNaive()
else measurePacked()
