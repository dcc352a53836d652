/** What tools do with data directories that no server runs on. */
export {
  loadSnapshot,
  refusalOf,
  restoreInto,
  type RestoredSnapshot,
  type SnapshotContents,
} from './restore.ts'
