/**
 * Child processes by node:child_process, each leader of its own process group. The module is loaded
 * by the first spawn: a server starts none.
 */
import { readFileSync } from 'node:fs'
import type { Child, Exit, Process } from './process.ts'

export const nodeProcess: Process = {
  pid: process.pid,

  spawn({ argv, cwd, env, input, onOutput }): Child {
    const [command = '', ...rest] = argv
    const output = onOutput === undefined ? 'ignore' : 'pipe'
    const { spawn } = process.getBuiltinModule('node:child_process')
    const child = spawn(command, rest, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, ...env },
      stdio: [input === true ? 'pipe' : 'ignore', output, output],
      detached: true,
    })
    // A child that has gone closes the pipe; its end is told by `exited`.
    child.stdin?.on('error', () => {})
    child.stdout?.on('data', (chunk: Buffer) => onOutput?.(chunk, 'stdout'))
    child.stderr?.on('data', (chunk: Buffer) => onOutput?.(chunk, 'stderr'))
    const exited = new Promise<Exit>((resolve) => {
      child.on('error', (error) => resolve({ code: null, signal: null, error }))
      child.on('close', (code, signal) => resolve({ code, signal }))
    })
    return {
      pid: child.pid,
      exited,
      kill: (signal) => {
        if (child.pid !== undefined) nodeProcess.killGroup(child.pid, signal)
      },
      write: (text) => {
        child.stdin?.write(text)
      },
    }
  },

  killGroup(pid, signal) {
    try {
      process.kill(-pid, signal)
      return true
    } catch {
      return false
    }
  },

  isAlive(pid) {
    try {
      process.kill(pid, 0)
      return !isZombie(pid)
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPERM'
    }
  },
}

/** It has ended and nobody has collected its status: its parent died, and PID 1 does not care. */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.charAt(stat.lastIndexOf(')') + 2) === 'Z'
  } catch {
    return false // not on Linux
  }
}
