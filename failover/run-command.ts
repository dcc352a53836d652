/**
 * Runs a command to its end or to its time-out: argv, never a shell.
 *
 * Invariants: when the time is over or `signal` aborts, the whole process group is killed; output
 * is capped; a command that could not be started did not run. One that cannot be killed (state D)
 * holds nobody up: `ended` tells later when it is gone.
 */
import type { Sys } from '../ensemble/sys/sys.ts'

export interface Ran {
  readonly outcome: 'exited' | 'timed-out' | 'not-started' | 'aborted'
  readonly code: number | null
  readonly why: string
  /** The first part of stdout and stderr together. */
  readonly output: string
  /** Resolved, or resolves when a process that could not be killed in time is gone after all. */
  readonly ended: Promise<unknown>
  readonly hasEnded: boolean
}

const OUTPUT_BYTES_MAX = 8192
/** How long the end of a killed process group is waited for. */
const REAP_MS = 1000

export async function runCommand(
  sys: Pick<Sys, 'clock' | 'process'>,
  options: {
    argv: readonly string[]
    env: Readonly<Record<string, string>>
    timeoutMs: number
    signal?: AbortSignal
  },
): Promise<Ran> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  const child = sys.process.spawn({
    argv: options.argv,
    env: options.env,
    onOutput: (chunk) => {
      const room = OUTPUT_BYTES_MAX - sizeBytes
      if (room <= 0) return
      chunks.push(chunk.subarray(0, room))
      sizeBytes += Math.min(room, chunk.length)
    },
  })
  const state: { ended: 'timed-out' | 'aborted' | null } = { ended: null }
  // A process that cannot be killed (state D) must not hold the caller: the outcome is unknown.
  const { promise: given, resolve: giveUp } = Promise.withResolvers<null>()
  const end = (why: 'timed-out' | 'aborted') => {
    state.ended ??= why
    child.kill('SIGKILL')
    sys.clock.setTimer(REAP_MS, () => giveUp(null))
  }
  const timer = sys.clock.setTimer(options.timeoutMs, () => end('timed-out'))
  const onAbort = () => end('aborted')
  if (options.signal?.aborted === true) onAbort()
  options.signal?.addEventListener('abort', onAbort)
  const exit = await Promise.race([child.exited, given])
  timer.cancel()
  options.signal?.removeEventListener('abort', onAbort)

  const output = Buffer.concat(chunks).toString('utf8')
  const rest = { ended: child.exited, hasEnded: exit !== null }
  if (state.ended !== null) {
    return {
      ...rest,
      outcome: state.ended,
      code: null,
      why: `${state.ended} after ${options.timeoutMs} ms`,
      output,
    }
  }
  if (exit === null || exit.error !== undefined) {
    const why = exit?.error?.message ?? 'unknown'
    return { ...rest, outcome: 'not-started', code: null, why, output }
  }
  const why = exit.code === null ? `ended by ${exit.signal}` : `exit status ${exit.code}`
  return { ...rest, outcome: 'exited', code: exit.code, why, output }
}
