/** HTTP of a controller: every answer is computed when it is asked for; nothing can be changed. */
import { expect, test } from 'vitest'
import type { ControllerStatus } from '../../../failover/index.ts'
import { controllerServer } from '../../../toolkit/http/controller-server.ts'

const idle: ControllerStatus = {
  cluster: 'c',
  group: 'orders',
  member: 'a',
  address: '127.0.0.1:8101',
  role: 'standby',
  reportedRole: 'standby',
  health: 'healthy',
  token: null,
  leaseLeftMs: null,
  highestToken: 7n,
  lockHolder: 'b',
  breadcrumb: 'b',
  lastDecision: { action: 'wait', sentence: 'b holds the lock', at: '2026-11-21T03:00:00.000Z' },
  fencing: null,
  problems: [],
  paused: false,
  eligible: true,
  session: { state: 'connected', id: -1n, timeoutMs: 3000 },
  pid: 4711,
  controllerPid: 4710,
  watchdogPid: null,
}

function start(): {
  source: { status: ControllerStatus }
  server: ReturnType<typeof controllerServer>
} {
  const source = { status: idle, onChange: () => () => {} }
  return { source, server: controllerServer(source) }
}

test.each([
  ['/active', { role: 'active' }, { role: 'standby' }],
  ['/standby', { role: 'standby' }, { role: 'active' }],
  ['/health', { health: 'healthy' }, { health: 'not-responding' }],
  ['/groups/orders/active', { role: 'active' }, { role: 'unknown' }],
] as const)(
  '%s is 200 or 503 as of the request, for GET, HEAD and OPTIONS',
  async (url, yes, no) => {
    const { source, server } = start()
    for (const method of ['GET', 'HEAD', 'OPTIONS'] as const) {
      for (const [status, code] of [
        [yes, 200],
        [no, 503],
        [yes, 200],
      ] as const) {
        source.status = { ...idle, ...status }
        const response = await server.inject({ method, url })
        expect([method, response.statusCode]).toEqual([method, code])
        expect(response.body === '').toBe(method !== 'GET')
      }
    }
  },
)

test('status tells tokens as decimal text and session ids in hex', async () => {
  const { source, server } = start()
  source.status = { ...idle, role: 'active', token: 4294967300n, leaseLeftMs: 2100 }
  expect((await server.inject('/status')).json()).toMatchObject({
    role: 'active',
    token: '4294967300',
    tokenHex: '0x100000004',
    leaseLeftMs: 2100,
    highestToken: '7',
    session: { id: '0xffffffffffffffff', state: 'connected' },
    pid: 4711,
  })
})

test('readiness follows the connection, liveness does not', async () => {
  const { source, server } = start()
  source.status = { ...idle, session: { ...idle.session, state: 'disconnected' } }
  expect((await server.inject('/readiness')).statusCode).toBe(503)
  expect((await server.inject('/liveness')).statusCode).toBe(200)
})

test('what could change something is refused (S-18)', async () => {
  const { server } = start()
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH'] as const) {
    const response = await server.inject({
      method,
      url: '/active',
      headers: { host: 'evil.example' },
    })
    expect([response.statusCode, response.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS'])
  }
  const missing = await server.inject('/nothing?x=<script>')
  expect([missing.statusCode, missing.json()]).toEqual([
    404,
    { error: 'there is nothing of that name' },
  ])
  expect(missing.headers['access-control-allow-origin']).toBeUndefined()
})

test('metrics carry their unit in the name', async () => {
  const { source, server } = start()
  source.status = { ...idle, role: 'active', leaseLeftMs: 1500 }
  const { body, headers } = await server.inject('/metrics')
  expect(headers['content-type']).toMatch(/^text\/plain/)
  const labels = 'cluster="c",group="orders",member="a"'
  expect(body).toContain(`howdah_lease_left_seconds{${labels}} 1.5`)
  expect(body).toContain(`howdah_member_active_bool{${labels}} 1`)
  const names = [...body.matchAll(/^# TYPE (howdah_\S+)/gm)].map(([, name]) => name)
  expect(names.length).toBeGreaterThan(5)
  for (const name of names) expect(name).toMatch(/_(seconds|bool|total|count|info)$/)
})
