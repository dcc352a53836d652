/**
 * How the declared deviations (test/support/compatibility/deviations.ts) show in an answer. Everything else
 * that differs from Apache 3.9.5 fails the run.
 */
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import type { DeviationName } from '../../support/compatibility/deviations.ts'
import type { Answer } from './answers.ts'
import type { Request } from './operations.ts'

/** Whether a difference is this deviation; null: it is noted where it shows. */
type IsIt = ((request: Request, ours: Answer, apache: Answer) => boolean) | null

export const accepted = {
  wrongPassword: null,
  undecodableWrite: null,
  hiddenNodes: null,
  deleteContainer: ({ type }, ours, apache) =>
    type === Op.deleteContainer && ours.err === Code.badArguments && ours.zxid === apache.zxid,
  quotaStatsLength: (_, ours, apache) =>
    ours.text.includes('/zookeeper_stats","stat"') &&
    withoutLengths(ours.text) === withoutLengths(apache.text),
  watchWithoutPath: ({ type, path }) =>
    path === null &&
    (type === Op.addWatch || type === Op.checkWatches || type === Op.removeWatches),
} as const satisfies Partial<Record<DeviationName, IsIt>>

export type Accepted = keyof typeof accepted

/** The deviation that explains a difference. */
export function acceptedFor(request: Request, ours: Answer, apache: Answer): Accepted | undefined {
  const known = Object.entries(accepted) as [Accepted, IsIt][]
  return known.find(([, isIt]) => isIt?.(request, ours, apache) === true)?.[0]
}

function withoutLengths(text: string): string {
  return text.replaceAll(/"dataLength":\d+/g, '')
}
