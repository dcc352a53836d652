/**
 * A small real service of which two copies run and one is active: it takes orders over HTTP and
 * writes each to the ledger with its fencing token.
 *
 *     GET  /health                 role and token; what the controller probes
 *     POST /activate, /deactivate  commands of the controller, answered by the guard
 *     POST /orders  { order }      201 with the ledger's line, 503 while standby
 *     GET  /orders                 all orders, from the ledger
 *
 * What makes it safe, in three places:
 * 1. `guard.permit()` before each write: token and lease are checked at that moment, so that a process
 *    which was stopped for a minute refuses when it wakes up.
 * 2. The token goes with the write: the ledger refuses it when a later active has announced its own.
 * 3. A new active announces its token to the ledger before it is active.
 */
import { mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import fastify, { type FastifyInstance } from 'fastify'
// Outside of a checkout: from 'howdah' and 'howdah/failover'.
import { nodeSys, silent } from '../../ensemble/client/index.ts'
import { Guard, NotPermitted } from '../../failover/index.ts'

const LEDGER_TIMEOUT_MS = 1000

interface Settings {
  readonly member: string
  readonly ledger: string
  readonly guard: Guard
}

export function orderServer({ member, ledger, guard }: Settings): FastifyInstance {
  const server = fastify({ bodyLimit: 65_536 })
  let announced = 0n

  server.get('/health', () => ({ member, ...guard.status }))

  server.post('/activate', async (request, reply) => {
    const token = tokenOf(request.headers['howdah-fencing-token'])
    if (token > announced) {
      // From here on the ledger takes nothing from whoever was active before.
      const { status } = await send(`${ledger}/tokens`, { token: token.toString(), member })
      if (status !== 201) {
        const reason = `the ledger did not take token ${token}`
        return reply.code(503).send({ ...guard.status, reason })
      }
      announced = token
    }
    const answer = await guard.onActivate(request.headers)
    return reply.code(answer.status).send(answer.body)
  })

  server.post('/deactivate', async (request, reply) => {
    const answer = await guard.onDeactivate(request.headers)
    return reply.code(answer.status).send(answer.body)
  })

  server.post<{ Body: { order: string } }>(
    '/orders',
    {
      schema: {
        body: {
          type: 'object',
          properties: { order: { type: 'string', minLength: 1, maxLength: 10_000 } },
          required: ['order'],
        },
      },
    },
    async (request, reply) => {
      const { order } = request.body
      const { token } = guard.permit()
      const answer = await send(`${ledger}/entries`, { token: token.toString(), member, order })
      // 409: a later active has announced its token; this copy has lost its right without knowing.
      return reply.code(answer.status === 201 ? 201 : 503).send(answer.body)
    },
  )

  server.get('/orders', async (_request, reply) => {
    const response = await fetch(`${ledger}/entries`, {
      signal: AbortSignal.timeout(LEDGER_TIMEOUT_MS),
    })
    return reply.code(response.status).send(await response.json())
  })

  server.setErrorHandler((error: unknown, _request, reply) => {
    if (error instanceof NotPermitted) {
      return reply.code(503).send({ error: error.message, reason: error.reason })
    }
    const status = (error as { statusCode?: number }).statusCode ?? 503 // fastify's own errors carry one
    const message = error instanceof Error ? error.message : String(error)
    return reply.code(status).send({ error: message })
  })
  return server
}

async function send(url: string, body: object): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(LEDGER_TIMEOUT_MS),
  })
  return { status: response.status, body: await response.json() }
}

/** 0 for what the guard will refuse anyway. */
function tokenOf(header: string | string[] | undefined): bigint {
  return typeof header === 'string' && /^\d{1,19}$/.test(header) ? BigInt(header) : 0n
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      member: { type: 'string', default: 'a' },
      port: { type: 'string', default: '18001' },
      ledger: { type: 'string', default: 'http://127.0.0.1:18200' },
      state: { type: 'string', default: '.howdah/token.json' },
    },
  })
  const stateFile = resolve(values.state)
  await mkdir(dirname(stateFile), { recursive: true })
  const guard = new Guard({
    stateFile,
    sys: nodeSys(silent),
    onRoleChange: (role) => process.stdout.write(`${values.member} is ${role} now\n`),
  })
  await guard.open()
  const server = orderServer({ member: values.member, ledger: values.ledger, guard })
  await server.listen({ host: '127.0.0.1', port: Number(values.port) })
  process.once('SIGTERM', () => void server.close())
}
