/**
 * Files as the rest of the code sees them. Nothing is durable before `datasync` (contents) or
 * `syncDirectory` (names) has resolved. Errors are the system's, with their `code` (`ENOSPC` …).
 */
export interface FileSystem {
  /**
   * `create` makes a new file and fails if there is one; `write` opens an existing one for both.
   * In a file opened with `create-synced` each write is durable when it resolves, as if `datasync`
   * had followed, but in one hop.
   */
  open(path: string, mode: 'read' | 'write' | 'create' | 'create-synced'): Promise<File>
  readFile(path: string): Promise<Buffer>
  /** Names in a directory, in no order. */
  list(path: string): Promise<string[]>
  /** null when there is nothing of that name. */
  stat(path: string): Promise<FileStat | null>
  rename(source: string, target: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Makes a directory and its parents; fine when it exists. */
  makeDirectory(path: string): Promise<void>
  /** Makes the names in a directory durable: creations, renames, removals. */
  syncDirectory(path: string): Promise<void>
  /** Space that may still be written, in bytes, on the file system that holds `path`. */
  freeBytes(path: string): Promise<number>
}

export interface FileStat {
  readonly sizeBytes: number
  readonly isDirectory: boolean
  /** Of the wall clock; absent where nothing keeps it. */
  readonly modifiedMs?: number
}

export interface File {
  /**
   * Bytes from `position`; fewer than `length` only at the end of the file. They may lie in `into`,
   * which has room for `length`: for who reads many pieces and keeps none.
   */
  read(position: number, length: number, into?: Buffer): Promise<Buffer>
  /** Writes all of `bytes` at `position`; a gap before it reads as zeros. */
  write(bytes: Buffer, position: number): Promise<void>
  /** Makes the contents and the size durable. After a failure the file must not be used again. */
  datasync(): Promise<void>
  truncate(length: number): Promise<void>
  size(): Promise<number>
  chmod(mode: number): Promise<void>
  close(): Promise<void>
}
