/** Apache ZooKeeper 3.9.5 as a server program, its jars from Maven Central on the first run. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { apacheJars } from '../../bench/contestants.ts'
import type { ServerProgram } from './server-process.ts'

/** Why Apache's server cannot be run here; null when it can. */
export function apacheMissing(): string | null {
  for (const tool of ['java', 'mvn']) {
    if (spawnSync(tool, ['-version']).status !== 0) return `no ${tool}`
  }
  return null
}

/** The jars of another release, kept beside those of 3.9.5. */
export function apacheJarsOf(version: string): string {
  if (version === '3.9.5') return apacheJars()
  const folder = join(dirname(apacheJars()), `apache-${version}`)
  if (!existsSync(folder)) {
    const staging = `${folder}.new`
    const pom = join(import.meta.dirname, '../../bench/pom.xml')
    const words = [`-Dzookeeper.version=${version}`, `-DoutputDirectory=${staging}`]
    const goal = [
      'dependency:copy-dependencies',
      '-DexcludeArtifactIds=logback-classic,logback-core',
    ]
    execFileSync('mvn', ['-q', '-B', '-f', pom, ...goal, ...words], { stdio: 'inherit' })
    renameSync(staging, folder)
  }
  return folder
}

/** @param flags such as `-Dzookeeper.digest.enabled=false` */
export function apache(flags: readonly string[] = []): ServerProgram {
  return server(flags, `${apacheJars()}/*`)
}

/** With Jetty, so that its admin server comes up; those jars come from Maven Central on the first run. */
export function apacheWithAdmin(): ServerProgram {
  const folder = join(dirname(apacheJars()), 'apache-admin-9.4.57')
  if (!existsSync(folder)) {
    const staging = `${folder}.new`
    const pom = join(import.meta.dirname, 'apache-admin-pom.xml')
    const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${staging}`]
    execFileSync('mvn', ['-q', '-B', '-f', pom, ...goal], { stdio: 'inherit' })
    renameSync(staging, folder)
  }
  return server([], `${apacheJars()}/*:${folder}/*`)
}

function server(flags: readonly string[], classPath: string): ServerProgram {
  return {
    name: 'apache',
    command: [
      'java',
      '-Xmx512m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      ...flags,
      '-cp',
      classPath,
      'org.apache.zookeeper.server.quorum.QuorumPeerMain',
    ],
  }
}

/**
 * The command line of Apache's own zkCli. Its option parser is not among the jars of the server: it
 * comes from Maven Central on the first run.
 */
export function apacheCli(): string[] {
  const folder = join(dirname(apacheJars()), 'commons-cli-1.5.0')
  if (!existsSync(folder)) {
    const staging = `${folder}.new`
    const words = ['-Dartifact=commons-cli:commons-cli:1.5.0', `-DoutputDirectory=${staging}`]
    execFileSync('mvn', ['-q', '-B', 'dependency:copy', ...words], { stdio: 'inherit' })
    renameSync(staging, folder)
  }
  const jars = `${apacheJars()}/*:${folder}/*`
  return [
    'java',
    '-Xmx128m',
    '-XX:TieredStopAtLevel=1',
    '-cp',
    jars,
    'org.apache.zookeeper.ZooKeeperMain',
  ]
}
