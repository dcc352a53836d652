/**
 * A differential run: a seeded random stream of operations of several sessions, good and bad, goes in
 * lock-step to our server and to Apache ZooKeeper 3.9.5; every reply and every event is compared.
 *
 *   DIFFERENTIAL_OPS    operations; when unset 100,000 in CI, 20,000 elsewhere
 *   DIFFERENTIAL_SEED   the seed, 1 when unset
 *
 * What may differ is in `differential/accepted.ts`. Skips aloud where there is no Java or no Maven.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { serverSettings, startServer } from '../../ensemble/server/index.ts'
import { silent } from '../../ensemble/sys/logger.ts'
import { apache, apacheMissing } from '../support/apache.ts'
import { freePort, ServerProcess } from '../support/server-process.ts'
import { LockStep } from './differential/lock-step.ts'

const missing = apacheMissing()
if (missing !== null)
  process.stderr.write(`SKIPPED test/interop/differential.test.ts: ${missing}\n`)

const OPS = Number(process.env['DIFFERENTIAL_OPS'] ?? (process.env['CI'] ? 100_000 : 20_000))
const SEED = Number(process.env['DIFFERENTIAL_SEED'] ?? 1)
const SUPER_DIGEST = 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs=' // super:admin
/** Longer than any run: reaping would fall between other operations on each server. */
const NEVER_MS = 86_400_000

test.skipIf(missing !== null)(
  `${OPS} operations of seed ${SEED} are answered as Apache 3.9.5 answers them (X-1, X-2, X-3)`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'howdah-differential-'))
    await using cleaning = new AsyncDisposableStack()
    cleaning.defer(() => rmSync(folder, { recursive: true, force: true }))
    // Both answers of a server without an ensemble: disabled, or not implemented.
    const reconfigEnabled = SEED % 2 === 0
    // Hard quotas refuse: what their usage is counted from must not be in flight (operations.ts).
    const enforceQuota = SEED % 3 === 0
    await using theirs = await ServerProcess.start(
      apache([
        '-Dzookeeper.extendedTypesEnabled=true',
        `-Dzookeeper.DigestAuthenticationProvider.superDigest=${SUPER_DIGEST}`,
        '-Dzookeeper.forceSync=no',
        `-Dznode.container.checkIntervalMs=${NEVER_MS}`,
      ]),
      {
        folder: join(folder, 'apache'),
        port: await freePort(),
        settings: {
          tickTime: 2000,
          minSessionTimeout: 20_000,
          maxSessionTimeout: 60_000,
          reconfigEnabled: String(reconfigEnabled),
          enforceQuota: String(enforceQuota),
        },
      },
    )
    await using ours = await startServer(
      serverSettings({
        dataDir: join(folder, 'ours'),
        clientPort: 0,
        clientPortAddress: '127.0.0.1',
        tickTimeMs: 2000,
        minSessionTimeoutMs: 20_000,
        maxSessionTimeoutMs: 60_000,
        maxClientCnxns: 0,
        forceSync: false,
        extendedTypesEnabled: true,
        superDigest: SUPER_DIGEST,
        reconfigEnabled,
        enforceQuota,
        containerCheckIntervalMs: NEVER_MS,
      }),
      silent,
    )
    const servers = { oursPort: ours.clientPort!, apachePort: theirs.port }
    const run = new LockStep(servers, SEED, { enforceQuota })
    const startedMs = performance.now()
    try {
      await run.run(OPS)
    } catch (error) {
      if (!theirs.isAlive) process.stderr.write(`Apache's server ended: ${theirs.output}\n`)
      throw error
    } finally {
      run.close()
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
      process.stderr.write(
        `differential: seed ${SEED}, ${run.operations} operations and ${run.events} events in ${seconds} s\n`,
      )
      for (const [name, count] of run.acceptedCounts) {
        process.stderr.write(`differential: accepted ${count} times: ${name}\n`)
      }
    }
    // Every kind of operation came to be compared.
    if (OPS >= 20_000) expect(run.countsByType.size).toBeGreaterThan(25)
    if (OPS >= 20_000 && enforceQuota) expect(run.quotaRefusals).toBeGreaterThan(50)
  },
)
