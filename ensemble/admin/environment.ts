/**
 * `envi` and `environment`: which server this is and where it runs. The keys are Apache's, the
 * values of the `java.*` ones are those of the runtime there is. Nothing of the process's own
 * environment is shown (S-16).
 *
 * Source: Environment#list, 3.9.5 (client-protocol 10.1).
 */
import type { ServerView } from './server-view.ts'

const MIB = 1024 * 1024

export function environment({ host, version }: ServerView): [key: string, value: string][] {
  const facts = host?.facts()
  if (facts === undefined) return [['zookeeper.version', version]]
  const megabytes = (bytes: number): string => `${Math.floor(bytes / MIB)}MB`
  return [
    ['zookeeper.version', version],
    ['host.name', facts.hostName],
    ['java.version', facts.runtimeVersion],
    ['java.vendor', facts.runtime],
    ['java.home', facts.runtimeDirectory],
    ['java.class.path', ''],
    ['java.library.path', ''],
    ['java.io.tmpdir', facts.temporaryDirectory],
    ['java.compiler', '<NA>'],
    ['os.name', facts.system],
    ['os.arch', facts.architecture],
    ['os.version', facts.systemVersion],
    ['user.name', facts.userName],
    ['user.home', facts.userDirectory],
    ['user.dir', facts.workingDirectory],
    ['os.memory.free', megabytes(facts.memoryFreeBytes)],
    ['os.memory.max', megabytes(facts.memoryMaxBytes)],
    ['os.memory.total', megabytes(facts.memoryTotalBytes)],
  ]
}
