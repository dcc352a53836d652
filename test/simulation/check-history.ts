/**
 * Checks the history of a single server's clients against its final log (D-23), in linear time.
 *
 * 1. Every write that was answered with OK is in the log, once, as asked (I-6, I-20, I-21, I-27);
 *    one answered with an error is not; the others may be, once.
 * 2. Real-time order implies zxid order, for reads too, since there is one server (I-20, I-25, I-26).
 * 3. Every read equals the model at the zxid of its reply (I-23).
 * 4. In a session the zxid of replies never decreases (I-24), and nothing of it follows its end (I-53).
 * 5. Watches: exactly the events due, in order, before any reply that shows their change (I-40…I-42).
 * 6. The log is possible, step by step: the model says (I-12, I-28, I-29, I-50, I-55).
 */
import { Op } from '../../ensemble/protocol/op-codes.ts'
import { isWrite } from '../../ensemble/protocol/op-table.ts'
import type { Stat } from '../../ensemble/protocol/stat.ts'
import type { Txn, TxnBody } from '../../ensemble/protocol/transactions.ts'
import type { WireConnection, WireReply, WireRequest } from './history.ts'
import { hex, isFailedMulti, Model, type Problem } from './model.ts'
import { checkWatches } from './check-watches.ts'

const NO_NODE = -101

export function checkHistory(
  connections: readonly WireConnection[],
  txns: readonly Txn[],
): Problem[] {
  const problems: Problem[] = []
  const report = (id: string, text: string) => problems.push({ id, text })
  const replies = connections
    .flatMap((wire) => wire.entries)
    .filter((entry): entry is WireReply => entry.kind === 'reply')

  checkWrites(connections, txns, report)
  checkRealTime(connections, report)
  checkSessions(connections, report)
  const model = replayAndCheckReads(replies, txns, report)
  problems.push(...model.problems)
  for (const wire of connections) checkWatches(wire, model, report)
  return problems
}

type Report = (id: string, text: string) => void

// -- writes

function checkWrites(connections: readonly WireConnection[], txns: readonly Txn[], report: Report) {
  const byZxid = new Map<bigint, Txn>(txns.map((txn) => [txn.zxid, txn]))
  for (const wire of connections) {
    for (const request of wire.entries) {
      if (request.kind !== 'request' || !isWrite(request.type)) continue
      const { reply } = request
      const name = `${wire.who} xid ${request.xid} type ${request.type} ${request.body?.path ?? ''}`
      if (reply === null || reply.zxid <= 0n) continue
      const txn = byZxid.get(reply.zxid)
      const isIts = txn?.clientId === wire.sessionId && txn.cxid === request.xid
      if (reply.err === 0) {
        if (!isIts) {
          report('I-6', `acknowledged write is lost: ${name} at ${hex(reply.zxid)}`)
        } else if (!matches(request, reply, txn)) {
          report('I-21', `write was done otherwise than asked: ${name} at ${hex(reply.zxid)}`)
        }
      } else if (isIts && txn.type !== Op.error) {
        report('I-21', `write was refused with ${reply.err}, and done: ${name}`)
      }
    }
  }
  // At most one transaction for each request: what the workload writes is unique.
  const seen = new Map<string, bigint>()
  for (const txn of txns) {
    const tag = tagOf(txn)
    if (tag === null) continue
    const before = seen.get(tag)
    if (before !== undefined) {
      report('I-21', `"${tag}" was applied at ${hex(before)} and again at ${hex(txn.zxid)}`)
    }
    seen.set(tag, txn.zxid)
  }
}

/** The unique value that the workload gave to a write, if it carries one. */
export function tagOf(txn: TxnBody): string | null {
  if (txn.type === Op.multi) {
    if (isFailedMulti(txn)) return null
    for (const part of txn.txns) {
      const tag = tagOf(part)
      if (tag !== null) return tag
    }
    return null
  }
  if (!('data' in txn) || txn.data === null) return null
  const text = txn.data.toString()
  return text.startsWith('#') ? text : null
}

function matches(request: WireRequest, reply: WireReply, txn: Txn): boolean {
  if (request.type === Op.multi) return matchesMulti(request, reply, txn)
  return matchesOne(request.type, request.body, txn, reply.body)
}

function matchesMulti(request: WireRequest, reply: WireReply, txn: Txn): boolean {
  if (txn.type !== Op.multi) return false
  const results = reply.body as { type: number }[]
  const ops = request.body as { type: number }[]
  const failed = results.some((result) => result.type === Op.error)
  if (failed || isFailedMulti(txn)) return failed && isFailedMulti(txn)
  return (
    txn.txns.length === ops.length &&
    ops.every((op, at) => matchesOne(op.type, op, txn.txns[at]!, results[at]))
  )
}

// eslint-disable-next-line typescript/no-explicit-any -- records of the wire, told by the type
function matchesOne(type: number, asked: any, txn: TxnBody, answer: any): boolean {
  switch (type) {
    case Op.create:
    case Op.create2:
    case Op.createContainer:
      return (
        (txn.type === Op.create || txn.type === Op.create2 || txn.type === Op.createContainer) &&
        txn.path === answer.path &&
        isNameFor(asked, txn.path) &&
        equalBytes(asked.data, txn.data)
      )
    case Op.delete:
      return txn.type === Op.delete && txn.path === asked.path
    case Op.setData:
      return (
        txn.type === Op.setData &&
        txn.path === asked.path &&
        equalBytes(asked.data, txn.data) &&
        (asked.version === -1 || asked.version + 1 === txn.version)
      )
    case Op.setAcl:
      return txn.type === Op.setAcl && txn.path === asked.path
    case Op.check:
      return txn.type === Op.check && txn.path === asked.path
    case Op.closeSession:
      return txn.type === Op.closeSession
    default:
      return true
  }
}

function isNameFor(asked: { path: string; flags: number }, path: string): boolean {
  const isSequential = asked.flags === 2 || asked.flags === 3
  if (!isSequential) return path === asked.path
  return path.startsWith(asked.path) && /^\d{10}$/.test(path.slice(asked.path.length))
}

function equalBytes(left: Buffer | null, right: Buffer | null): boolean {
  return left === null || right === null ? left === right : left.equals(right)
}

// -- real time

function checkRealTime(connections: readonly WireConnection[], report: Report) {
  const points: { order: number; request: WireRequest; isReturn: boolean }[] = []
  for (const wire of connections) {
    for (const entry of wire.entries) {
      if (entry.kind !== 'request' || entry.reply === null || entry.reply.zxid <= 0n) continue
      points.push({ order: entry.order, request: entry, isReturn: false })
      points.push({ order: entry.reply.order, request: entry, isReturn: true })
    }
  }
  points.sort((left, right) => left.order - right.order)
  const floors = new Map<WireRequest, bigint>()
  let returned = 0n
  for (const { request, isReturn } of points) {
    const { zxid, err } = request.reply!
    if (!isReturn) {
      floors.set(request, returned)
      continue
    }
    const floor = floors.get(request)!
    const writes = isWrite(request.type) && err === 0
    if (writes ? zxid <= floor : zxid < floor) {
      const id = isWrite(request.type) ? 'I-20' : 'I-26'
      report(id, `type ${request.type} at ${hex(zxid)} began after ${hex(floor)} was answered`)
    }
    if (zxid > returned) returned = zxid
  }
}

// -- sessions

function checkSessions(connections: readonly WireConnection[], report: Report) {
  const bySession = new Map<bigint, WireConnection[]>()
  for (const wire of connections) {
    if (wire.sessionId === 0n) continue
    const known = bySession.get(wire.sessionId)
    if (known === undefined) bySession.set(wire.sessionId, [wire])
    else known.push(wire)
  }
  for (const [sessionId, wires] of bySession) {
    let last = 0n
    const entries = wires.flatMap((wire) => wire.entries)
    entries.sort((left, right) => left.order - right.order)
    for (const entry of entries) {
      if (entry.kind !== 'reply' || entry.zxid <= 0n) continue
      if (entry.zxid < last) {
        report(
          'I-24',
          `session ${hex(sessionId)} went from ${hex(last)} back to ${hex(entry.zxid)}`,
        )
      }
      last = entry.zxid
    }
  }
}

// -- reads

const READS = new Set<number>([Op.exists, Op.getData, Op.getAcl, Op.getChildren, Op.getChildren2])

function replayAndCheckReads(
  replies: readonly WireReply[],
  txns: readonly Txn[],
  report: Report,
): Model {
  const reads = replies.filter((reply) => READS.has(reply.request.type) && reply.zxid >= 0n)
  reads.sort((left, right) => (left.zxid < right.zxid ? -1 : left.zxid > right.zxid ? 1 : 0))
  const model = new Model()
  let next = 0
  const checkUpTo = (zxid: bigint | null) => {
    for (; next < reads.length; next++) {
      const read = reads[next]!
      if (zxid !== null && read.zxid >= zxid) return
      if (read.zxid > model.lastZxid) {
        report('I-6', `a client saw ${hex(read.zxid)}, the log ends at ${hex(model.lastZxid)}`)
        return
      }
      const wrong = readProblem(read, model)
      if (wrong !== null) report('I-23', `at ${hex(read.zxid)}: ${wrong}`)
    }
  }
  for (const txn of txns) {
    checkUpTo(txn.zxid)
    model.apply(txn)
  }
  checkUpTo(null)
  return model
}

function readProblem(reply: WireReply, model: Model): string | null {
  const { request, err, body } = reply
  const path: string = request.body.path
  const node = model.nodes.get(path)
  const name = `type ${request.type} of ${path}`
  if (err === NO_NODE) return node === undefined ? null : `${name}: no node, but there is one`
  if (err !== 0) return null
  if (node === undefined) return `${name}: there is no such node`
  if ('stat' in body && path !== '/zookeeper/config') {
    const wrong = differenceOf(body.stat, model.stat(path)!)
    if (wrong !== null) return `${name}: ${wrong}`
  }
  if (request.type === Op.getData && path !== '/zookeeper/config') {
    if (!equalBytes(body.data, node.data)) {
      return `${name}: data ${String(body.data)}, not ${String(node.data)}`
    }
  }
  if (request.type === Op.getChildren || request.type === Op.getChildren2) {
    const seen = (body.children as string[]).toSorted().join()
    const expected = [...node.children].toSorted().join()
    if (seen !== expected) return `${name}: children [${seen}], not [${expected}]`
  }
  return null
}

function differenceOf(seen: Stat, expected: Stat): string | null {
  for (const field of Object.keys(expected) as (keyof Stat)[]) {
    if (seen[field] !== expected[field]) {
      return `${field} is ${String(seen[field])}, not ${String(expected[field])}`
    }
  }
  return null
}
