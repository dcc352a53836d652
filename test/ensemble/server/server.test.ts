/** A server on the real network and disk: start, restart, and what it refuses. */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { connect } from '../../../ensemble/client/index.ts'
import { startServer } from '../../../ensemble/server/index.ts'
import { silent } from '../../../ensemble/sys/logger.ts'

const folders: string[] = []
function settings() {
  const dataDir = mkdtempSync(join(tmpdir(), 'howdah-server-'))
  folders.push(dataDir)
  return {
    dataDir,
    clientPort: 0,
    clientPortAddress: '127.0.0.1',
    tickTimeMs: 500,
    preallocBytes: 65_536,
  }
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

test('what was acknowledged is there after a restart, and so is the session (I-6)', async () => {
  const own = settings()
  const first = await startServer(own, silent)
  const port = first.clientPort
  const zk = await connect(`127.0.0.1:${port}`, { sessionTimeoutMs: 5000 })
  await zk.create('/kept', 'value')
  await zk.create('/kept/mine', null, { mode: 'ephemeral' })
  await first.close()
  await using second = await startServer({ ...own, clientPort: port }, silent)
  expect((await zk.get('/kept')).data?.toString()).toBe('value')
  expect((await zk.exists('/kept/mine'))?.ephemeralOwner).toBe(zk.sessionId)
  await zk.close()
  expect(second.tree.find('/kept/mine')).toBe(0)
})

test('a second server on the same data directory is refused, whatever its path looks like', async () => {
  const own = settings()
  await using _first = await startServer(own, silent)
  const again = startServer(
    { ...own, dataDir: `${own.dataDir}/../${own.dataDir.split('/').at(-1)}` },
    silent,
  )
  await expect(again).rejects.toThrow(/another server is running on this data directory/)
})

test('the data directory is free again when its server has closed', async () => {
  const own = settings()
  await (await startServer(own, silent)).close()
  await (await startServer(own, silent)).close()
})

test('the secret of session passwords is for its owner alone (S-20)', async () => {
  const own = settings()
  await using _server = await startServer(own, silent)
  expect(statSync(join(own.dataDir, 'howdah.secret')).mode & 0o777).toBe(0o600)
})
