/** The public entry `howdah/failover`: the controller, the guard for services, the pure decision. */
export { Controller, type ControllerOptions } from './controller.ts'
export type { ControllerStatus, Role } from './controller-status.ts'
export { decide, type Action, type Decision } from './decide.ts'
export type { View } from './view.ts'
export { settingsProblems, timesOf } from './settings.ts'
export type {
  CommandSettings,
  FencingMethod,
  GroupSettings,
  MemberSettings,
  Probe,
  Protection,
  ServiceCommand,
  ServiceSettings,
  Times,
} from './settings.ts'
export { Guard, NotPermitted, type GuardAnswer, type GuardHeaders } from './guard.ts'
export { initGroup, GroupExistsError, type InitOptions } from './init.ts'
export { readGroupStatus } from './group-status.ts'
export type { GroupStatus, MemberStatus, OwnWord } from './group-status.ts'
export { confirmOff, outcomeOf, setDrained, setPaused, submitRequest } from './requests.ts'
export type { NewRequest, RequestOutcome } from './requests.ts'
export { readHistory } from './history.ts'
export { groupPaths, type GroupPaths, type HistoryValue, type Problem } from './group-nodes.ts'
export type { Coordination, OpenSession } from './coordination.ts'
export type { HealthState } from './health.ts'
export { StateError } from './state-directory.ts'
export { watchdogArgv } from './watchdog-argv.ts'
export { HealthMonitor } from './health-monitor.ts'
