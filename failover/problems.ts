/** What is wrong as one member sees it: codes for programs, sentences for people. Pure. */
import { flappingAlarm, sessionAlarm } from './alarms.ts'
import type { FencingStatus, Problem } from './group-nodes.ts'
import { isoTime } from './iso-time.ts'
import type { View } from './view.ts'

export type ProblemList = readonly Problem[]

export interface ProblemContext {
  /** What was reported last: a problem keeps the time at which it began. */
  readonly before: ProblemList
  /** The last attempt that did not confirm. */
  readonly fencing: FencingStatus | null
}

export function problemsOf(view: View, context: ProblemContext): ProblemList {
  const found: [string, string][] = []
  const { group, session } = view
  if (view.tokenAlarm) {
    const why = `a lock at or below the highest token ${view.record.highestToken} was seen: the ensemble was replaced or restored; this member never activates until its state directory is reset`
    found.push(['token-went-back', why])
  }
  if (session.state === 'auth-failed') {
    found.push(['auth-failed', 'the ensemble refuses the credentials'])
  }
  if (group !== null && !group.isStale) {
    if (!group.exists) found.push(['not-initialized', 'the group does not exist: run howdah init'])
    for (const mismatch of group.mismatches) {
      found.push(['digest-mismatch', `configurations differ: ${mismatch}`])
    }
    if (group.registered === 'held') {
      found.push(['member-held', 'another session holds the node of this member'])
    }
    if (group.breadcrumb.kind === 'present' && group.breadcrumb.member === null) {
      found.push(['breadcrumb-unreadable', 'the breadcrumb cannot be read'])
    }
  }
  if (view.rules.watchdogRequired && !view.hasWatchdog) {
    found.push(['no-watchdog', 'the watchdog is required and does not run'])
  }
  if (view.grant?.demoted?.confirmed === false && view.grant.commanded) {
    found.push(['stop-unconfirmed', 'the service has not confirmed that it is standby'])
  }
  if (context.fencing !== null) {
    const { target, method, result } = context.fencing
    found.push(['fencing-unconfirmed', `${method} of ${target} ended ${result}`])
  }
  const sessionProblem = sessionAlarm(view)
  if (sessionProblem !== null) found.push(['session-timeout', sessionProblem])
  const hold = flappingAlarm(view)
  if (hold !== null) found.push(['flapping', hold.why])
  return found.map(([code, message]) => {
    const before = context.before.find((one) => one.code === code && one.message === message)
    return before ?? { code, message, since: isoTime(view.now.wallMs) }
  })
}
