import { defineConfig, mergeConfig } from 'vitest/config';
import config from '../../vitest.config.ts';

/** `npm run e2e:openclaw` uses the tests' engine setup, for the path of its binary. One gateway at a time. */
export default mergeConfig(
  { ...config, test: { ...config.test, include: [] } },
  defineConfig({ test: { include: ['test/e2e/openclaw/*.test.ts'], testTimeout: 120_000, hookTimeout: 900_000 } }),
);
