/** Apache ZooKeeper 3.9.5 as a server program, its jars from Maven Central on the first run. */
import { spawnSync } from 'node:child_process'
import { apacheJars } from '../../bench/contestants.ts'
import type { ServerProgram } from './server-process.ts'

/** Why Apache's server cannot be run here; null when it can. */
export function apacheMissing(): string | null {
  for (const tool of ['java', 'mvn']) {
    if (spawnSync(tool, ['-version']).status !== 0) return `no ${tool}`
  }
  return null
}

/** @param flags such as `-Dzookeeper.digest.enabled=false` */
export function apache(flags: readonly string[] = []): ServerProgram {
  return {
    name: 'apache',
    command: [
      'java',
      '-Xmx512m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      ...flags,
      '-cp',
      `${apacheJars()}/*`,
      'org.apache.zookeeper.server.quorum.QuorumPeerMain',
    ],
  }
}
