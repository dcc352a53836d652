/**
 * Compatibility (`npm run test:interop`): real servers, clients and registries. One file at a time,
 * since they share ports, cores and caches. A test skips aloud when what it needs is absent.
 */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 15 * 60_000,
    hookTimeout: 5 * 60_000,
  },
})
