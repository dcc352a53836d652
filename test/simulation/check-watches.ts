/**
 * Checks the watch events of one connection: each registration fires for the first change after the
 * read that made it, once, in the order of the changes, and before any reply that shows the change
 * (I-40, I-41, I-42, I-44). After a reconnect, `setWatches` yields what is still detectable.
 *
 * The connection's stream is walked along with the list of all changes: an event must be the next
 * one due; a reply with header zxid z must not leave one due at or below z.
 */
import { Op } from '../../ensemble/protocol/op-codes.ts'
import { WatcherType } from '../../ensemble/protocol/watches.ts'
import type { WireConnection, WireReply, WireWatch } from './history.ts'
import { hex, type Change, type Model } from './model.ts'

const NO_NODE = -101

interface Registered {
  data: boolean
  child: boolean
  persistent: boolean
  recursive: boolean
}

export function checkWatches(
  wire: WireConnection,
  model: Model,
  report: (id: string, text: string) => void,
): void {
  const watches = new Map<string, Registered>()
  const recursive = new Set<string>()
  /** Index into the model's changes: those before it have been accounted for. */
  let cursor = 0
  /** Events due at one zxid, not yet seen. */
  const due: Change[] = []
  /** Events of setWatches, which come before its reply with zxid -1. */
  let unnumbered: WireWatch[] = []
  let isBroken = false

  const at = (path: string): Registered => {
    let entry = watches.get(path)
    if (entry === undefined) {
      entry = { data: false, child: false, persistent: false, recursive: false }
      watches.set(path, entry)
    }
    return entry
  }

  /** Whether this connection must be told of the change; consumes what fires once. */
  const fires = (change: Change): boolean => {
    const entry = watches.get(change.path)
    let tells = change.type !== 4 && isBelowAny(recursive, change.path)
    if (entry === undefined) return tells
    if (entry.persistent) tells = true
    if (change.type === 4) {
      tells ||= entry.child
      entry.child = false
      return tells
    }
    tells ||= entry.data
    entry.data = false
    if (change.type === 2) {
      tells ||= entry.child
      entry.child = false
    }
    return tells
  }

  /** Moves on to the first zxid, at most `until`, at which something is due. */
  const advance = (until: bigint) => {
    while (due.length === 0 && cursor < model.changes.length) {
      const { zxid } = model.changes[cursor]!
      if (zxid > until) return
      for (; model.changes[cursor]?.zxid === zxid; cursor++) {
        const change = model.changes[cursor]!
        if (fires(change)) due.push(change)
      }
    }
  }

  const onEvent = (event: WireWatch) => {
    if (event.zxid <= 0n) {
      unnumbered.push(event)
      return
    }
    advance(event.zxid)
    const position = due.findIndex(
      (change) =>
        change.type === event.type && change.path === event.path && change.zxid === event.zxid,
    )
    const inOrder = position === 0 || (position > 0 && due[position]!.isUnordered)
    if (inOrder) {
      due.splice(position, 1)
      return
    }
    isBroken = true
    const expected = due[0] === undefined ? 'none' : describe(due[0])
    report('I-41', `${wire.who}: event ${describe(event)}, due was ${expected}`)
  }

  const onReply = (reply: WireReply) => {
    if (reply.zxid <= 0n) return
    advance(reply.zxid)
    if (due.length > 0) {
      isBroken = true
      report(
        'I-40',
        `${wire.who}: a reply shows ${hex(reply.zxid)} before the event ${describe(due[0]!)}`,
      )
      return
    }
    register(reply)
  }

  const register = (reply: WireReply) => {
    const { request, err, zxid } = reply
    const { body } = request
    switch (request.type) {
      case Op.exists:
        if (body.watch && (err === 0 || err === NO_NODE)) at(body.path).data = true
        return
      case Op.getData:
        if (body.watch && err === 0) at(body.path).data = true
        return
      case Op.getChildren:
      case Op.getChildren2:
        if (body.watch && err === 0) at(body.path).child = true
        return
      case Op.addWatch:
        if (err !== 0) return
        if (body.mode === 0) at(body.path).persistent = true
        else recursive.add(body.path)
        return
      case Op.removeWatches:
        if (err === 0) remove(body.path, body.type)
        return
      case Op.setWatches:
      case Op.setWatches2:
        if (err === 0) onSetWatches(body, zxid)
    }
  }

  const remove = (path: string, type: number) => {
    const entry = at(path)
    if (type === WatcherType.children || type === WatcherType.any) entry.child = false
    if (type === WatcherType.data || type === WatcherType.any) entry.data = false
    if (type === WatcherType.persistent || type === WatcherType.any) entry.persistent = false
    if (type === WatcherType.persistentRecursive || type === WatcherType.any) recursive.delete(path)
  }

  // eslint-disable-next-line typescript/no-explicit-any -- SetWatches or SetWatches2
  const onSetWatches = (body: any, zxid: bigint) => {
    const expected: { type: number; path: string }[] = []
    const since: bigint = body.relativeZxid
    const look = (path: string) => {
      const moment = model.momentAt(path, zxid)
      if (moment !== null) return moment
      const exists = path === '/' || path.startsWith('/zookeeper')
      return { exists, mzxid: 0n, pzxid: 0n }
    }
    for (const path of (body.dataWatches ?? []) as string[]) {
      const now = look(path)
      if (!now.exists) expected.push({ type: 2, path })
      else if (now.mzxid > since) expected.push({ type: 3, path })
      else at(path).data = true
    }
    for (const path of (body.existWatches ?? []) as string[]) {
      if (look(path).exists) expected.push({ type: 1, path })
      else at(path).data = true
    }
    for (const path of (body.childWatches ?? []) as string[]) {
      const now = look(path)
      if (!now.exists) expected.push({ type: 2, path })
      else if (now.pzxid > since) expected.push({ type: 4, path })
      else at(path).child = true
    }
    for (const path of (body.persistentWatches ?? []) as string[]) at(path).persistent = true
    for (const path of (body.persistentRecursiveWatches ?? []) as string[]) recursive.add(path)
    const seen = unnumbered.map((event) => `${event.type} ${event.path}`).join()
    const wanted = expected.map((event) => `${event.type} ${event.path}`).join()
    unnumbered = []
    if (seen !== wanted) {
      isBroken = true
      report('I-42', `${wire.who}: setWatches at ${hex(zxid)} gave [${seen}], due were [${wanted}]`)
    }
  }

  for (const entry of wire.entries) {
    if (isBroken) return
    if (entry.kind === 'event') onEvent(entry)
    else if (entry.kind === 'reply') onReply(entry)
  }
}

function isBelowAny(roots: ReadonlySet<string>, path: string): boolean {
  if (roots.size === 0) return false
  for (const root of roots) {
    if (path === root || root === '/' || path.startsWith(`${root}/`)) return true
  }
  return false
}

function describe(event: { type: number; path: string; zxid: bigint }): string {
  return `${['', 'created', 'deleted', 'changed', 'children of'][event.type]} ${event.path} at ${hex(event.zxid)}`
}
