/**
 * What this process and its machine are: for people to read. Of decisions only one rests on it, how many
 * connections of clients fit beside the files of the server.
 */
export interface Host {
  facts(): HostFacts
  /** Descriptors in use and allowed; -1 where the system does not tell. */
  descriptors(): { readonly open: number; readonly max: number }
}

export interface HostFacts {
  readonly hostName: string
  readonly runtime: string
  readonly runtimeVersion: string
  readonly runtimeDirectory: string
  readonly temporaryDirectory: string
  readonly system: string
  readonly architecture: string
  readonly systemVersion: string
  readonly userName: string
  readonly userDirectory: string
  readonly workingDirectory: string
  readonly memoryFreeBytes: number
  readonly memoryMaxBytes: number
  readonly memoryTotalBytes: number
}
