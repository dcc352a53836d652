/** The scenarios by name. */
import type { Scenario } from './scenario.ts'
import { runFailoverScenario } from './scenario-failover.ts'
import { runServerScenario } from './scenario-server.ts'

export const scenarios: Readonly<Record<string, Scenario>> = {
  server: runServerScenario,
  failover: runFailoverScenario,
}
