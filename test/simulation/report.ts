/** How a failed run is told to a person: what broke, how to run it again, and what led to it (D-18). */
import type { RunResult } from './scenario.ts'

export function replayCommand(result: Pick<RunResult, 'scenario' | 'seed'>): string {
  return `npm run simulate -- --scenario ${result.scenario} --seed ${result.seed}`
}

const VIOLATIONS_SHOWN = 10

export function failureReport(result: RunResult): string {
  const shown = result.violations.slice(0, VIOLATIONS_SHOWN)
  const more = result.violations.length - shown.length
  return [
    `seed ${result.seed} of scenario ${result.scenario}: ${result.violations.length} violations`,
    `options ${JSON.stringify(result.options)}`,
    'the last events:',
    ...result.trace().map((line) => `  ${line}`),
    ...shown.map(({ id, text, timeUs }) => `${id} at ${(timeUs / 1000).toFixed(3)} ms: ${text}`),
    ...(more > 0 ? [`and ${more} more`] : []),
    `replay with: ${replayCommand(result)}`,
  ].join('\n')
}
