/** Makes roots of groups in the ensemble: `howdah init`, and an all-loopback `howdah up`. */
import { connect, type Client } from '../ensemble/client/index.ts'
import { GroupExistsError, initGroup } from '../failover/index.ts'
import { CommandError, Exit } from './command.ts'
import { connectStringOf } from './setup/group-settings.ts'
import type { LoadedSetUp } from './setup/load.ts'

const CONNECT_TIMEOUT_MS = 10_000

/** @returns the groups whose root was made; those that exist stay as they are, unless `force` */
export async function initGroups(
  { setUp }: LoadedSetUp,
  options: { groups: readonly string[]; force: boolean },
): Promise<string[]> {
  const servers = connectStringOf(setUp)
  await using client = await openClient(servers, CONNECT_TIMEOUT_MS)
  const made: string[] = []
  for (const group of options.groups) {
    try {
      await initGroup(client, { cluster: setUp.cluster, group, force: options.force })
      made.push(group)
    } catch (error) {
      if (!(error instanceof GroupExistsError)) throw error
    }
  }
  return made
}

/** @throws CommandError of status 3 when nobody answers */
export async function openClient(servers: string, connectTimeoutMs: number): Promise<Client> {
  try {
    return await connect(servers, { connectTimeoutMs })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const what = `no answer from ${servers} within ${connectTimeoutMs / 1000} s (${why})`
    throw new CommandError(what, Exit.unknown, { cause: error })
  }
}
