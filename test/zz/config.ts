import { defineConfig } from 'vitest/config'; export default defineConfig({ test: { include: ['test/zz/*.test.ts'], pool: 'forks' } });
