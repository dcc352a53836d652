/** The scenario that Apache's server passes (test/interop/client-apache.test.ts), against our own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { startServer } from '../../../ensemble/server/index.ts'
import { silent } from '../../../ensemble/sys/logger.ts'
import { clientScenario } from '../../support/client-scenario.ts'
import { stablePort } from '../../support/stable-port.ts'

describe('our client against our server', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'howdah-client-'))
  const settings = { dataDir, clientPortAddress: '127.0.0.1', tickTime: 500 }
  let server: Awaited<ReturnType<typeof startServer>>

  beforeAll(async () => {
    server = await startServer({ ...settings, clientPort: await stablePort() }, silent)
  })

  afterAll(async () => {
    await server.close()
    rmSync(dataDir, { recursive: true, force: true })
  })

  test.for(Object.entries(clientScenario))('%s', async ([, step]) => {
    await step({
      connectString: `127.0.0.1:${server.clientPort}`,
      restart: async () => {
        const { clientPort } = server
        await server.close()
        server = await startServer({ ...settings, clientPort }, silent)
      },
    })
  })
})
