/**
 * Ends the parts of a set-up when `howdah up` itself was killed with -9: a process of its own, which
 * reads on stdin which process groups there are (`+PID`, `-PID`). When the pipe closes, what is left
 * gets SIGTERM, and SIGKILL a little later.
 */
import { LineCutter } from '../log-lines.ts'

const KILL_AFTER_MS = 5000
/** What is still listed then is a zombie that nobody collects. */
const GIVE_UP_AFTER_MS = 7000
const LOOK_EVERY_MS = 50

const groups = new Set<number>()
const cutter = new LineCutter((line) => {
  const pid = Number(line.slice(1))
  if (!Number.isSafeInteger(pid) || pid <= 1) return
  if (line.startsWith('+')) groups.add(pid)
  else groups.delete(pid)
})
process.stdin.on('data', (chunk: Buffer) => cutter.push(chunk))
process.stdin.on('end', reap)
process.stdin.on('error', reap)
// A terminal signals the whole foreground group; the pipe alone says when it is time.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

function reap(): void {
  const startedAtMs = performance.now()
  for (const pid of groups) signalGroup(pid, 'SIGTERM')
  const timer = setInterval(() => {
    const passedMs = performance.now() - startedAtMs
    for (const pid of groups) {
      if (!signalGroup(pid, 0)) groups.delete(pid)
      else if (passedMs > KILL_AFTER_MS) signalGroup(pid, 'SIGKILL')
    }
    if (groups.size === 0 || passedMs > GIVE_UP_AFTER_MS) clearInterval(timer)
  }, LOOK_EVERY_MS)
}

function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal)
    return true
  } catch {
    return false
  }
}
