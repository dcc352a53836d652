/**
 * What an operator asks for, left in the ensemble for whoever must act: switchover and failover as
 * nodes below `requests`, pause and drain as fields of `config`, changed by version.
 *
 * A request with an id that is known already is the same request: it never toggles back (H-15).
 */
import { codeOf, type AclEntry, type Coordination } from './coordination.ts'
import {
  decodeBreadcrumb,
  decodeConfig,
  decodeFields,
  decodeRequest,
  encodeValue,
  type ConfigValue,
  type ConfirmedOff,
  type GroupPaths,
} from './group-nodes.ts'
import { readHistory } from './history.ts'

export type RequestOutcome =
  | { readonly state: 'done'; readonly reason: string }
  | { readonly state: 'accepted'; readonly reason: string }
  | { readonly state: 'refused'; readonly reason: string }
  /** `from` is not the active: HTTP 412. */
  | { readonly state: 'wrong-active'; readonly reason: string }

export interface NewRequest {
  readonly from: string | null
  readonly to: string | null
  readonly id: string
  readonly by: string
  readonly at?: string
  readonly allowUnhealthy: boolean
}

export async function submitRequest(
  session: Coordination,
  paths: GroupPaths,
  request: NewRequest,
  acl?: readonly AclEntry[],
): Promise<RequestOutcome> {
  const known = await outcomeOf(session, paths, request.id)
  if (known !== null) return known
  const value = encodeValue({ ...request, at: request.at ?? null })
  const mode = 'persistent-sequential'
  const options = acl === undefined ? ({ mode } as const) : ({ mode, acl } as const)
  await session.create(`${paths.requests}/r-`, value, options)
  return { state: 'accepted', reason: 'asked for' }
}

/** How a request stands: done or refused by `history`, else accepted; null when nobody knows it. */
export async function outcomeOf(
  session: Pick<Coordination, 'get' | 'getChildren'>,
  paths: GroupPaths,
  id: string,
): Promise<RequestOutcome | null> {
  const { children } = await session.getChildren(paths.requests)
  for (const name of children) {
    try {
      const value = decodeRequest((await session.get(`${paths.requests}/${name}`)).data)
      if (value?.id === id) return { state: 'accepted', reason: 'under way' }
    } catch (error) {
      if (codeOf(error) !== 'noNode') throw error
    }
  }
  const entries = await readHistory(session, paths)
  const entry = entries.findLast((one) => one.requestId === id)
  if (entry === undefined) return null
  const refused = entry.reason.startsWith('refused: ')
  if (refused) return { state: 'refused', reason: entry.reason.slice('refused: '.length) }
  return { state: 'done', reason: `${entry.to} is active with token ${entry.token}` }
}

export async function clearRequest(
  session: Coordination,
  paths: GroupPaths,
  name: string,
): Promise<void> {
  try {
    await session.delete(`${paths.requests}/${name}`)
  } catch (error) {
    if (codeOf(error) !== 'noNode') throw error
  }
}

export function setPaused(
  session: Coordination,
  paths: GroupPaths,
  why: { reason: string; by: string } | null,
): Promise<void> {
  return changeConfig(session, paths, () => ({ paused: why }))
}

export function setDrained(
  session: Coordination,
  paths: GroupPaths,
  member: string,
  reason: string | null,
): Promise<void> {
  return changeConfig(session, paths, ({ drained }) => {
    const { [member]: _, ...others } = drained
    return { drained: reason === null ? others : { ...others, [member]: reason } }
  })
}

/**
 * States that an operator has turned a member off (H-7): bound to the breadcrumb as it is now, and kept
 * with the name of who said it.
 *
 * @throws Error when there is no breadcrumb: then there is nothing that the word could be bound to
 */
export async function confirmOff(
  session: Coordination,
  paths: GroupPaths,
  word: { member: string; by: string; at: string },
): Promise<ConfirmedOff> {
  const { data, stat } = await session.get(paths.breadcrumb)
  const token = decodeBreadcrumb(data)?.token ?? 0n
  const bound = { ...word, breadcrumbVersion: stat.version, token }
  await changeConfig(session, paths, ({ confirmedOff }) => ({
    // Words for other breadcrumbs are void: the next one to write need not carry them on.
    confirmedOff: [
      ...confirmedOff.filter(
        (one) => one.breadcrumbVersion === stat.version && one.token === token,
      ),
      bound,
    ],
  }))
  return bound
}

/** Reads, changes, writes at the version read; again when somebody was faster. */
async function changeConfig(
  session: Coordination,
  paths: GroupPaths,
  change: (config: ConfigValue) => object,
): Promise<void> {
  for (;;) {
    const { data, stat } = await session.get(paths.config)
    const fields = decodeFields(data) ?? {}
    const value = encodeValue({ ...fields, ...change(decodeConfig(data)) })
    try {
      await session.set(paths.config, value, stat.version)
      return
    } catch (error) {
      if (codeOf(error) !== 'badVersion') throw error
    }
  }
}
