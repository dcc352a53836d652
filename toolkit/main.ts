/**
 * The `howdah` command: gives a command the process it runs in, and ends with its status.
 *
 * SIGINT and SIGTERM abort `io.signal`; the command ends by itself. The same signal may come twice
 * within moments (a terminal signals a launcher and us); only one that comes later means “at once”.
 */
import { runCommandLine } from './command-line.ts'
import type { Io } from './command.ts'
import { SUPERVISED } from './supervised.ts'

const AT_ONCE_AFTER_MS = 1500
const SIGNAL_NUMBER = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const

const stop = new AbortController()
let stoppedAtMs: number | null = null

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    const nowMs = performance.now()
    if (stoppedAtMs === null) {
      stoppedAtMs = nowMs
      stop.abort(signal)
    } else if (nowMs - stoppedAtMs > AT_ONCE_AFTER_MS) {
      process.exit(128 + SIGNAL_NUMBER[signal])
    }
  })
}

let isOutputClosed = false
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (isOutputClosed) return
  isOutputClosed = true
  process.stderr.write(`howdah: cannot write to the output (${error.code ?? error.message})\n`)
  // What runs in the foreground gets the chance to stop its parts; the rest ends with it.
  stop.abort('output closed')
})
process.stderr.on('error', () => {})

const env = { ...process.env }
// It speaks of our stdin, not of that of the processes that we start.
delete process.env[SUPERVISED]

const io: Io = {
  env,
  isTerminal: process.stdout.isTTY === true,
  out: (text) => {
    if (!isOutputClosed) process.stdout.write(text)
  },
  err: (text) => process.stderr.write(text),
  signal: stop.signal,
}

const status = await runCommandLine(process.argv.slice(2), io)
// A pipe takes what was written before the process may end; that it took nothing is told a turn later.
await new Promise<void>((resolve) => {
  if (isOutputClosed) resolve()
  else process.stdout.write('', () => resolve())
})
await new Promise((resolve) => setImmediate(resolve))
process.exit(isOutputClosed && status === 0 ? 1 : status)
