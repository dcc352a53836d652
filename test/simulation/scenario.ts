/** What every scenario gives back: whether the run was good, and all that is needed to look into it. */
import type { Simulation } from './simulation.ts'
import type { Violation } from './world.ts'

export interface RunResult {
  readonly scenario: string
  readonly seed: number
  readonly violations: readonly Violation[]
  /** Equal for two runs of a seed (D-3). */
  readonly hash: string
  readonly events: number
  readonly simulatedMs: number
  /** What was drawn for this seed (D-6). */
  readonly options: unknown
  readonly marks: ReadonlyMap<string, number>
  /** The last 200 events. */
  trace(): string[]
}

export type Scenario = (seed: number, plant?: Plant) => Promise<RunResult>

/** Bugs that a run plants on purpose, to show that the checkers find them (D-16). */
export interface Plant {
  /** The log's writes return before they are durable: replies leave before the log is safe. */
  readonly repliesBeforeSync?: boolean
  /** Controllers do not look at the breadcrumb of others before they become active. */
  readonly skipsBreadcrumb?: boolean
}

export function resultOf(scenario: string, simulation: Simulation, options: unknown): RunResult {
  const { world } = simulation
  const trace = world.violations.length > 0 ? world.trace() : []
  return {
    scenario,
    seed: world.seed,
    violations: world.violations,
    hash: world.hash,
    events: world.eventsRun,
    simulatedMs: world.nowMs,
    options,
    marks: world.marks,
    trace: () => trace,
  }
}
