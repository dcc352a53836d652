/**
 * The fast tests (`npm test`): everything under test/ that needs nothing but what `npm ci` brought.
 * Real servers, clients and registries are in vitest.interop.config.ts, long simulations in
 * `npm run simulate`.
 */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/interop/**', 'test/golden/**'],
    pool: 'forks',
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
})
