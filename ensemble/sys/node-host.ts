/** The process and machine by node:os and, on Linux, /proc. */
import { readFileSync, readdirSync } from 'node:fs'
import { homedir, hostname, release, tmpdir, type, userInfo } from 'node:os'
import { dirname } from 'node:path'
import type { Host } from './host.ts'

export const nodeHost: Host = {
  facts() {
    const heap = process.getBuiltinModule('node:v8').getHeapStatistics()
    return {
      hostName: hostname(),
      runtime: 'Node.js',
      runtimeVersion: process.versions.node,
      runtimeDirectory: dirname(process.execPath),
      temporaryDirectory: tmpdir(),
      system: type(),
      architecture: process.arch,
      systemVersion: release(),
      userName: userName(),
      userDirectory: homedir(),
      workingDirectory: process.cwd(),
      memoryFreeBytes: heap.total_heap_size - heap.used_heap_size,
      memoryMaxBytes: heap.heap_size_limit,
      memoryTotalBytes: heap.total_heap_size,
    }
  },
  descriptors() {
    try {
      const limits = readFileSync('/proc/self/limits', 'latin1')
      const max = /^Max open files +(\d+)/m.exec(limits)?.[1]
      return {
        open: readdirSync('/proc/self/fd').length,
        max: max === undefined ? -1 : Number(max),
      }
    } catch {
      return { open: -1, max: -1 }
    }
  },
}

/** A user id without a name, as containers have it, is no reason to fail. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return '?'
  }
}
