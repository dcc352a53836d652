/** The whole tree as a client sees it: names, data, stats and ACLs of every node, for comparison. */
import type { Acl, Client, Stat } from '../../ensemble/client/index.ts'

export interface DumpedNode {
  /** As base64; null data and empty data are different. */
  readonly data: string | null
  readonly stat: Stat
  readonly acl: readonly Acl[]
}

/** Requests in flight at a time. */
const WIDTH = 256

/** Every node that `client` may read, by path; nothing must write meanwhile. */
export async function dumpTree(client: Client, from = '/'): Promise<Map<string, DumpedNode>> {
  const nodes = new Map<string, DumpedNode>()
  let level = [from]
  while (level.length > 0) {
    const below: string[] = []
    for (let at = 0; at < level.length; at += WIDTH) {
      const paths = level.slice(at, at + WIDTH)
      const found = await Promise.all(paths.map((path) => dumpNode(client, path)))
      for (const [index, path] of paths.entries()) {
        const { node, children } = found[index]!
        nodes.set(path, node)
        for (const name of children) below.push(path === '/' ? `/${name}` : `${path}/${name}`)
      }
    }
    level = below.toSorted()
  }
  return nodes
}

async function dumpNode(client: Client, path: string) {
  const [{ data, stat }, { children }, { acl }] = await Promise.all([
    client.get(path),
    client.getChildren(path),
    client.getAcl(path),
  ])
  const node: DumpedNode = { data: data === null ? null : data.toString('base64'), stat, acl }
  return { node, children }
}

/** What differs, one line each; empty when both are the same. */
export function differences(
  expected: ReadonlyMap<string, DumpedNode>,
  actual: ReadonlyMap<string, DumpedNode>,
): string[] {
  const found: string[] = []
  for (const [path, node] of expected) {
    const other = actual.get(path)
    if (other === undefined) found.push(`${path} is missing`)
    else if (text(node) !== text(other)) found.push(`${path}: ${text(node)} became ${text(other)}`)
  }
  for (const path of actual.keys()) if (!expected.has(path)) found.push(`${path} is new`)
  return found
}

function text(node: DumpedNode): string {
  return JSON.stringify(node, (_, value: unknown) =>
    typeof value === 'bigint' ? `0x${value.toString(16)}` : value,
  )
}
