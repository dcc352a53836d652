/**
 * What the figures of the bench are to be, and whether they are.
 *
 * A goal is a bound on the ratio to Apache's figure where both ran, or on the figure itself.
 */
export interface Goal {
  readonly of: 'ratio' | 'figure'
  readonly atMost?: number
  readonly atLeast?: number
}

const atMost = (bound: number): Goal => ({ of: 'ratio', atMost: bound })
const atLeast = (bound: number): Goal => ({ of: 'ratio', atLeast: bound })
const figure = (bound: number): Goal => ({ of: 'figure', atMost: bound })

/** By the name of the row. A row that nobody set a goal for shall not be worse than Apache's. */
const GOALS: Readonly<Record<string, Goal | null>> = {
  'get 20x50': atLeast(10),
  'set 20x50': atLeast(4),
  'mix 90/10 20x50': atLeast(6),
  'create 20x50': atLeast(4),
  'get 200x1': atLeast(1.5),
  'set 200x1': atLeast(1.5),
  'set 1x1 p50': atMost(0.8),
  'start to first answer': figure(150),
  'resident, idle': atMost(1 / 3),
  'heap + external a node': atMost(1 / 2),
  'restart with a million nodes': atMost(1 / 2),
  // It says that the two rows after it were measured while snapshots were taken.
  'snapshots taken meanwhile': null,
  'pings missed, sessions idle': figure(0),
  'sessions lost, idle': figure(0),
  'pings missed, one node watched': figure(0),
  'pings missed, many nodes watched': figure(0),
}

export function goalOf(name: string, isBetter: 'higher' | 'lower'): Goal | null {
  const own = GOALS[name]
  if (own !== undefined) return own
  return isBetter === 'higher' ? atLeast(1) : atMost(1)
}

/** `<= 0.33 of Apache's`, as a column. */
export function goalText({ of, atMost: most, atLeast: least }: Goal): string {
  const bound = most ?? least ?? 0
  const shown = Number.isInteger(bound) ? String(bound) : bound.toFixed(2)
  return `${most === undefined ? '>=' : '<='} ${shown}${of === 'ratio' ? ' x' : ''}`
}

/** null when there is nothing to compare with. */
export function isMet(goal: Goal, value: number, other: number | undefined): boolean | null {
  if (goal.of === 'ratio' && (other === undefined || other === 0)) return null
  const judged = goal.of === 'figure' ? value : value / other!
  if (goal.atMost !== undefined) return judged <= goal.atMost
  return judged >= (goal.atLeast ?? 0)
}
