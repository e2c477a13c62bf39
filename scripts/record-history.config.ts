import { defineConfig, mergeConfig } from 'vitest/config';
import config from '../vitest.config.ts';

/** `npm run record-history` uses the tests' engine and world; its scenarios are not tests. */
export default mergeConfig(
  { ...config, test: { ...config.test, include: [] } },
  defineConfig({ test: { include: ['scripts/record-history.ts'] } }),
);
