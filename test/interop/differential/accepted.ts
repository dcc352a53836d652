/**
 * Where an answer of ours may differ from Apache 3.9.5's, each with its reason. Everything else that
 * differs fails the run.
 */
import { Code } from '../../../ensemble/protocol/error-codes.ts'
import { Op } from '../../../ensemble/protocol/op-codes.ts'
import type { Answer } from './answers.ts'
import type { Request } from './operations.ts'

export interface AcceptedDifference {
  readonly name: string
  readonly reason: string
  /** Whether this is it; differences without it are noted where they show, by name. */
  readonly isIt?: (request: Request, ours: Answer, apache: Answer) => boolean
}

export const accepted = {
  wrongPassword: {
    name: 'a wrong password leaves the owner connected',
    reason: 'Apache cuts the owner off before it looks at the password (N-8); we look first (S-20)',
  },
  undecodableWrite: {
    name: 'a write that cannot be read has a zxid of its own',
    reason:
      'Apache logs its error under the zxid of the transaction before, and an ensemble stops (N-17)',
  },
  deleteContainer: {
    name: 'deleteContainer from a client is refused',
    reason:
      'since 3.9.0 any client could delete any childless node with it, whatever its ACL; BADARGUMENTS as up to 3.8',
    isIt: ({ type }, ours, apache) =>
      type === Op.deleteContainer && ours.err === Code.badArguments && ours.zxid === apache.zxid,
  },
  hiddenNodes: {
    name: 'setWatches does not tell of nodes that its client may not read',
    reason:
      'Apache checks the list when a watch fires, not when setWatches reports a change: the hole of CVE-2024-23944 half open',
  },
  quotaStatsLength: {
    name: 'the answer to the creation of zookeeper_stats shows its length as counted',
    reason:
      'Apache copies the Stat before it counts the usage into the node: the data length of what was sent',
    isIt: (_, ours, apache) =>
      ours.text.includes('/zookeeper_stats","stat"') &&
      withoutLengths(ours.text) === withoutLengths(apache.text),
  },
  watchWithoutPath: {
    name: 'a watch without a path is refused',
    reason: 'Apache registers one, which nothing can ever fire; MARSHALLINGERROR as for every read',
    isIt: ({ type, path }) =>
      path === null &&
      (type === Op.addWatch || type === Op.checkWatches || type === Op.removeWatches),
  },
} as const satisfies Record<string, AcceptedDifference>

function withoutLengths(text: string): string {
  return text.replaceAll(/"dataLength":\d+/g, '')
}
