/**
 * Walks over a subtree, one request at a time. Not a snapshot: what goes meanwhile is passed over.
 * Source: ZKUtil#visitSubTreeDFS and #listSubTreeBFS, 3.9.5.
 */
import { join, ZkError, type Watcher } from '../../ensemble/client/index.ts'
import type { Context } from './command.ts'
import { compareText } from './option-parser.ts'

export interface Visit {
  readonly watch?: Watcher | undefined
  visit(path: string): void | Promise<void>
}

/** The node, then all children of a node before their own children, as `ls -R` shows them. */
export async function depthFirst(context: Context, path: string, walk: Visit): Promise<void> {
  const { watch } = walk
  await context.ask(path, (client, options) => client.get(path, { ...options, watch }))
  await walk.visit(path)
  await visitBelow(context, path, walk)
}

async function visitBelow(context: Context, path: string, walk: Visit): Promise<void> {
  // A stack of our own: a path may be deeper than the stack of calls.
  const pending = [path]
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const children = await childrenOf(context, at, walk.watch)
    const paths = children.toSorted(compareText).map((name) => join(at, name))
    for (const child of paths) await walk.visit(child)
    pending.push(...paths.toReversed())
  }
}

/** Every path of a subtree, its root first. @throws ZkError `noNode` for any that goes meanwhile */
export async function breadthFirst(context: Context, root: string): Promise<string[]> {
  const paths = [root]
  for (const path of paths) {
    const { children } = await context.ask(path, (client, options) =>
      client.getChildren(path, options),
    )
    for (const name of children) paths.push(join(path, name))
  }
  return paths
}

/** None when the node is gone. */
export async function childrenOf(
  context: Context,
  path: string,
  watch?: Watcher,
): Promise<string[]> {
  try {
    const { children } = await context.ask(path, (client, options) =>
      client.getChildren(path, { ...options, watch }),
    )
    return children
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof ZkError && error.code === 'noNode'
}
