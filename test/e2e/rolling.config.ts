import { defineConfig, mergeConfig } from 'vitest/config';
import config from '../../vitest.config.ts';

/** `npm run e2e:rolling` uses the tests' engine and world. */
export default mergeConfig(
  { ...config, test: { ...config.test, include: [] } },
  defineConfig({
    test: {
      include: ['test/e2e/rolling/*.test.ts'],
      testTimeout: 180_000,
      hookTimeout: 600_000,
      disableConsoleIntercept: true,
    },
  }),
);
