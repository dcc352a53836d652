/**
 * Makes the root of a group, as `hdfs zkfc -formatZK` does: explicit, never as a side effect (H-4).
 *
 * It does not make `lease`: whoever takes a group without one waits for a whole lease, and so does
 * no harm to an active that lives on beside a root that was deleted and made anew.
 */
import { acl as wellKnown } from '../ensemble/client/index.ts'
import { codeOf, type AclEntry, type Coordination } from './coordination.ts'
import { encodeValue, groupPaths } from './group-nodes.ts'

export class GroupExistsError extends Error {
  override readonly name = 'GroupExistsError'
}

export interface InitOptions {
  readonly cluster: string
  readonly group: string
  /** Deletes what is there, and everything below it. */
  readonly force: boolean
  readonly acl?: 'open' | 'creator-all'
}

/** @throws GroupExistsError when the root is there and `force` is not given */
export async function initGroup(session: Coordination, options: InitOptions): Promise<string> {
  const paths = groupPaths(options.cluster, options.group)
  const acl = options.acl === 'creator-all' ? wellKnown.creatorAll : wellKnown.openUnsafe
  if ((await session.exists(paths.root)) !== null) {
    if (!options.force) {
      throw new GroupExistsError(`${paths.root} exists: the group was initialized before`)
    }
    await deleteTree(session, paths.root)
  }
  const parts = paths.root.split('/').slice(1, -1)
  for (let depth = 1; depth <= parts.length; depth++) {
    await createIfMissing(session, `/${parts.slice(0, depth).join('/')}`, acl)
  }
  await session.create(paths.root, encodeValue({}), { acl })
  const config = encodeValue({ paused: null, drained: {} })
  await session.create(paths.config, config, { acl })
  for (const path of [paths.members, paths.history, paths.requests]) {
    await session.create(path, null, { acl })
  }
  return paths.root
}

async function createIfMissing(
  session: Coordination,
  path: string,
  acl: readonly AclEntry[],
): Promise<void> {
  try {
    await session.create(path, null, { acl })
  } catch (error) {
    if (codeOf(error) !== 'nodeExists') throw error
  }
}

async function deleteTree(session: Coordination, path: string): Promise<void> {
  try {
    const { children } = await session.getChildren(path)
    for (const name of children) await deleteTree(session, `${path}/${name}`)
    await session.delete(path)
  } catch (error) {
    if (codeOf(error) !== 'noNode') throw error
  }
}
