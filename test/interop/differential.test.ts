/**
 * A differential run: a seeded random stream of operations of several sessions, good and bad, goes in
 * lock-step to our server and to Apache ZooKeeper 3.9.5; every reply and every event is compared.
 *
 *   DIFFERENTIAL_OPS    operations; when unset 100,000 in CI, 20,000 elsewhere
 *   DIFFERENTIAL_SEED   the seed, 1 when unset
 *
 * Three times: as most servers are set up, and with settings that answers depend on turned the other way,
 * together with those that must mean nothing to a lone server; and with both servers restarted. Each run prints what it compared as a
 * table of requests and codes, which holds at least `differential/least-coverage.ts`.
 *
 * What may differ is in `differential/accepted.ts`. Skips aloud where there is no Java or no Maven.
 */
import { expect, test } from 'vitest'
import { apacheMissing } from '../support/apache.ts'
import { apacheServer, ourTimedServer, type ServerSetUp } from '../support/twin-servers.ts'
import {
  leastCoverage,
  leastCoverageOfOthers,
  type LeastCoverage,
} from './differential/least-coverage.ts'
import { LockStep } from './differential/lock-step.ts'

const missing = apacheMissing()
if (missing !== null)
  process.stderr.write(`SKIPPED test/interop/differential.test.ts: ${missing}\n`)

const OPS = Number(process.env['DIFFERENTIAL_OPS'] ?? (process.env['CI'] ? 100_000 : 20_000))
const SEED = Number(process.env['DIFFERENTIAL_SEED'] ?? 1)
/** Longer than any run: reaping would fall between other operations on each server. */
const NEVER_MS = 86_400_000

interface Run {
  readonly name: string
  readonly operations: number
  readonly setUp: ServerSetUp
  readonly least: LeastCoverage
  /** Both servers are stopped and started again in its course. */
  readonly restarts?: number
}

const timeouts = { minSessionTimeout: '20000', maxSessionTimeout: '60000' }
const properties = { 'znode.container.checkIntervalMs': String(NEVER_MS) }
const runs: readonly Run[] = [
  {
    name: 'usual settings',
    operations: OPS,
    setUp: { settings: timeouts, properties },
    least: leastCoverage,
  },
  {
    name: 'the other settings',
    operations: Math.ceil(OPS / 4),
    setUp: {
      settings: {
        ...timeouts,
        reconfigEnabled: 'true',
        enforceQuota: 'true',
        extendedTypesEnabled: 'false',
        // For members of an ensemble alone.
        localSessionsEnabled: 'true',
        localSessionsUpgradingEnabled: 'true',
        enableEagerACLCheck: 'true',
      },
      properties: { ...properties, 'readonlymode.enabled': 'true' },
    },
    least: leastCoverageOfOthers,
  },
  {
    name: 'restarts and snapshots',
    operations: Math.ceil(OPS / 4),
    setUp: { settings: { ...timeouts, snapCount: '2000' }, properties },
    least: { often: ['restart: all sessions go on'], seldom: [] },
    restarts: 4,
  },
]

test.skipIf(missing !== null).each(runs)(
  `$operations operations of seed ${SEED}, with $name, are answered as Apache 3.9.5 answers them (X-1, X-2, X-3)`,
  async ({ name, operations, setUp, least, restarts: count = 0 }) => {
    await using theirs = await apacheServer(setUp)
    await using ours = await ourTimedServer(setUp)
    const servers = { oursPort: ours.port, apachePort: theirs.port }
    // Hard quotas refuse: what their usage is counted from must not be in flight (operations.ts).
    const enforceQuota = setUp.settings?.['enforceQuota'] === 'true'
    const restarts = {
      afterOperations: Math.ceil(operations / (count + 1)),
      restart: async () => void (await Promise.all([ours.restart(), theirs.restart()])),
    }
    const options = { enforceQuota, restarts: count === 0 ? null : restarts }
    const run = new LockStep(servers, SEED, options)
    const startedMs = performance.now()
    try {
      await run.run(operations)
    } catch (error) {
      process.stderr.write(theirs.lastWords())
      throw error
    } finally {
      run.close()
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
      process.stderr.write(
        `differential: ${name}, seed ${SEED}, ${run.operations} operations and ${run.events} events in ${seconds} s\n${run.coverage.table()}`,
      )
      for (const [difference, count] of run.acceptedCounts) {
        process.stderr.write(`differential: accepted ${count} times: ${difference}\n`)
      }
    }
    // The stream does not shrink unnoticed.
    if (OPS >= 20_000) expect(run.coverage.missing(least.often)).toEqual([])
    if (OPS >= 100_000) expect(run.coverage.missing(least.seldom)).toEqual([])
  },
)
