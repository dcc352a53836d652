/**
 * The watchdog as a process: `node watchdog-process.ts URL METHOD TIMEOUT_MS`, lines on stdin.
 *
 * An edge file: it is the one part of failover that touches the process it runs in. Its logic is
 * watchdog.ts. It dies only in order: SIGTERM and SIGINT, which reach whole sessions on a terminal,
 * are ignored while the controller lives; the end of stdin means that the controller has died.
 */
/* oxlint-disable no-restricted-globals, no-restricted-imports */
import { Client } from '../ensemble/client/index.ts'
import { nodeClock } from '../ensemble/sys/node-clock.ts'
import { nodeHttp } from '../ensemble/sys/node-http.ts'
import { nodeNetwork } from '../ensemble/sys/node-network.ts'
import { nodeProcess } from '../ensemble/sys/node-process.ts'
import { nodeRandom } from '../ensemble/sys/node-random.ts'
import { sleep, type Timer } from '../ensemble/sys/clock.ts'
import { readClocks } from './lease.ts'
import { decodeServiceAnswer } from './service-answer.ts'
import {
  NEW_WATCHDOG,
  parseFeed,
  watchdogDueMs,
  watchdogStep,
  type WatchdogEffect,
  type WatchdogInput,
  type WatchedSession,
} from './watchdog.ts'

const [url = '', method = 'POST', timeoutText = '1000'] = process.argv.slice(2)
const timeoutMs = Number(timeoutText)
/** Nothing to feed for longer than this cannot be: look at the clocks at least so often. */
const TICK_MS_MAX = 100
const KILL_AFTER_MS = 200

let watchdog = NEW_WATCHDOG
let timer: Timer | null = null
let work: Promise<void> = Promise.resolve()
let pending = ''
/** What was asked to stop has confirmed it, as far as anything was asked. */
let isStopped = true

function take(input: WatchdogInput): void {
  const now = readClocks(nodeClock)
  const step = watchdogStep(watchdog, input, now)
  watchdog = step.watchdog
  for (const effect of step.effects) work = work.then(() => perform(effect))
  timer?.cancel()
  const dueMs = watchdogDueMs(watchdog, now)
  if (dueMs !== null) {
    timer = nodeClock.setTimer(Math.min(dueMs + 1, TICK_MS_MAX), () => take({ kind: 'tick' }))
  }
}

async function perform(effect: WatchdogEffect): Promise<void> {
  switch (effect.kind) {
    case 'stop-service': {
      const answer = url === '' ? 'no URL to ask' : await deactivate(effect.token)
      const hasEnded = effect.servicePid !== null && (await endGroup(effect.servicePid))
      isStopped = hasEnded || answer === 'standby'
      report(`stopped the service: ${effect.why}; deactivate: ${answer}`)
      return
    }
    case 'end-process':
      isStopped = await endGroup(effect.servicePid)
      report(`ended the service's process: ${effect.why}`)
      return
    case 'close-session':
      if (isStopped) await closeSession(effect.session)
      return
    case 'exit':
      process.exit(0)
  }
}

async function deactivate(token: string): Promise<string> {
  try {
    const headers = { 'Howdah-Fencing-Token': token }
    const verb = method === 'GET' ? 'GET' : 'POST'
    const answer = await nodeHttp.request({ method: verb, url, headers, timeoutMs })
    return decodeServiceAnswer(answer.body).role ?? `status ${answer.status}`
  } catch (error) {
    return error instanceof Error ? error.message : 'no answer'
  }
}

/** True when the process is gone. */
async function endGroup(pid: number): Promise<boolean> {
  nodeProcess.killGroup(pid, 'SIGTERM')
  for (let passedMs = 0; passedMs < KILL_AFTER_MS && nodeProcess.isAlive(pid); passedMs += 10) {
    await sleep(nodeClock, 10)
  }
  nodeProcess.killGroup(pid, 'SIGKILL')
  for (let passedMs = 0; passedMs < KILL_AFTER_MS && nodeProcess.isAlive(pid); passedMs += 10) {
    await sleep(nodeClock, 10)
  }
  return !nodeProcess.isAlive(pid)
}

/** Resumes the dead controller's session only to close it: its lock is free at once. */
async function closeSession(watched: WatchedSession): Promise<void> {
  const client = new Client(
    watched.servers,
    {
      sessionTimeoutMs: watched.timeoutMs,
      session: { id: BigInt(watched.id), password: Buffer.from(watched.password, 'hex') },
    },
    { clock: nodeClock, random: nodeRandom, network: nodeNetwork },
  )
  client.start()
  try {
    await client.connected({ signal: AbortSignal.timeout(watched.timeoutMs) })
  } catch {
    // Expired already, or nobody to be reached: it ends by itself.
  }
  await client.close()
}

/** stderr reaches the controller's log while there is one. */
function report(text: string): void {
  try {
    process.stderr.write(`${text}\n`)
  } catch {
    // Nobody reads any more: the controller has died.
  }
}

process.stderr.on('error', () => {})
process.on('SIGTERM', () => {})
process.on('SIGINT', () => {})
process.stdin.setEncoding('utf8')
process.stdin.on('data', (chunk: string) => {
  pending += chunk
  for (let end = pending.indexOf('\n'); end >= 0; end = pending.indexOf('\n')) {
    const feed = parseFeed(pending.slice(0, end))
    pending = pending.slice(end + 1)
    if (feed !== null) take({ kind: 'feed', feed })
  }
})
process.stdin.on('end', () => take({ kind: 'controller-died' }))
process.stdin.on('error', () => take({ kind: 'controller-died' }))
