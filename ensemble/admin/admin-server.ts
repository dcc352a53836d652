/**
 * The HTTP admin server: the commands of `commands.ts` below one path, as JSON, and snapshots.
 *
 * Invariants (S-18):
 *  1. It listens on loopback unless an address is set, and is off unless it is asked for
 *     (docs/decisions/0012-admin-off-or-loopback.md). On loopback only requests for a loopback name are
 *     answered: a web page elsewhere cannot reach it through a name of its own.
 *  2. The data leave, and are replaced, only with credentials that may do everything on `/`.
 *  3. Requests are small and short, but for the body of a restore, of which nothing is read before its
 *     credentials are; answers show no stack, and allow no other origin.
 * Source: JettyAdminServer, Commands, 3.9.5 (client-protocol 10.3, 10.4).
 */
import { Readable } from 'node:stream'
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type HTTPMethods,
} from 'fastify'
import type { AdminSettings } from '../server/server-settings.ts'
import { hex } from '../protocol/zxid.ts'
import type { Logger } from '../sys/logger.ts'
import { CommandRefusal, commands, NOT_SERVING, type Command, type Query } from './commands.ts'
import { jsonText, JsonObject, type JsonValue } from './json-text.ts'
import type { ServerView } from './server-view.ts'

const BODY_BYTES_MAX = 16_384
const REQUEST_TIMEOUT_MS = 10_000
const JSON_TYPE = 'application/json'

/** By name and alias. */
const byName: ReadonlyMap<string, Command> = new Map(
  commands.flatMap((own) => [own.name, ...own.aliases].map((name) => [name, own] as const)),
)
const SNAPSHOT = ['snapshot', 'snap']
const RESTORE = ['restore', 'rest']

type Fields = readonly (readonly [string, JsonValue])[]

export class AdminServer {
  readonly #view: ServerView
  readonly #settings: AdminSettings
  readonly #log: Logger
  readonly #server: FastifyInstance
  #lastSnapshotMs = Number.NEGATIVE_INFINITY
  #lastRestoreMs = Number.NEGATIVE_INFINITY

  constructor(view: ServerView, settings: AdminSettings, log: Logger) {
    this.#view = view
    this.#settings = settings
    this.#log = log
    this.#server = fastify({
      bodyLimit: BODY_BYTES_MAX,
      // The body of a restore may take its time, but not fall silent: see connectionTimeout. Others' bodies
      // are not read at all.
      requestTimeout: 0,
      connectionTimeout: settings.idleTimeoutMs,
      keepAliveTimeout: settings.idleTimeoutMs,
      http: { headersTimeout: REQUEST_TIMEOUT_MS },
      forceCloseConnections: true,
    })
    this.#route()
  }

  /** @returns the port @throws the system's error when it is taken */
  async listen(): Promise<number> {
    const { address: host, port } = this.#settings
    await this.#server.listen({ host, port })
    const [bound] = this.#server.addresses()
    return typeof bound === 'object' ? bound.port : port
  }

  close(): Promise<void> {
    return this.#server.close()
  }

  #route(): void {
    const server = this.#server
    const { commandUrl } = this.#settings
    server.addHook('onRequest', async (request, reply) => {
      reply.header('cache-control', 'no-store')
      reply.header('x-content-type-options', 'nosniff')
      if (!this.#isForUs(request))
        return fail(reply, 403, null, 'the Host header names no loopback address')
      if (request.method === 'POST') return this.#post(request, reply)
      // What is not read of a body must not be waited for.
      const { headers } = request
      if (
        headers['transfer-encoding'] !== undefined ||
        Number(headers['content-length'] ?? 0) > 0
      ) {
        reply.header('connection', 'close')
      }
    })
    server.get(commandUrl, (_request, reply) => reply.send(Buffer.from(this.#index())))
    server.get(`${commandUrl}/`, (_request, reply) => reply.send(Buffer.from(this.#index())))
    server.get<{ Params: { name: string } }>(`${commandUrl}/:name`, (request, reply) =>
      this.#get(request.params.name, request, reply),
    )
    server.setNotFoundHandler((request, reply) => {
      const method = request.method as HTTPMethods | 'TRACE'
      if (method === 'TRACE') return reply.code(403).send()
      const isCommand = pathOf(request).startsWith(`${commandUrl}/`)
      if (method === 'GET' || method === 'HEAD' || !isCommand) {
        return fail(reply, 404, null, 'there is nothing of that name')
      }
      reply.header('allow', 'GET, HEAD')
      return fail(reply, 405, null, 'only GET and HEAD')
    })
    server.setErrorHandler((error: unknown, _request, reply) => {
      // fastify's own errors carry the status; anything else is ours.
      const { statusCode = 500 } = error as { statusCode?: number }
      if (statusCode >= 500) this.#log.error({ error: String(error) }, 'an admin command failed')
      return fail(reply, statusCode, null, statusCode < 500 ? 'bad request' : 'internal error')
    })
  }

  async #get(name: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const query: Record<string, string> = {}
    for (const [key, value] of Object.entries(request.query as Record<string, unknown>)) {
      if (typeof value !== 'string') return fail(reply, 400, name, `${key} is given more than once`)
      query[key] = value
    }
    if (SNAPSHOT.includes(name)) return this.#snapshot(request, reply, query)
    if (RESTORE.includes(name)) {
      const { authorization } = request.headers
      if (authorization === undefined) return missingAuth(reply, 'restore')
      return fail(reply, 500, 'restore', 'restore takes POST')
    }
    const known = byName.get(name)
    if (known === undefined) return answer(reply, name, [], `Unknown command: ${name}`)
    if (this.#view.mode === null && known.always !== true) {
      return answer(reply, known.name, [], NOT_SERVING)
    }
    try {
      return answer(reply, known.name, await known.run(this.#view, query))
    } catch (error) {
      if (!(error instanceof CommandRefusal)) throw error
      return answer(reply, known.name, [['error', error.message]])
    }
  }

  async #post(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    // What is not read of the body must not be taken for the next request.
    reply.header('connection', 'close')
    const path = pathOf(request)
    const prefix = `${this.#settings.commandUrl}/`
    if (path.startsWith(prefix) && RESTORE.includes(path.slice(prefix.length))) {
      return this.#restore(request, reply)
    }
    reply.header('allow', 'GET, HEAD')
    return fail(reply, 405, null, 'only restore takes POST')
  }

  /** null: they may do everything; else they were answered with a refusal. */
  #refuse(request: FastifyRequest, reply: FastifyReply, name: string): FastifyReply | null {
    const { authorization } = request.headers
    if (authorization === undefined) return missingAuth(reply, name)
    const [scheme = '', auth = '', ...rest] = authorization.split(' ')
    const may =
      rest.length > 0 ? null : this.#view.mayReadAll(scheme, auth, this.#addressOf(request))
    if (may === null) return fail(reply, 401, name, 'Not authenticated')
    return may ? null : fail(reply, 403, name, 'Not authorized')
  }

  /** For the scheme ip. Anybody can write the header: it counts where an operator says so. */
  #addressOf(request: FastifyRequest): string {
    if (!this.#settings.trustsForwardedFor) return request.ip
    const header = String(request.headers['x-forwarded-for'] ?? '')
    const [first] = header.split(',').filter((part) => part !== '')
    return first?.trim() ?? request.ip
  }

  /** The body is the snapshot. Its reason to refuse is for the holder of the credentials to read. */
  async #restore(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { restoreEnabled, restoreIntervalMs } = this.#settings
    const { serializeLastZxid } = this.#view.settings
    const name = 'restore'
    const refusal = this.#refuse(request, reply, name)
    if (refusal !== null) return refusal
    if (!restoreEnabled) return fail(reply, 503, name, null)
    if (this.#view.mode === null) return answer(reply, name, [], NOT_SERVING)
    if (!serializeLastZxid) return fail(reply, 500, name, null)
    const { headers } = request
    if (
      headers['transfer-encoding'] === undefined &&
      Number(headers['content-length'] ?? 0) === 0
    ) {
      return fail(reply, 400, name, null)
    }
    const { nowMs, edgeCounts } = this.#view
    if (nowMs - this.#lastRestoreMs < restoreIntervalMs) {
      edgeCounts.restoresLimited++
      return fail(reply, 429, name, null)
    }
    this.#lastRestoreMs = nowMs
    const address = request.ip
    try {
      const { zxid } = await this.#view.restore(request.raw)
      this.#log.warn({ zxid: hex(zxid), address }, 'restored at the request of an administrator')
      return answer(reply, name, [['last_zxid', zxid]])
    } catch (error) {
      edgeCounts.restoresFailed++
      const { message } = error as Error
      this.#log.error({ error: message, address }, 'a snapshot could not be restored')
      return fail(reply, 500, name, message)
    }
  }

  /** Credentials first: without them nobody learns more than that they are needed. */
  async #snapshot(
    request: FastifyRequest,
    reply: FastifyReply,
    query: Query,
  ): Promise<FastifyReply> {
    const { snapshotEnabled, snapshotIntervalMs } = this.#settings
    const name = 'snapshot'
    const refusal = this.#refuse(request, reply, name)
    if (refusal !== null) return refusal
    if (!snapshotEnabled) return fail(reply, 503, name, null)
    if (this.#view.mode === null) return answer(reply, name, [], NOT_SERVING)
    const { nowMs, edgeCounts, settings } = this.#view
    if (!settings.serializeLastZxid) return fail(reply, 500, name, null)
    if (nowMs - this.#lastSnapshotMs < snapshotIntervalMs) {
      edgeCounts.snapshotsLimited++
      return fail(reply, 429, name, null)
    }
    this.#lastSnapshotMs = nowMs
    // It would stay on the server for nobody: HEAD only asks.
    if (request.method === 'HEAD') return answer(reply, name, [])
    let taken
    try {
      taken = await this.#view.takeSnapshot()
    } catch {
      return fail(reply, 500, name, null)
    }
    const zxid = `0x${taken.zxid.toString(16)}`
    reply.header('last_zxid', zxid).header('snapshot_size', String(taken.sizeBytes))
    this.#log.info({ zxid, sizeBytes: taken.sizeBytes, address: request.ip }, 'snapshot handed out')
    if (query['streaming'] === 'false') return answer(reply, name, [])
    return reply.type('application/octet-stream').send(Readable.from(taken.read()))
  }

  #index(): string {
    const { commandUrl } = this.#settings
    const names = [...commands.map(({ name }) => name), 'restore', 'snapshot'].sort()
    return names.map((name) => `<a href="${commandUrl}/${name}">${name}</a>\n<br/>\n`).join('')
  }

  /** On loopback: whether the name that the client used is one of this machine's own. */
  #isForUs(request: FastifyRequest): boolean {
    if (!isLoopback(this.#settings.address)) return true
    return isLoopback(request.hostname.replace(/^\[(.*)\]$/, '$1'))
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

function pathOf(request: FastifyRequest): string {
  return request.url.replace(/\?.*$/s, '')
}

function missingAuth(reply: FastifyReply, name: string): FastifyReply {
  return fail(reply, 401, name, 'Auth info is missing for the command')
}

function fail(
  reply: FastifyReply,
  status: number,
  name: string | null,
  error: string | null,
): FastifyReply {
  return answer(reply.code(status), name, [], error)
}

/** `command` and `error` come last, unless the command has set its error itself. */
function answer(
  reply: FastifyReply,
  name: string | null,
  fields: Fields,
  error: string | null = null,
): FastifyReply {
  const all = [...fields]
  all.push(['command', name])
  if (!all.some(([key]) => key === 'error')) all.push(['error', error])
  // As bytes: fastify would add a charset to the type that Apache sends without one.
  return reply.header('content-type', JSON_TYPE).send(Buffer.from(jsonText(new JsonObject(all))))
}
