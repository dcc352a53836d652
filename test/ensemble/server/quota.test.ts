/** Quotas of a real server: what a client is told, one line in the log, and the metrics of Apache. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, type Client } from '../../../ensemble/client/index.ts'
import { startServer, type Peer } from '../../../ensemble/server/index.ts'
import { silent, type Fields, type Logger } from '../../../ensemble/sys/logger.ts'
import { fourLetters } from '../../support/server-process.ts'

const warnings: { fields: Fields; message: string }[] = []
const log: Logger = {
  ...silent,
  warn: (fields, message) => void warnings.push({ fields, message }),
  child: () => log,
}
const folder = mkdtempSync(join(tmpdir(), 'howdah-quota-'))
let server: Peer
let zk: Client

beforeAll(async () => {
  server = await startServer(
    {
      dataDir: folder,
      clientPort: 0,
      clientPortAddress: '127.0.0.1',
      preallocBytes: 65_536,
      fourLetterWords: ['*'],
      enforceQuota: true,
      metrics: { host: '127.0.0.1', port: 0, exportRuntimeInfo: false },
    },
    log,
  )
  zk = await connect(`127.0.0.1:${server.clientPort}`, { sessionTimeoutMs: 10_000 })
  for (const path of ['/tenant', '/tenant/a', '/other']) await zk.create(path, 'data')
  for (const subject of ['/tenant/a', '/other']) {
    const at = `/zookeeper/quota${subject}`
    if (subject === '/tenant/a') await zk.create('/zookeeper/quota/tenant', null)
    await zk.create(at, null)
    await zk.create(`${at}/zookeeper_limits`, 'count=7,bytes=-1=;countHardLimit=2')
    await zk.create(`${at}/zookeeper_stats`, null)
  }
})

afterAll(async () => {
  await zk.close()
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

test('a refused write has its error, one line in the log, and a count (S-15)', async () => {
  await zk.create('/tenant/a/1', null)
  for (let i = 0; i < 3; i++) {
    await expect(zk.create('/tenant/a/2', null)).rejects.toMatchObject({ code: 'quotaExceeded' })
  }
  expect(warnings).toEqual([
    {
      message: 'a write is beyond its hard quota, and refused',
      fields: { quota: '/tenant/a', path: '/tenant/a/2', kind: 'count', limit: 2, usage: 3 },
    },
  ])
  const lines = (await fourLetters(server.clientPort, 'mntr')).split('\n')
  expect(lines.filter((line) => line.includes('quota')).toSorted()).toEqual([
    'zk_other_quota_bytes_limit_per_namespace\t-1',
    'zk_other_quota_bytes_usage_per_namespace\t4',
    'zk_other_quota_count_limit_per_namespace\t2',
    'zk_other_quota_count_usage_per_namespace\t1',
    'zk_tenant_quota_bytes_limit_per_namespace\t-1',
    'zk_tenant_quota_bytes_usage_per_namespace\t4',
    'zk_tenant_quota_count_limit_per_namespace\t2',
    'zk_tenant_quota_count_usage_per_namespace\t2',
    'zk_tenant_quota_exceeded_error_per_namespace\t3',
  ])
  const text = await (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text()
  expect(text).toContain('quota_count_usage_per_namespace{key="tenant"} 2')
  expect(text).toContain('quota_exceeded_error_per_namespace{key="tenant"} 3')
})
