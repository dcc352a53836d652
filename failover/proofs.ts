/**
 * Which members must be proven unable to act before we may, and what proves it (H-1). Pure.
 *
 * Why one proof can be enough: whoever becomes active first takes the lease node over, then proves
 * everyone else, and writes its breadcrumb only after that. So when lease and breadcrumb carry the
 * same token, its owner had proven all others, and only the owner can have acted since: nobody else
 * wrote the lease node in between, and nobody is activated without writing it. When they differ
 * (the holder died between the two writes, or somebody deleted a node by hand) no such conclusion
 * holds: every other configured member needs a proof of its own, or the lease must end.
 * docs/decisions/0010-lease-and-proofs.md has the whole argument.
 */
import type { BreadcrumbView, Former, Grant, View } from './view.ts'

export interface Unproven {
  readonly targets: readonly string[]
  /** When the lease proves them all; null where leases are no proof. */
  readonly leaseEndsAtMs: number | null
  readonly nextMethod: { readonly target: string; readonly method: number } | null
}

/** The members that need a proof, before looking at the proofs that exist. */
export function requiredProofs(
  view: View,
  grant: Grant,
  former: Former,
  breadcrumb: BreadcrumbView,
): readonly string[] {
  // Once the breadcrumb is ours by this grant, the proofs were complete.
  if (grant.hasBreadcrumb) return []
  const { lease } = former
  const obeysLeases = view.rules.protection.includes('lease')
  if (!obeysLeases || lease.kind === 'absent') return everyone(view, breadcrumb)
  const released = lease.leaseMs === 0
  if (breadcrumb.kind === 'absent') return released ? [] : everyone(view, breadcrumb)
  const agree =
    breadcrumb.member !== null &&
    breadcrumb.member === lease.member &&
    breadcrumb.token === lease.token &&
    !released
  if (!agree) return everyone(view, breadcrumb)
  return breadcrumb.isOfThisRun ? [] : [breadcrumb.member]
}

/**
 * All others; also this member's own name when a breadcrumb carries it that we did not write (a
 * clone, or the same member started on two hosts), and the owner of a breadcrumb who is in no file.
 *
 * Where leases are a proof, "we" is this run: bytes and mzxid in the record say the same to a copy of
 * the state directory made after the breadcrumb was written, and its lease is waited for. Without
 * leases nothing could ever prove our own name, so there the record is believed.
 */
function everyone(view: View, breadcrumb: BreadcrumbView): readonly string[] {
  const names = [...view.others]
  if (breadcrumb.kind !== 'present') return names
  const obeysLeases = view.rules.protection.includes('lease')
  if (obeysLeases ? !breadcrumb.isOfThisRun : !breadcrumb.isMine) {
    const owner = breadcrumb.member ?? UNREADABLE
    if (!names.includes(owner)) names.unshift(owner)
  }
  return names
}

/** Stands for the owner of a breadcrumb that cannot be read. */
export const UNREADABLE = '(unreadable breadcrumb)'

/**
 * What is still missing, or null when everyone in `required` is proven.
 *
 * Methods that disturb nobody (`graceful`) are asked first, each once a grant; then, where leases
 * are a proof, waiting for the end of the lease comes before any method that turns machines off.
 */
export function unprovenTargets(
  view: View,
  grant: Grant,
  former: Former,
  required: readonly string[],
): Unproven | null {
  if (view.rules.protection.includes('token')) return null // H-1 d
  const leaseEndsAtMs = view.rules.protection.includes('lease') ? former.endsAtMs : null
  if (leaseEndsAtMs !== null && view.now.monotonicMs >= leaseEndsAtMs) return null // H-1 c
  const said = view.group?.confirmedOff ?? []
  const targets = required.filter(
    (member) => grant.proofs[member] === undefined && !said.includes(member),
  )
  if (targets.length === 0) return null
  for (const target of targets) {
    const method = nextMethod(view, grant, target, leaseEndsAtMs !== null)
    if (method !== null) return { targets, leaseEndsAtMs, nextMethod: { target, method } }
  }
  return { targets, leaseEndsAtMs, nextMethod: null }
}

function nextMethod(view: View, grant: Grant, target: string, leaseWillDo: boolean): number | null {
  // Nobody fences itself, and nobody fences what is in no configuration file.
  if (!view.others.includes(target)) return null
  const { fencing } = view.rules
  for (let method = 0; method < fencing.length; method++) {
    const tried = grant.fencing.some((one) => one.target === target && one.method === method)
    if (tried) continue
    if (leaseWillDo && fencing[method]?.kind !== 'graceful') continue
    return method
  }
  return null
}
