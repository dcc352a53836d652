/** The endpoint for Prometheus, read from a server under a little load. */
import { expect, test } from 'vitest'
import { AdminWorld } from '../../support/admin-world.ts'

test('Prometheus reads every metric under the names of ZooKeeper', async () => {
  const metrics = { host: '127.0.0.1', port: 0, exportRuntimeInfo: true }
  await using world = await AdminWorld.start({ metrics })
  await world.first.set('/app', Buffer.from('1'))
  const response = await fetch(`http://127.0.0.1:${world.server.metricsPort}/metrics`)
  expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4')
  const text = await response.text()
  expect(text).toContain('# TYPE znode_count gauge\n')
  expect(text).toMatch(/^znode_count [1-9]/m)
  expect(text).toContain('# HELP connection_request_count connection_request_count\n')
  expect(text).toContain('# TYPE connection_request_count counter\nconnection_request_count 2\n')
  expect(text).toMatch(/# TYPE updatelatency summary\nupdatelatency\{quantile="0.5"\} \d/)
  expect(text).toMatch(/^updatelatency\{quantile="0.99"\} \d/m)
  expect(text).toMatch(/^updatelatency_count [1-9]/m)
  expect(text).toMatch(/^write_per_namespace_sum\{key="app"\} \d+$/m)
  expect(text).toMatch(/^election_time\{quantile="0.5"\} nan$/im)
  expect(text).toContain('process_resident_memory_bytes')

  // Every name that mntr has is there, with the parts of a summary in Prometheus' own form.
  const names = (await world.send('mntr')).match(/^zk_\S+(?=\t\S)/gm)!.map((name) => name.slice(3))
  const shown = new Set(text.match(/^[a-z]\w*/gm))
  const isPart = /^(avg|min|max|cnt|sum|p50|p95|p99|p999)_/
  const missing = names.filter((name) => !shown.has(name) && !shown.has(name.replace(isPart, '')))
  expect(missing.filter((name) => !name.endsWith('_per_namespace'))).toEqual([
    'version',
    'server_state',
  ])

  const other = await fetch(`http://127.0.0.1:${world.server.metricsPort}/nothing`)
  expect(other.status).toBe(404)
})
