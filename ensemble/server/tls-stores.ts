/**
 * The server's side of TLS, kept as its files say: stores are read again when they change.
 *
 * Invariant: files that cannot be used leave those in force that were, and are logged once.
 * Source: NettyServerCnxnFactory#initSSL, 3.9.5, which reads the key store for every connection, be
 * `client.certReload` set or not.
 */
import type { Timer } from '../sys/clock.ts'
import type { Sys } from '../sys/sys.ts'
import type { Tls, TlsServer } from '../sys/tls.ts'
import {
  expired,
  serverMaterial,
  TlsError,
  tlsFiles,
  type Files,
  type TlsServerSettings,
} from '../tls/index.ts'

/** How often the files are looked at. */
const RELOAD_MS = 1000

type StoresSys = Pick<Sys, 'clock' | 'files' | 'log'>

export class TlsStores {
  readonly server: TlsServer
  readonly #settings: TlsServerSettings
  readonly #sys: StoresSys
  #contents: ReadonlyMap<string, Buffer>
  #timer: Timer | null = null
  #isClosed = false

  /** @throws TlsError */
  static async open(settings: TlsServerSettings, sys: StoresSys, tls: Tls): Promise<TlsStores> {
    const contents = await contentsOf(tlsFiles(settings), sys.files)
    const material = await serverMaterial(settings, kept(contents))
    try {
      const stores = new TlsStores(settings, sys, await tls.server(material), contents)
      stores.#warn(expired(material, sys.clock.wallMs()))
      return stores
    } catch (error) {
      throw unusable(error)
    }
  }

  private constructor(
    settings: TlsServerSettings,
    sys: StoresSys,
    server: TlsServer,
    contents: ReadonlyMap<string, Buffer>,
  ) {
    this.#settings = settings
    this.#sys = sys
    this.server = server
    this.#contents = contents
    this.#reloadLater()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #reloadLater(): void {
    if (this.#isClosed) return
    this.#timer = this.#sys.clock.setTimer(RELOAD_MS, () => {
      void this.#reload().finally(() => this.#reloadLater())
    })
  }

  async #reload(): Promise<void> {
    const { files, log, clock } = this.#sys
    const contents = await contentsOf(tlsFiles(this.#settings), files)
    if (this.#isClosed || isSame(contents, this.#contents)) return
    this.#contents = contents
    try {
      const material = await serverMaterial(this.#settings, kept(contents))
      this.server.use(material)
      log.info({ files: [...contents.keys()] }, 'new certificates, for connections from now on')
      this.#warn(expired(material, clock.wallMs()))
    } catch (error) {
      const { message } = unusable(error)
      log.error({ error: message }, 'changed key or trust store is not usable, the old one stays')
    }
  }

  #warn(warnings: readonly string[]): void {
    for (const warning of warnings) this.#sys.log.warn({ warning }, 'a certificate has ended')
  }
}

/** Files that cannot be read are left out: whoever needs them finds out. */
async function contentsOf(paths: readonly string[], files: Files): Promise<Map<string, Buffer>> {
  const contents = new Map<string, Buffer>()
  for (const path of paths) {
    const bytes = await files.readFile(path).catch(() => null)
    if (bytes !== null) contents.set(path, bytes)
  }
  return contents
}

function kept(contents: ReadonlyMap<string, Buffer>): Files {
  return {
    readFile(path) {
      const bytes = contents.get(path)
      if (bytes !== undefined) return Promise.resolve(bytes)
      return Promise.reject(
        Object.assign(new Error(path), { code: 'no such file, or not readable' }),
      )
    },
  }
}

function isSame(one: ReadonlyMap<string, Buffer>, other: ReadonlyMap<string, Buffer>): boolean {
  return (
    one.size === other.size &&
    [...one].every(([path, bytes]) => other.get(path)?.equals(bytes) === true)
  )
}

function unusable(error: unknown): Error {
  if (error instanceof TlsError) return error
  const what = error instanceof Error ? error.message : String(error)
  return new TlsError([{ key: 'ssl.keyStore.location', what }], { cause: error })
}
