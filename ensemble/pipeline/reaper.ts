/**
 * Which container and TTL nodes may go: candidates only, for each is checked again when its deletion
 * becomes a transaction (I-58).
 *
 * Source: ContainerManager#checkContainers, #getCandidates, 3.9.5 (client-protocol 4.6).
 */
import type { Tree } from '../tree/tree.ts'

/**
 * Paths of childless containers that once had a child, and of TTL nodes idle for longer than that.
 *
 * @param neverUsedMs containers that never had a child go at this age; 0: they stay
 */
export function reapable(tree: Tree, wallMs: number, countMax: number, neverUsedMs = 0): string[] {
  const paths: string[] = []
  for (const node of tree.containerNodes()) {
    if (paths.length >= countMax) return paths
    if (tree.numChildren(node) > 0) continue
    const isForgotten = neverUsedMs > 0 && wallMs - tree.mtime(node) > neverUsedMs
    if (tree.storedCversion(node) > 0 || isForgotten) paths.push(tree.pathOf(node))
  }
  for (const { node, ttlMs } of tree.ttlNodes()) {
    if (paths.length >= countMax) return paths
    const isIdle = wallMs - tree.mtime(node) > ttlMs
    if (isIdle && tree.numChildren(node) === 0) paths.push(tree.pathOf(node))
  }
  return paths
}
