/** The group's history: who was active when, why, with which token; the last 100 are kept. */
import { codeOf, type AclEntry, type Coordination } from './coordination.ts'
import { decodeHistory, encodeValue, type GroupPaths, type HistoryValue } from './group-nodes.ts'

const ENTRIES_MAX = 100

export async function writeHistory(
  session: Coordination,
  paths: GroupPaths,
  entry: HistoryValue,
  acl: readonly AclEntry[],
): Promise<void> {
  const mode = 'persistent-sequential'
  await session.create(`${paths.history}/e-`, encodeValue(entry), { mode, acl })
  const { children } = await session.getChildren(paths.history)
  const old = children.toSorted().slice(0, -ENTRIES_MAX)
  for (const name of old) {
    await session.delete(`${paths.history}/${name}`).catch((error: unknown) => {
      if (codeOf(error) !== 'noNode') throw error
    })
  }
}

/** Oldest first. */
export async function readHistory(
  session: Pick<Coordination, 'get' | 'getChildren'>,
  paths: GroupPaths,
): Promise<HistoryValue[]> {
  const entries: HistoryValue[] = []
  const { children } = await session.getChildren(paths.history)
  for (const name of children.toSorted()) {
    try {
      const { data } = await session.get(`${paths.history}/${name}`)
      const entry = decodeHistory(data)
      if (entry !== null) entries.push(entry)
    } catch (error) {
      if (codeOf(error) !== 'noNode') throw error
    }
  }
  return entries
}
