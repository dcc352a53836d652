/** What the parts of one controller share: settings and what follows from them, `sys`, the record. */
import { assert } from '../ensemble/assert.ts'
import { acl } from '../ensemble/client/index.ts'
import type { Logger } from '../ensemble/sys/logger.ts'
import type { Sys } from '../ensemble/sys/sys.ts'
import type { AclEntry } from './coordination.ts'
import { groupPaths, type GroupPaths } from './group-nodes.ts'
import { timesOf, type GroupSettings, type Times } from './settings.ts'
import { StateDirectory } from './state-directory.ts'
import type { Rules } from './view.ts'

export interface ControllerContext {
  readonly settings: GroupSettings
  readonly sys: Sys
  readonly log: Logger
  readonly times: Times
  readonly rules: Rules
  readonly paths: GroupPaths
  /** Of what the controller creates. */
  readonly acl: readonly AclEntry[]
  readonly state: StateDirectory
  /** Tells this run from every other, also from a clone of the state directory. */
  readonly incarnation: string
  /** Something has changed: decide anew. */
  readonly wake: () => void
  /** Ends the controller for good: the disk failed, or we have a bug. */
  readonly fail: (error: unknown) => void
}

export function contextOf(
  settings: GroupSettings,
  sys: Sys,
  loop: Pick<ControllerContext, 'wake' | 'fail'>,
): ControllerContext {
  const own = settings.members[settings.member]
  assert(own !== undefined, 'the own member is configured')
  return {
    settings,
    sys,
    log: sys.log.child({ group: settings.group, member: settings.member }),
    times: timesOf(settings),
    rules: {
      protection: settings.protection,
      fencing: settings.fencing,
      whenEnsembleIsLost: settings.whenEnsembleIsLost,
      noFailover: own.tags?.['nofailover'] === true,
      priority: own.priority ?? 0,
      watchdogRequired: settings.watchdog === 'required',
    },
    paths: groupPaths(settings.cluster, settings.group),
    acl: settings.acl === 'creator-all' ? acl.creatorAll : acl.openUnsafe,
    state: new StateDirectory(sys.files, {
      directory: settings.stateDir,
      group: settings.group,
      member: settings.member,
    }),
    incarnation: sys.random.secureBytes(8).toString('hex'),
    ...loop,
  }
}
