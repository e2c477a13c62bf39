import { defineConfig } from 'vitest/config';

/** `npm run e2e:cluster` brings an engine of its own, on PostgreSQL. The first time it builds it. */
export default defineConfig({
  test: { include: ['test/e2e/cluster/*.test.ts'], pool: 'forks', testTimeout: 60_000, hookTimeout: 1_800_000 },
});
