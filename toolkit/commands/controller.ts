/** `howdah controller`: one controller in the foreground, with its HTTP interface. */
import type { FastifyInstance } from 'fastify'
import type { Logger } from '../../ensemble/sys/logger.ts'
import { lockDirectory } from '../../ensemble/sys/node-directory-lock.ts'
import { nodeSys } from '../../ensemble/sys/node-sys.ts'
import { Controller, type ControllerStatus } from '../../failover/index.ts'
import { CommandError, Exit, type Arguments, type Io } from '../command.ts'
import { foregroundLog, untilStopped } from '../foreground.ts'
import { findMember } from '../setup/check.ts'
import { loadFile, setUpFileOf } from '../setup/find.ts'
import { groupSettings, memberHttp } from '../setup/group-settings.ts'
import { splitAddress } from '../setup/ports.ts'
import { formatProblem } from '../setup/problem.ts'

export async function run(args: Arguments, io: Io): Promise<number> {
  const loaded = loadFile(setUpFileOf(args, io), io)
  const found = findMember(loaded.setUp, args.positionals[0] ?? '')
  if ('what' in found) {
    const hint = found.suggestion === undefined ? '' : `; did you mean "${found.suggestion}"?`
    throw new CommandError(`${found.what}${hint}`, Exit.usage)
  }
  const { group, member } = found
  const settings = groupSettings(loaded, group, member)
  const log = foregroundLog(io)
  for (const note of loaded.notes) log.info({ note: formatProblem(note) }, 'note on the set-up')

  // Freed by the kernel when this process ends: the watchdog may still be stopping the service then.
  if ((await lockDirectory(settings.stateDir, `${group}/${member}`)) === null) {
    const what = `another controller of ${group}/${member} is running on ${settings.stateDir}: stop it`
    throw new CommandError(what, Exit.failed)
  }

  // Commands of the set-up and relative paths in them start at its file.
  process.chdir(loaded.directory)
  const controller = new Controller(settings, nodeSys(log))
  logProcesses(controller, log)
  const listen =
    loaded.setUp.groups?.[group] && memberHttp(loaded.setUp.groups[group], member)?.listen
  const http = listen === undefined ? null : await listenHttp(controller, listen)
  await controller.start()

  const outcome = await Promise.race([controller.failed, untilStopped(io)])
  if (outcome instanceof Error) {
    await http?.close()
    log.flush()
    throw new CommandError(outcome.message, Exit.failed, { cause: outcome })
  }
  log.info({ signal: outcome }, 'stopping')
  await controller.stop({ handOver: true, keepService: args.has('keep-service') })
  await http?.close()
  log.flush()
  return Exit.done
}

async function listenHttp(controller: Controller, address: string): Promise<FastifyInstance> {
  // Loaded only where it is wanted.
  const { controllerServer } = await import('../http/controller-server.ts')
  const server = controllerServer(controller)
  try {
    await server.listen(splitAddress(address))
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    const what = `cannot listen at ${address} (${code}): is this controller running already?`
    throw new CommandError(what, Exit.failed, { cause: error })
  }
  return server
}

/** Who reads the log wants to know what to look at, or to kill. */
function logProcesses(controller: Controller, log: Logger): void {
  let last = ''
  controller.onChange(({ pid, controllerPid, watchdogPid }: ControllerStatus) => {
    const key = `${pid} ${watchdogPid}`
    if (key === last || pid === null) return
    last = key
    log.info({ servicePid: pid, controllerPid, watchdogPid }, 'processes')
  })
}
