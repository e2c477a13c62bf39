import { defineConfig } from 'vitest/config';

/** `npm run e2e:cluster` starts its own engine, on PostgreSQL. The first run builds it. */
export default defineConfig({
  test: { include: ['test/e2e/cluster/*.test.ts'], pool: 'forks', testTimeout: 60_000, hookTimeout: 1_800_000 },
});
