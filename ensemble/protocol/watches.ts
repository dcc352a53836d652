/**
 * Watch events, and the requests about watches. Source: zookeeper.jute (module proto), Watcher.java,
 * AddWatchMode.java, 3.9.5.
 */
import { int, long, record, string, vector, type Infer } from '../jute/record.ts'

/** A notification's body, behind a reply header with xid -1. */
export const WatcherEvent = record('WatcherEvent', {
  type: int,
  state: int, // on the wire always syncConnected
  path: string,
})
export type WatcherEvent = Infer<typeof WatcherEvent>

/** WatcherEvent.type; those from 5 on and `none` exist on the client's side only. */
export const EventType = {
  none: -1,
  nodeCreated: 1,
  nodeDeleted: 2,
  nodeDataChanged: 3,
  nodeChildrenChanged: 4,
  dataWatchRemoved: 5,
  childWatchRemoved: 6,
  persistentWatchRemoved: 7,
} as const

/** WatcherEvent.state. */
export const KeeperState = {
  unknown: -1,
  disconnected: 0,
  noSyncConnected: 1,
  syncConnected: 3,
  authFailed: 4,
  connectedReadOnly: 5,
  saslAuthenticated: 6,
  closed: 7,
  expired: -112,
} as const

/** `type` of checkWatches and removeWatches; any other number is a marshalling error. */
export const WatcherType = {
  children: 1,
  data: 2,
  any: 3,
  persistent: 4,
  persistentRecursive: 5,
} as const

/** `mode` of addWatch; any other number is a marshalling error. */
export const AddWatchMode = { persistent: 0, persistentRecursive: 1 } as const

export const CheckWatchesRequest = record('CheckWatchesRequest', {
  path: string,
  type: int,
})
export type CheckWatchesRequest = Infer<typeof CheckWatchesRequest>

export const RemoveWatchesRequest = record('RemoveWatchesRequest', {
  path: string,
  type: int,
})
export type RemoveWatchesRequest = Infer<typeof RemoveWatchesRequest>

export const AddWatchRequest = record('AddWatchRequest', {
  path: string,
  mode: int,
})
export type AddWatchRequest = Infer<typeof AddWatchRequest>

export const SetWatches = record('SetWatches', {
  relativeZxid: long, // the client's lastZxidSeen: changes after it become events at once
  dataWatches: vector(string),
  existWatches: vector(string),
  childWatches: vector(string),
})
export type SetWatches = Infer<typeof SetWatches>

export const SetWatches2 = record('SetWatches2', {
  relativeZxid: long,
  dataWatches: vector(string),
  existWatches: vector(string),
  childWatches: vector(string),
  persistentWatches: vector(string),
  persistentRecursiveWatches: vector(string),
})
export type SetWatches2 = Infer<typeof SetWatches2>
