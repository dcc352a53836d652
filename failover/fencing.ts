/**
 * Fencing methods: each ends `confirmed`, `failed` or `unknown`, and only `confirmed` counts (H-7).
 *
 * A time-out, a refused connection, a closed port prove nothing: a partition looks the same. Exit
 * status 0 is the command's claim: it confirms only with a `verify` that observes the target off or
 * standby, or where the operator wrote `trustExitCode: true`.
 */
import type { Sys } from '../ensemble/sys/sys.ts'
import { runCommand } from './run-command.ts'
import { decodeServiceAnswer } from './service-answer.ts'
import { messageOf } from './service.ts'
import type { FencingMethod, GroupSettings } from './settings.ts'
import { expandArgv, expandUrl, fencingValues, ownValues } from './templates.ts'

export interface FencingResult {
  readonly result: 'confirmed' | 'failed' | 'unknown'
  readonly detail: string
}

export interface FencingOrder {
  readonly target: string
  /** Our token: the target must never act with a lower one again. */
  readonly token: bigint
  readonly targetToken: bigint | null
  readonly leaseLeftMs: number
}

export async function runFencing(
  method: FencingMethod,
  order: FencingOrder,
  settings: GroupSettings,
  sys: Pick<Sys, 'clock' | 'process' | 'http'>,
  signal: AbortSignal,
): Promise<FencingResult> {
  try {
    if (method.kind === 'graceful')
      return await askForStandby(method.timeoutMs, order, settings, sys)
    return await runFenceCommand(method, order, settings, sys, signal)
  } catch (error) {
    return { result: 'unknown', detail: messageOf(error) }
  }
}

/** Asks the target's service itself: confirmed only by "standby at a token >= ours" (H-1 a). */
async function askForStandby(
  timeoutMs: number,
  order: FencingOrder,
  settings: GroupSettings,
  sys: Pick<Sys, 'http'>,
): Promise<FencingResult> {
  const command = settings.service.deactivate
  const target = settings.members[order.target]
  if (target === undefined) return { result: 'failed', detail: `no member ${order.target}` }
  if (command.kind === 'command') {
    return { result: 'failed', detail: 'deactivate is a command: it cannot be asked from here' }
  }
  const values = ownValues(order.target, target, {
    token: order.token,
    role: 'standby',
    reason: 'fencing',
    pid: null,
  })
  let body: string
  try {
    const answer = await sys.http.request({
      method: command.method,
      url: expandUrl(command.url, values),
      headers: { 'Howdah-Fencing-Token': order.token.toString() },
      timeoutMs,
    })
    body = answer.body
  } catch (error) {
    return { result: 'unknown', detail: messageOf(error) }
  }
  const said = decodeServiceAnswer(body)
  if (said.role === 'standby' && said.token !== null && said.token >= order.token) {
    return { result: 'confirmed', detail: `standby at token ${said.token}` }
  }
  const detail = `answered role ${said.role ?? '?'}, token ${said.token ?? '?'}`
  return { result: 'failed', detail }
}

async function runFenceCommand(
  method: Extract<FencingMethod, { kind: 'command' }>,
  order: FencingOrder,
  settings: GroupSettings,
  sys: Pick<Sys, 'clock' | 'process'>,
  signal: AbortSignal,
): Promise<FencingResult> {
  const targetSettings = settings.members[order.target]
  const selfSettings = settings.members[settings.member]
  if (targetSettings === undefined || selfSettings === undefined) {
    return { result: 'failed', detail: `no member ${order.target}` }
  }
  const values = fencingValues({
    self: settings.member,
    selfSettings,
    target: order.target,
    targetSettings,
    token: order.token,
    targetToken: order.targetToken,
  })
  const env = {
    HOWDAH_MEMBER: settings.member,
    HOWDAH_GROUP: settings.group,
    HOWDAH_TARGET_MEMBER: order.target,
    HOWDAH_FENCING_TOKEN: order.token.toString(),
    HOWDAH_LEASE_MS: String(Math.max(0, Math.floor(order.leaseLeftMs))),
  }
  const run = (argv: readonly string[], timeoutMs: number) =>
    runCommand(sys, { argv: expandArgv(argv, values), env, timeoutMs, signal })

  const fenced = await run(method.argv, method.timeoutMs)
  if (fenced.outcome !== 'exited') return { result: 'unknown', detail: fenced.why }
  if (fenced.code !== 0) {
    return {
      result: 'failed',
      detail: `${fenced.why} ${fenced.output.trim().slice(0, 200)}`.trim(),
    }
  }
  if (method.verify !== undefined) {
    const verified = await run(method.verify.argv, method.verify.timeoutMs)
    if (verified.outcome !== 'exited') {
      return { result: 'unknown', detail: `verify: ${verified.why}` }
    }
    if (verified.code !== 0) {
      return {
        result: 'failed',
        detail: `the command claims success, verify says: ${verified.why}`,
      }
    }
    return { result: 'confirmed', detail: 'verified' }
  }
  if (method.trustExitCode === true) {
    return { result: 'confirmed', detail: 'exit status 0, trusted by configuration' }
  }
  return { result: 'unknown', detail: 'exit status 0 is only a claim: no verify, no trustExitCode' }
}
