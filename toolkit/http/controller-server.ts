/**
 * HTTP of one controller (toolkit.md 4): health checks for load balancers, status, metrics.
 *
 * Invariants:
 * 1. Every answer is computed from the controller's state at the time of the request: `active` is 200
 *    only while the lease has time left, whatever was true a moment ago.
 * 2. Nothing here changes anything: other methods than GET, HEAD and OPTIONS are 405. (What changes
 *    something will need credentials, `content-type: application/json` and a known `Host`, S-18.)
 * 3. No CORS header, no stack traces; requests are small and short.
 */
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import type { ControllerStatus } from '../../failover/index.ts'
import { ControllerMetrics } from './metrics.ts'

const REQUEST_BYTES_MAX = 4096
const REQUEST_TIMEOUT_MS = 5000

export interface StatusSource {
  readonly status: ControllerStatus
  onChange(listener: (status: ControllerStatus) => void): () => void
}

/** What each check claims, and when that is true. */
const CHECKS: Readonly<Record<string, (status: ControllerStatus) => boolean>> = {
  active: ({ role }) => role === 'active',
  standby: ({ role }) => role === 'standby',
  health: ({ health }) => health === 'healthy',
}

export function controllerServer(source: StatusSource): FastifyInstance {
  const { group } = source.status
  const metrics = new ControllerMetrics(source)
  const server = fastify({
    bodyLimit: REQUEST_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: REQUEST_TIMEOUT_MS,
    exposeHeadRoutes: false,
    // A controller that stops must not wait for a scraper's idle connection.
    forceCloseConnections: true,
  })
  server.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    reply.header('x-content-type-options', 'nosniff')
  })

  const get = (path: string, answer: (reply: FastifyReply) => unknown): void => {
    server.route({
      method: ['GET', 'HEAD', 'OPTIONS'],
      url: path,
      handler: async (request, reply) => {
        if (request.method === 'OPTIONS') reply.header('allow', 'GET, HEAD, OPTIONS')
        const body = await answer(reply)
        return request.method === 'GET' ? body : reply.send()
      },
    })
  }

  for (const [name, claim] of Object.entries(CHECKS)) {
    const answer = (reply: FastifyReply): object => {
      const { status } = source
      reply.code(claim(status) ? 200 : 503)
      return { member: status.member, role: status.role, health: status.health }
    }
    get(`/${name}`, answer)
    get(`/groups/${group}/${name}`, answer)
  }
  // An answer at all says that the event loop turns.
  get('/liveness', () => ({ alive: true }))
  get('/readiness', (reply) => {
    const { session } = source.status
    reply.code(session.state === 'connected' ? 200 : 503)
    return { session: session.state }
  })
  get('/status', () => statusBody(source.status))
  get(`/groups/${group}/status`, () => statusBody(source.status))
  get('/metrics', async (reply) => {
    reply.header('content-type', metrics.contentType)
    return metrics.text()
  })

  server.setNotFoundHandler((request, reply) => {
    const path = request.url.replace(/\?.*$/, '')
    const isKnown = server.hasRoute({ method: 'GET', url: path })
    if (isKnown) reply.code(405).header('allow', 'GET, HEAD, OPTIONS')
    else reply.code(404)
    return { error: isKnown ? 'only GET, HEAD and OPTIONS' : 'there is nothing of that name' }
  })
  server.setErrorHandler((error: unknown, _request, reply) => {
    // fastify's own errors carry the status; anything else is ours.
    const { statusCode = 500 } = error as { statusCode?: number }
    return reply
      .code(statusCode)
      .send({ error: statusCode < 500 ? 'bad request' : 'internal error' })
  })
  return server
}

/** `GET /status`: tokens as decimal text, as everywhere. */
export function statusBody(status: ControllerStatus): object {
  const { token, highestToken, session } = status
  return {
    ...status,
    token: token === null ? null : token.toString(),
    tokenHex: token === null ? null : `0x${token.toString(16)}`,
    highestToken: highestToken.toString(),
    session: { ...session, id: `0x${BigInt.asUintN(64, session.id).toString(16)}` },
  }
}
