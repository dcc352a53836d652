/** What the server tells of a node: 68 bytes. Source: zookeeper.jute (module data), 3.9.5. */
import { int, long, record, timeMs, type Infer } from '../jute/record.ts'

export const Stat = record('Stat', {
  czxid: long,
  mzxid: long,
  ctime: timeMs,
  mtime: timeMs,
  version: int,
  cversion: int, // as clients see it: 2 * stored - numChildren
  aversion: int,
  ephemeralOwner: long, // session id; 0 also for container and TTL nodes
  dataLength: int,
  numChildren: int,
  pzxid: long,
})
export type Stat = Infer<typeof Stat>

export const STAT_BYTES = 68
