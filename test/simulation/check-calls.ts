/**
 * Checks what callers of the client were told against the final log: the client may not claim what
 * did not happen (I-21), mix up the order of a session (I-22, I-24), or hand out data before the
 * event that announces it (I-40, I-41).
 */
import type { Txn } from '../../ensemble/protocol/transactions.ts'
import { tagOf } from './check-history.ts'
import { hex, type Model, type Problem } from './model.ts'
import type { CallRecord, SessionRecord, Workload } from './workload.ts'

export function checkCalls(workload: Workload, txns: readonly Txn[], model: Model): Problem[] {
  const problems: Problem[] = []
  const report = (id: string, text: string) => problems.push({ id, text })
  checkOutcomes(workload.calls, txns, report)
  checkData(workload.calls, model, report)
  const bySession = new Map<SessionRecord, CallRecord[]>()
  for (const call of workload.calls) {
    const calls = bySession.get(call.session)
    if (calls === undefined) bySession.set(call.session, [call])
    else calls.push(call)
  }
  for (const [session, calls] of bySession) {
    checkOrder(session, calls, report)
    checkProgress(session, calls, report)
    checkWatchers(session, calls, workload, report)
  }
  return problems
}

type Report = (id: string, text: string) => void

function checkOutcomes(calls: readonly CallRecord[], txns: readonly Txn[], report: Report) {
  const done = new Map<string, Txn>()
  for (const txn of txns) {
    const tag = tagOf(txn)
    if (tag !== null) done.set(tag, txn)
  }
  for (const { tag, outcome, kind, path, code, session } of calls) {
    if (tag === null) continue
    const name = `${session.name}: ${kind} ${path} ${tag}`
    const isDone = done.has(tag)
    if (outcome === 'ok' && !isDone) report('I-6', `succeeded, and is lost: ${name}`)
    if (outcome === 'notDone' && isDone)
      report('I-21', `reported as not done (${code}), but done: ${name}`)
  }
}

function checkData(calls: readonly CallRecord[], model: Model, report: Report) {
  for (const { kind, path, seen, session } of calls) {
    if (kind !== 'get' || seen?.stat === null || seen === null) continue
    const moment = model.momentAt(path, seen.stat.mzxid)
    const expected = moment?.mzxid === seen.stat.mzxid ? moment.data : null
    const isSame = expected === null ? seen.data === null : seen.data?.equals(expected) === true
    if (!isSame) {
      report(
        'I-23',
        `${session.name}: get ${path} gave ${String(seen.data)} for mzxid ${hex(seen.stat.mzxid)}`,
      )
    }
  }
}

/**
 * Calls that were answered come back in the order in which they were made, and never go back. What
 * comes back in one turn of the process has no order: promises differ in their depth.
 */
function checkOrder(session: SessionRecord, calls: readonly CallRecord[], report: Report) {
  const answered = calls.filter((call) => call.outcome === 'ok')
  let last = -1
  for (const call of answered) {
    if (call.endTurn < last) {
      report('I-22', `${session.name}: ${call.kind} ${call.path} came back before an earlier call`)
    }
    last = call.endTurn
  }
  const newest = new Map<string, bigint>()
  for (const { path, seen } of answered) {
    if (seen === null || seen.stat === null) continue
    const before = newest.get(path) ?? 0n
    if (seen.stat.mzxid < before) {
      report(
        'I-24',
        `${session.name}: ${path} went from ${hex(before)} back to ${hex(seen.stat.mzxid)}`,
      )
    }
    newest.set(path, seen.stat.mzxid)
  }
}

/** When all is well again, every call of a process that lives has been settled. */
function checkProgress(session: SessionRecord, calls: readonly CallRecord[], report: Report) {
  if (!session.proc.isAlive) return
  for (const { outcome, kind, path } of calls) {
    if (outcome === 'pending') report('I-16', `${session.name}: ${kind} ${path} never came back`)
  }
}

function checkWatchers(
  session: SessionRecord,
  calls: readonly CallRecord[],
  workload: Workload,
  report: Report,
) {
  const removed = new Set(
    calls.filter((call) => call.kind === 'removeWatches').map((call) => call.path),
  )
  for (const watch of workload.watches) {
    if (watch.session !== session || removed.has(watch.path)) continue
    const events = watch.fired.filter((event) => event.type !== 'session')
    if (events.length > 1)
      report('I-41', `${session.name}: a watch of ${watch.path} fired ${events.length} times`)
    const firedOrder = events[0]?.order ?? Number.POSITIVE_INFINITY
    for (const { path, seen, outcome, startOrder, endOrder, kind } of calls) {
      if (path !== watch.path || outcome !== 'ok' || startOrder < watch.askedOrder) continue
      if (seen === null || (kind !== 'get' && kind !== 'exists')) continue
      const shown = seen.stat?.mzxid ?? 0n
      if (shown !== watch.mzxid && firedOrder > endOrder) {
        report('I-40', `${session.name}: ${path} at ${hex(shown)} was shown before its watch fired`)
        break
      }
    }
  }
}
